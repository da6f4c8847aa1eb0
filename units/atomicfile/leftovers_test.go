package atomicfile

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, age time.Duration) {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(name, then, then); err != nil {
			t.Fatal(err)
		}
	}
	put(tempPrefix+"1", 2*time.Hour)
	put(tempPrefix+"2", time.Minute) // of a writer at work
	put("a/"+tempPrefix+"3", 2*time.Hour)
	put("a/b/"+tempPrefix+"4", 2*time.Hour)
	put("state.json", 2*time.Hour)
	if err := os.MkdirAll(filepath.Join(dir, tempPrefix+"5", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.WriteFile(filepath.Join(elsewhere, tempPrefix+"6"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(elsewhere, tempPrefix+"6"), old, old); err != nil {
		t.Fatal(err)
	}
	got, err := Leftovers(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []Leftover{{filepath.Join(dir, tempPrefix+"1"), 4}, {filepath.Join(dir, "a", tempPrefix+"3"), 4}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got, err := Leftovers(filepath.Join(dir, "absent"), 1); got != nil || err != nil {
		t.Errorf("of a directory that is not there: %v, %v", got, err)
	}
}
