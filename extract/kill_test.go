//go:build strace

package extract_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// These tests end a process, or fill the disk, at one system call after the other, by strace's injection. strace counts calls by
// thread, and which thread of a Go program makes a call is chance; so together they come by most of the moments that there are,
// and not by the same ones each time.

// deaths are system calls that change something, or are about to.
var deaths = []string{
	"openat", "write", "pwrite64", "mkdirat", "linkat", "symlinkat", "renameat", "renameat2", "unlinkat", "fchmod", "fchown", "fchownat",
	"utimensat", "ftruncate", "fsync", "syncfs", "ioctl", "flock", "fsetxattr", "mknodat", "rename", "unlink", "close",
}

// shortages are system calls that may find the disk full. write is not among them: it is also how a Go program wakes itself, and
// how it asks the registry. TestNoSpace fills the disk for that.
var shortages = []string{"openat", "mkdirat", "linkat", "symlinkat", "renameat", "renameat2", "pwrite64", "ftruncate", "fsync", "syncfs", "mknodat"}

// scene is a store before something happens to it.
type scene struct {
	t     *testing.T
	r     *fakeRegistry
	trees map[string]map[string]Listed // by id
}

func newScene(t *testing.T) *scene {
	sc := &scene{t: t, r: newRegistry(t), trees: map[string]map[string]Listed{}}
	layers := varied(t)
	sc.r.push(image{tag: "v1", layers: layers})
	sc.r.push(image{tag: "v2", layers: append(layers[:2:2], layer{tar: tarOf(t, File("changed", noise(7, 3000)), File("big", noise(8, 600<<10)))})})
	for _, tag := range []string{":v1", ":v2"} {
		im := pull(t, newStore(t), sc.r.ref(tag))
		sc.trees[im.ID] = List(t, im.Rootfs())
	}
	return sc
}

// state checks that each image that is there is whole, and returns the ids.
func (sc *scene) state(s *extract.Store, what string) []string {
	images, err := s.List()
	if err != nil {
		sc.t.Errorf("%s: List: %v", what, err)
	}
	var ids []string
	for _, im := range images {
		ids = append(ids, im.ID)
		if diff := cmp.Diff(sc.trees[im.ID], List(sc.t, im.Rootfs())); diff != "" {
			sc.t.Errorf("%s: the tree differs (-want +got):\n%s", what, diff)
		}
		_, err := s.Verify(context.Background(), im.ID, func(d extract.Damage) { sc.t.Errorf("%s: %s: %s", what, d.Path, d.What) })
		if err != nil {
			sc.t.Errorf("%s: %v", what, err)
		}
	}
	return ids
}

// again pulls what was being pulled, and checks that all is as if nothing had happened.
func (sc *scene) again(s *extract.Store, what string, refs ...string) {
	var want []string
	for _, ref := range refs {
		im, _, err := s.Pull(context.Background(), sc.r.ref(ref), impatient)
		if err != nil {
			sc.t.Errorf("%s: the next pull of %s: %v", what, ref, err)
			return
		}
		want = append(want, im.ID)
	}
	got := sc.state(s, what)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		sc.t.Errorf("%s: then there are %v, want %v", what, got, want)
	}
	sc.clean(s, what)
}

// clean checks that there is nothing but images that are listed.
func (sc *scene) clean(s *extract.Store, what string) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		sc.t.Errorf("%s: %v", what, err)
	}
	for _, e := range entries {
		_, err := s.Get(e.Name())
		if err != nil && e.Name() != "store.json" && e.Name() != "tags.json" {
			sc.t.Errorf("%s: %s is left", what, e.Name())
		}
	}
	leftovers, err := filepath.Glob(filepath.Join(s.Dir, "sha256-*", "*"))
	if err != nil {
		sc.t.Errorf("%s: %v", what, err)
	}
	for _, path := range leftovers {
		if !slices.Contains([]string{"rootfs", "image.json", "layers", "files", "complete"}, filepath.Base(path)) {
			sc.t.Errorf("%s: %s is left", what, path)
		}
	}
}

// next is the call to interfere with after the n-th: each of the first ones, then fewer.
func next(n int) int {
	if n < 32 {
		return n + 1
	}
	return n + 7
}

// misses is how many moments in a row must not come for there to be no more.
const misses = 2

// everywhere runs play for one system call after the other, two at a time, until play says that it is not hit any more, with so
// many processors. With one, most calls are one thread's; with two there are more orders.
func everywhere(t *testing.T, procs, calls []string, effect string, play func(what string, trace []string) (hit bool)) {
	t.Helper()
	queue := make(chan []string, len(procs)*len(calls))
	for _, n := range procs {
		for _, call := range calls {
			queue <- []string{"GOMAXPROCS=" + n, call}
		}
	}
	close(queue)
	var runs, hits atomic.Int64
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() {
			for q := range queue {
				procs, call := q[0], q[1]
				for n, missed := 1, 0; missed < misses; n = next(n) {
					inject := fmt.Sprintf("inject=%s:%s:when=%d", call, effect, n)
					runs.Add(1)
					trace := []string{"strace", "-f", "-qqq", "-o", "/dev/null", "-E", procs, "-e", "trace=" + call, "-e", inject}
					if play(inject, trace) {
						hits.Add(1)
						missed = 0
					} else {
						missed++
					}
				}
			}
		})
	}
	running.Wait()
	t.Logf("%d runs, %d of them hit", runs.Load(), hits.Load())
	if hits.Load() < int64(len(calls)) {
		t.Errorf("only %d of %d runs were hit", hits.Load(), runs.Load())
	}
}

// TestStraceKilledPull kills pulls into an empty store.
func TestStraceKilledPull(t *testing.T) {
	sc := newScene(t)
	everywhere(t, []string{"1", "2"}, deaths, "signal=SIGKILL", func(what string, trace []string) bool {
		s := newStore(t)
		code, out := inChild(t, trace, "pull", s.Dir, sc.r.ref(":v1"))
		if code > 0 {
			t.Errorf("%s: exit code %d: %s", what, code, out)
		}
		sc.state(s, what)
		sc.again(s, what, ":v1")
		return code != 0
	})
}

// TestStraceKilledUpdate kills pulls into a store that has another version to share with.
func TestStraceKilledUpdate(t *testing.T) {
	sc := newScene(t)
	everywhere(t, []string{"2"}, deaths, "signal=SIGKILL", func(what string, trace []string) bool {
		s := newStore(t)
		pull(t, s, sc.r.ref(":v1"))
		code, out := inChild(t, trace, "pull", s.Dir, sc.r.ref(":v2"))
		if code > 0 {
			t.Errorf("%s: exit code %d: %s", what, code, out)
		}
		if len(sc.state(s, what)) == 0 {
			t.Errorf("%s: the version that was there is gone", what)
		}
		sc.again(s, what, ":v1", ":v2")
		return code != 0
	})
}

// TestStraceNoSpacePull lets one call after the other find the disk full.
func TestStraceNoSpacePull(t *testing.T) {
	sc := newScene(t)
	everywhere(t, []string{"1", "2"}, shortages, "error=ENOSPC", func(what string, trace []string) bool {
		s := newStore(t)
		code, out := inChild(t, trace, "pull", s.Dir, sc.r.ref(":v1"))
		// What opens files may be the runtime or the resolver of names, and what is tidied up may stay for the next run.
		if code != 0 && code != childNoSpace {
			t.Errorf("%s: exit code %d: %s", what, code, out)
		}
		if ids := sc.state(s, what); code != 0 && len(ids) > 0 && !strings.Contains(out, "recording what") {
			t.Errorf("%s: it failed and left an image: %s", what, out)
		}
		sc.again(s, what, ":v1")
		return code != 0
	})
}

// TestStraceRemoval kills removals, collections and repairs, and lets them find the disk full.
func TestStraceRemoval(t *testing.T) {
	all := newScene(t)
	removing := []string{"openat", "unlinkat", "fsync", "flock", "close", "write"}
	repairing := slices.Concat(removing, []string{"mkdirat", "linkat", "symlinkat", "renameat", "fchmod", "utimensat", "syncfs"})
	for _, test := range []struct {
		do, effect string
		calls      []string
	}{
		{"remove", "signal=SIGKILL", removing},
		{"remove", "error=ENOSPC", []string{"openat", "unlinkat", "fsync"}},
		{"collect", "signal=SIGKILL", removing},
		{"repair", "signal=SIGKILL", repairing},
		{"repair", "error=ENOSPC", []string{"openat", "mkdirat", "linkat", "symlinkat", "renameat", "syncfs"}},
	} {
		t.Run(test.do+" "+test.effect, func(t *testing.T) {
			sc := &scene{t: t, r: all.r, trees: all.trees}
			everywhere(t, []string{"1"}, test.calls, test.effect, func(what string, trace []string) bool {
				return sc.removal(test.do, test.effect, what, trace)
			})
		})
	}
}

// removal does something to the older one of two images that share files.
func (sc *scene) removal(do, effect, what string, trace []string) (hit bool) {
	t, s := sc.t, newStore(sc.t)
	victim, other := pull(t, s, sc.r.ref(":v1")), pull(t, s, sc.r.ref(":v2"))
	if do == "repair" {
		damage(t, victim)
	}
	code, out := inChild(t, trace, do, s.Dir, victim.ID)
	if code > 0 && effect == "signal=SIGKILL" {
		t.Errorf("%s: exit code %d: %s", what, code, out)
	}
	if do == "repair" {
		// They share an inode whose mode was changed.
		for _, im := range []*extract.Image{victim, other} {
			if _, err := s.Repair(context.Background(), im.ID, impatient, func(extract.Damage) {}); err != nil {
				t.Errorf("%s: the next repair: %v", what, err)
			}
		}
		if _, err := s.Collect(func(*extract.Image) string { return "all" }, false); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if left := sc.state(s, what); do != "collect" && !slices.Contains(left, other.ID) {
		t.Errorf("%s: the other version is gone", what)
	}
	sc.again(s, what, ":v1", ":v2")
	for _, im := range []*extract.Image{victim, other} {
		if err := s.Remove(im.ID); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	sc.clean(s, what)
	return code != 0
}

// damage changes an image in one way of each kind.
func damage(t *testing.T, im *extract.Image) {
	t.Helper()
	at := func(name string) string { return filepath.Join(im.Rootfs(), name) }
	if err := errors.Join(
		os.RemoveAll(at("usr/lib")), os.WriteFile(at("extra"), []byte("x"), 0o600), os.Chmod(at("bin/tool"), 0o700),
		os.Remove(at("big")), os.Symlink("/etc/passwd", at("big")), os.Remove(at("lib")),
	); err != nil {
		t.Fatal(err)
	}
}
