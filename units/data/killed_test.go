package data

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var errKilled = errors.New("killed")

// killAt makes the writer die after its nth change.
func (d *Dir) killAt(n int) {
	d.step = func() {
		if n--; n == 0 {
			panic(errKilled)
		}
	}
}

// dies reports whether f was killed.
func dies(t *testing.T, f func() error) (died bool) {
	t.Helper()
	defer func() {
		switch r := recover(); {
		case r == nil:
		case r == errKilled: //nolint:errorlint // a panic value, not an error chain
			died = true
		default:
			panic(r)
		}
	}()
	if err := f(); err != nil {
		t.Fatal(err)
	}
	return false
}

// The writer is killed after each of its changes, and who settles then is too,
// after each of his. What is in place afterwards is of one version, whole.
func TestKilledAtEveryChange(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(t *testing.T, d *Dir) error
		now   string // in place before
		after string // and after, if it is not killed
		least int    // changes that it makes
	}{
		"save": {func(t *testing.T, d *Dir) error { return d.Save(t.Context(), 3, Copy) }, "new", "new", 5},
		"swap": {func(_ *testing.T, d *Dir) error { return d.Swap(2, 1) }, "new", "old", 9},
		"drop": {func(_ *testing.T, d *Dir) error { return d.Drop(1) }, "new", "new", 2},
	} {
		t.Run(name, func(t *testing.T) {
			first := 1
			for ; ; first++ {
				if !killedTwice(t, first, c.do, c.now, c.after) {
					break
				}
				if t.Failed() {
					t.Fatalf("killed after change %d", first)
				}
			}
			if first <= c.least {
				t.Errorf("%d changes: too few to be one", first-1)
			}
		})
	}
}

// A node that was started in the middle of a swap has made stores anew, or a
// file of such a name. They give way, whichever direction the swap ends in.
func TestSettleAfterANodeRan(t *testing.T) {
	moments := 0
	for n := 1; ; n++ {
		d, path := directory(t, "old")
		if err := d.Save(t.Context(), 1, Copy); err != nil {
			t.Fatal(err)
		}
		fill(t, path, "new")
		d.killAt(n)
		died := dies(t, func() error { return d.Swap(2, 1) })
		if !died {
			break
		}
		for i, store := range stores {
			name := filepath.Join(path, store)
			if _, err := os.Lstat(name); err == nil {
				continue
			}
			if i == 0 {
				put(t, name, "a file")
				continue
			}
			put(t, filepath.Join(name, "data.mdb"), "on a mix")
			put(t, filepath.Join(name, versionFile), "{}")
			moments++
		}
		d.killAt(1)
		dies(t, d.Settle)
		d.step = func() {}
		if err := d.Settle(); err != nil {
			t.Fatalf("killed after change %d: %v", n, err)
		}
		if got := holds(t, path); got != "new" && got != "old" {
			t.Errorf("killed after change %d: in place is %s", n, got)
		}
	}
	if moments < 4 {
		t.Errorf("%d stores were made anew: too few", moments)
	}
}

// The writer is killed after each of its changes, while an older store lies
// aside: no store is lost, and the one in place in the end is the newest.
func TestKilledProtection(t *testing.T) {
	for name, do := range map[string]func(d *Dir) error{
		"aside": func(d *Dir) error { _, err := d.SetAside(false); return err },
		"back": func(d *Dir) error {
			if _, err := d.SetAside(false); err != nil {
				return err
			}
			put(t, filepath.Join(d.root.Name(), Protection, "data.mdb"), "nothing")
			_, err := d.PutBack(2, true)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			killed := 0
			for n := 1; ; n++ {
				d, path := directory(t, "old")
				if _, err := d.SetAside(false); err != nil {
					t.Fatal(err)
				}
				put(t, filepath.Join(path, Protection, "data.mdb"), "newest")
				put(t, filepath.Join(path, Protection, versionFile), `{"schemaVersion":2}`)
				d.killAt(n)
				died := dies(t, func() error { return do(d) })
				d.step = func() {}
				if _, err := d.PutBack(2, false); err != nil {
					t.Fatal(err)
				}
				text, err := os.ReadFile(filepath.Join(path, Protection, "data.mdb"))
				if name == "back" && string(text) == "nothing" { // as it was when it was killed
					_, err = d.PutBack(2, true)
					text, _ = os.ReadFile(filepath.Join(path, Protection, "data.mdb"))
				}
				if err != nil || string(text) != "newest" {
					t.Fatalf("killed after change %d: %q, %v", n, text, err)
				}
				old, err := filepath.Glob(filepath.Join(path, SavedDir, Protection+"*/data.mdb"))
				if err != nil || len(old) == 0 {
					t.Fatalf("killed after change %d: aside %v, %v", n, old, err)
				}
				if !died {
					break
				}
				killed++
			}
			if killed < 2 {
				t.Errorf("%d changes: too few", killed)
			}
		})
	}
}

// killedTwice reports whether do was killed after so many changes.
func killedTwice(t *testing.T, first int, do func(*testing.T, *Dir) error, now, after string) bool {
	t.Helper()
	for second := 1; ; second++ {
		d, path := directory(t, "old")
		if err := d.Save(t.Context(), 1, Copy); err != nil {
			t.Fatal(err)
		}
		fill(t, path, "new")
		put(t, filepath.Join(path, "sentinel/db_version"), "{}")
		d.killAt(first)
		died := dies(t, func() error { return do(t, d) })
		d.killAt(second)
		settling := dies(t, d.Settle)
		d.step = func() {}
		if err := d.Settle(); err != nil {
			t.Fatal(err)
		}
		got := holds(t, path)
		if got != now && got != after || !died && got != after {
			t.Errorf("killed after changes %d and %d: in place is %s", first, second, got)
		}
		untouched(t, path)
		for _, n := range sets(t, d) {
			if set := filepath.Join(path, setOf(n)); holds(t, set) != map[int]string{1: "old", 2: "new", 3: "new"}[n] {
				t.Errorf("killed after changes %d and %d: set %d has %s", first, second, n, holds(t, set))
			}
		}
		// Whatever the moment, the old ones come back from there.
		if whole, err := d.Has(1); err == nil && whole {
			if err := d.Swap(2, 1); err != nil || holds(t, path) != "old" {
				t.Errorf("killed after changes %d and %d: then %v, %s", first, second, err, holds(t, path))
			}
		} else if got != "old" && fmt.Sprint(now, after) != "newnew" {
			t.Errorf("killed after changes %d and %d: the old ones are lost", first, second)
		}
		names, err := d.saved()
		for _, name := range names {
			if diff := cmp.Diff([]string{}, matching(name)); err != nil || diff != "" {
				t.Errorf("left over: %s, %v", name, err)
			}
		}
		if !settling || t.Failed() {
			return died
		}
	}
}

// matching are the endings of unfinished work that a name has.
func matching(name string) []string {
	found := []string{}
	for _, end := range []string{partial, leaving, arriving} {
		if filepath.Ext(name) == end {
			found = append(found, end)
		}
	}
	return found
}
