package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStoresOfOtherVersions(t *testing.T) {
	const other = "0x00000000000000000000000000000000000000ff"
	for name, c := range map[string]struct {
		now     faults
		rollup  string
		says    string // of the error
		emptied bool   // the archiver's store
		signed  int    // schema of signing-protection afterwards
	}{
		"the same":                 {faults{Schemas: map[string]int{signingProtection: 2}}, rollupAddress, "", false, 2},
		"newer":                    {faults{Schemas: map[string]int{"archiver": 6, signingProtection: 3}}, rollupAddress, "", true, 3},
		"older":                    {faults{Schemas: map[string]int{"archiver": 4}}, rollupAddress, "", true, 2},
		"another rollup":           {faults{}, other, "", true, 2},
		"refuses":                  {faults{Schemas: map[string]int{"archiver": 6}, RefusesOldData: true}, rollupAddress, "cannot open", false, 2},
		"older signing protection": {faults{Schemas: map[string]int{signingProtection: 1}}, rollupAddress, "newer than the supported version 1", false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var out bytes.Buffer
			log, err := newLogger(&out, "", "")
			if err != nil {
				t.Fatal(err)
			}
			s, err := openStore(dir, rollupAddress, faults{Schemas: map[string]int{signingProtection: 2}}, log)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.save(7); err != nil {
				t.Fatal(err)
			}
			s, err = openStore(dir, c.rollup, c.now, log)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Fatalf("%v, want %q", err, c.says)
			}
			if err == nil && (s.start == 0) != c.emptied {
				t.Errorf("it goes on from block %d", s.start)
			}
			if got := strings.Contains(out.String(), "Resetting database at "+filepath.Join(dir, "archiver")); got != c.emptied {
				t.Errorf("the log says\n%s", out.String())
			}
			var v dbVersion
			if err := readJSON(filepath.Join(dir, signingProtection, "db_version"), &v); err != nil || v.Schema != c.signed {
				t.Errorf("signing protection of schema %d, %v", v.Schema, err)
			}
			if _, err := os.Stat(filepath.Join(dir, "archiver", "data.mdb")); err != nil {
				t.Error(err)
			}
		})
	}
}
