package answer

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What root says is heard while it is said, on the same streams, and how it ended.
func TestHeard(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "operator")
	var out, errs, journal bytes.Buffer
	if err := Hear(dir, "status", &out, &errs).More(true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing was said: %v", err)
	}
	for _, want := range []int{0, 6} {
		out.Reset()
		errs.Reset()
		journal.Reset()
		h := Hear(dir, "status", &out, &errs) // the second time there is the first answer
		if err := h.More(false); err != nil || out.Len() != 0 {
			t.Errorf("nothing was said yet: %v, %q", err, out.String())
		}
		a, err := New(dir, "status", os.Getgid())
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, a.Stream(false, &journal), "val1 \"is\"\n")
		if err := h.More(false); err != nil || out.String() != "val1 \"is\"\n" {
			t.Errorf("while it is said: %v, %q", err, out.String())
		}
		mustWrite(t, a.Stream(true, &journal), "warning\n")
		mustWrite(t, a.Stream(false, &journal), "healthy\n")
		if err := a.End(want); err != nil {
			t.Fatal(err)
		}
		if err := h.More(true); err != nil || h.Code() != want || out.String() != "val1 \"is\"\nhealthy\n" || errs.String() != "warning\n" {
			t.Errorf("at last: %v, code %d, %q and %q", err, h.Code(), out.String(), errs.String())
		}
		if journal.String() != "val1 \"is\"\nwarning\nhealthy\n" {
			t.Errorf("the journal has %q", journal.String())
		}
	}
	// Who asks what somebody else has just asked hears the same.
	out.Reset()
	h := Hear(dir, "status", &out, &errs)
	if err := h.More(true); err != nil || h.Code() != 6 || out.String() != "val1 \"is\"\nhealthy\n" {
		t.Errorf("of the same time: %v, %q", err, out.String())
	}
	if info, err := os.Stat(pathOf(dir, "status")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("%v, %v", info, err)
	}

	// One that breaks off is not taken for the end, and old ones go.
	broken, err := New(dir, "disk", os.Getgid())
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, broken.Stream(false, &journal), "half")
	if err := Hear(dir, "disk", &out, &errs).More(true); !errors.Is(err, ErrNoEnd) {
		t.Errorf("it broke off: %v", err)
	}
	long := time.Now().Add(-2 * Kept)
	if err := os.Chtimes(pathOf(dir, "disk"), long, long); err != nil {
		t.Fatal(err)
	}
	if _, err := New(dir, "status", os.Getgid()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "status" {
		t.Errorf("left: %v, %v", left, err)
	}
}

func mustWrite(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}
