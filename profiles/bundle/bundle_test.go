package bundle

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestBundle(t *testing.T) {
	id := identity(t)
	var sealed bytes.Buffer
	w, err := NewWriter(&sealed, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Repeat("a secret ", 1000)
	for _, name := range []string{"instance.toml", "data/signing-protection/data.mdb"} {
		if err := w.Add(name, int64(len(secret)), strings.NewReader(secret)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"", "/etc/passwd", "../x", "a/../b", "a//b", "x\n", ".."} {
		if err := w.Add(name, 0, strings.NewReader("")); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
	if err := w.Add("short", 9, strings.NewReader("x")); err == nil {
		t.Error("a file that got shorter is taken")
	}
	sealed.Reset()
	if w, err = NewWriter(&sealed, id.Recipient()); err != nil {
		t.Fatal(err)
	}
	if err := w.Add("instance.toml", int64(len(secret)), strings.NewReader(secret)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sealed.String(), "a secret") {
		t.Error("it can be read")
	}
	read := func(data []byte, who age.Identity) (string, error) {
		r, err := NewReader(bytes.NewReader(data), who)
		if err != nil {
			return "", err
		}
		defer r.Close()
		e, err := r.Next()
		if err != nil {
			return "", err
		}
		text, err := e.All()
		if err == nil {
			if _, err = r.Next(); errors.Is(err, io.EOF) {
				err = nil
			}
		}
		return string(text), err
	}
	if got, err := read(sealed.Bytes(), id); err != nil || got != secret {
		t.Errorf("%v", err)
	}
	if _, err := read(sealed.Bytes(), identity(t)); !errors.Is(err, ErrForm) || !strings.Contains(err.Error(), "not the one that it was made for") {
		t.Errorf("another identity: %v", err)
	}
	for _, cut := range []int{0, 10, 100, sealed.Len() / 2, sealed.Len() - 1} {
		if _, err := read(sealed.Bytes()[:cut], id); !errors.Is(err, ErrForm) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	flipped := bytes.Clone(sealed.Bytes())
	flipped[len(flipped)-20] ^= 1
	if _, err := read(flipped, id); !errors.Is(err, ErrForm) {
		t.Errorf("damaged: %v", err)
	}
}

// What has the key is not believed for that.
func TestHostileBundle(t *testing.T) {
	id := identity(t)
	for name, h := range map[string]*tar.Header{
		"a link":     {Name: "x", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink},
		"a way out":  {Name: "../../etc/passwd", Typeflag: tar.TypeReg},
		"a root":     {Name: "/etc/passwd", Typeflag: tar.TypeReg},
		"a device":   {Name: "x", Typeflag: tar.TypeBlock},
		"a large":    {Name: "instance.toml", Size: MaxSmall + 1, Typeflag: tar.TypeReg},
		"a terminal": {Name: "\x1b[2J", Typeflag: tar.TypeReg},
	} {
		var sealed bytes.Buffer
		enc, err := age.Encrypt(&sealed, id.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		zip, err := zstd.NewWriter(enc)
		if err != nil {
			t.Fatal(err)
		}
		archive := tar.NewWriter(zip)
		if err := archive.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(archive, zeros{}, h.Size); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(archive.Close(), zip.Close(), enc.Close()); err != nil {
			t.Fatal(err)
		}
		r, err := NewReader(&sealed, id)
		if err != nil {
			t.Fatal(err)
		}
		e, err := r.Next()
		if err == nil {
			_, err = e.All()
		}
		if !errors.Is(err, ErrForm) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", name, err)
		}
		r.Close()
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
