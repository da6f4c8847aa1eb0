package keystore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// staker is what validator-keys writes beside a keystore.
const staker = `[{"attester":"` + devAddress1 + `","publicKeyG1":{"x":"0x1","y":"0x2"},"proofOfPossession":{"x":"0x1","y":"0x2"}}]`

func TestLoad(t *testing.T) {
	one := v1(`"attester":"` + devKey1 + `",` + fee)
	other := v1(`"attester":"` + devKey0 + `",` + fee)
	for _, c := range []struct {
		name  string
		files map[string]string
		path  string
		mode  fs.FileMode
		want  string // of the error; "": addresses
		is    error
		n     int
	}{
		{"file", map[string]string{"k.json": one}, "k.json", 0o600, "", nil, 1},
		{"group", map[string]string{"k.json": one}, "k.json", 0o640, "", nil, 1},
		{"directory", map[string]string{"a.json": one, "b.JSON": other, "notes.txt": "mine"}, ".", 0o600, "", nil, 2},
		{"read by others", map[string]string{"k.json": one}, "k.json", 0o644, "k.json", ErrExposed, 0},
		{"written by others", map[string]string{"k.json": one}, "k.json", 0o602, "k.json", ErrExposed, 0},
		{"nothing there", nil, "k.json", 0o600, "k.json", fs.ErrNotExist, 0},
		{"empty directory", map[string]string{"k.txt": one}, ".", 0o600, "no file *.json", nil, 0},
		{"staker output beside it", map[string]string{"key1.json": one, "key1_staker_output.json": staker}, ".", 0o600, "key1_staker_output.json", ErrStakerOutput, 0},
		{"one attester in two files", map[string]string{"a.json": one, "b.json": one}, ".", 0o600, "b.json: merging keystores: attester " + devAddress1 + " is there twice", nil, 0},
		{"bad file among good", map[string]string{"a.json": one, "b.json": other[:30]}, ".", 0o600, "b.json: parsing a keystore: the file: is not valid JSON", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(filepath.Join(dir, name), c.mode); err != nil {
					t.Fatal(err)
				}
			}
			data, err := Load(filepath.Join(dir, c.path))
			if c.want == "" {
				k, perr := Parse(data)
				if err != nil || perr != nil || len(k.Addresses()) != c.n {
					t.Errorf("%v, %v, %d attesters", err, perr, len(k.Addresses()))
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	t.Run("device", func(t *testing.T) {
		if _, err := Load("/dev/null"); !errors.Is(err, ErrNotFile) {
			t.Error(err)
		}
	})
}
