package extract_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// A pull that finds, when it comes to it, that another one has finished, uses that image and does not touch it.
func TestPullTwiceTogether(t *testing.T) {
	r := newRegistry(t)
	var config string
	r.push(image{tag: "v1", layers: small(t), manifest: func(d desc) { config = d["config"].(desc)["digest"].(string) }})
	s := newStore(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	r.on(func(_ http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, "/blobs/"+config) && held.CompareAndSwap(false, true) {
			close(asked)
			<-answer
		}
		return false
	})
	type result struct {
		im    *extract.Image
		stats extract.PullStats
		err   error
	}
	late := make(chan result)
	go func() {
		im, stats, err := s.Pull(t.Context(), r.ref(":v1"), amd64)
		late <- result{im, stats, err}
	}()
	<-asked
	im := pull(t, s, r.ref(":v1"))
	before, err := os.Stat(im.Rootfs())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Pin(im.ID, true); err != nil {
		t.Fatal(err)
	}
	close(answer)
	got := <-late
	if got.err != nil || got.im.ID != im.ID || !got.stats.Present {
		t.Errorf("the late pull: %+v", got)
	}
	after, err := os.Stat(im.Rootfs())
	if err != nil || !os.SameFile(before, after) || !im.Pinned() {
		t.Errorf("the image was replaced (%v)", err)
	}
}

// An image that an index names and that is here when it is looked for may be gone when it is used.
func TestPullWhileRemoved(t *testing.T) {
	r := newRegistry(t)
	child := r.push(image{layers: small(t)})
	r.manifest("v1", ociIndex, desc{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []desc{for_(child, "linux", "amd64")}})
	s := newStore(t)
	im := pull(t, s, r.ref(":v1"))
	mark := filepath.Join(s.Dir, im.ID, "complete")
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			os.Remove(mark)
			os.WriteFile(mark, nil, 0o600)
		}
	})
	// That nothing panics is the test; whether a pull finds the image is chance.
	for range 300 {
		s.Pull(t.Context(), r.ref(":v1"), amd64)
	}
	stop()
	running.Wait()
}

func TestRepairTwiceTogether(t *testing.T) {
	r := newRegistry(t)
	const files = 500
	entries := []Entry{Dir("d")}
	for i := range files {
		entries = append(entries, File(fmt.Sprintf("d/f%03d", i), fmt.Sprint("contents of ", i)))
	}
	r.push(image{tag: "v1", layers: []layer{{tar: tarOf(t, entries...)}}})
	s := newStore(t)
	im := pull(t, s, r.ref(":v1"))
	for range 4 {
		for i := range files {
			if err := os.WriteFile(filepath.Join(im.Rootfs(), fmt.Sprintf("d/f%03d", i)), []byte("bad"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var running sync.WaitGroup
		for range 2 {
			running.Go(func() {
				_, err := s.Repair(t.Context(), im.ID, amd64, func(extract.Damage) {})
				if err != nil && !errors.Is(err, extract.ErrBusy) {
					t.Error(err)
				}
			})
		}
		running.Wait()
		if v, err := s.Verify(t.Context(), im.ID, func(d extract.Damage) { t.Log(d) }); err != nil || v.Damaged > 0 {
			t.Fatalf("%d damages are left, %v", v.Damaged, err)
		}
	}
}

// Looking for what could be freed is no reason for a pull to fail.
func TestPullWhileCollecting(t *testing.T) {
	r := newRegistry(t)
	r.push(image{tag: "v1", layers: small(t)})
	s := newStore(t)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			s.Collect(func(*extract.Image) string { return "it stays" }, true)
		}
	})
	for range 60 {
		if err := s.Remove(pull(t, s, r.ref(":v1")).ID); err != nil {
			t.Error(err)
		}
	}
	stop()
	running.Wait()
}

func TestUnreadableNeighbour(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	r.push(image{tag: "v1", layers: []layer{{tar: tarOf(t, File("bin", "1"))}}})
	r.push(image{tag: "v2", layers: []layer{{tar: tarOf(t, File("bin", "2"))}}})
	im := pull(t, s, r.ref(":v1"))
	if err := os.WriteFile(filepath.Join(s.Dir, im.ID, "image.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	pull(t, s, r.ref(":v2"))
}

// A layer that an image has twice, and whose files are hidden in the image that has them, is fetched for both.
func TestTwiceAndHidden(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	same := layer{tar: tarOf(t, File("f", "contents f"), File("g", "contents g"))}
	r.push(image{tag: "v1", layers: []layer{same, {tar: tarOf(t, Whiteout("f"), Whiteout("g"))}}})
	r.push(image{tag: "v2", layers: []layer{same, {tar: tarOf(t, Link("h", "f"))}, same, {tar: tarOf(t, Whiteout("f"))}}})
	pull(t, s, r.ref(":v1"))
	shared := pull(t, s, r.ref(":v2"))
	alone := pull(t, newStore(t), r.ref(":v2"))
	if got, want := strings.Join(Lines(List(t, shared.Rootfs())), "\n"), strings.Join(Lines(List(t, alone.Rootfs())), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A layer that an image has twice is fetched once, and what the one takes out of the way the other has still.
func TestTwice(t *testing.T) {
	r := newRegistry(t)
	same := layer{tar: tarOf(t, File("f", "contents f"), File("d/g", "contents g"), File("d/h", "contents h"))}
	r.push(image{tag: "v1", layers: []layer{same, {tar: tarOf(t, Whiteout("d"), Link("l", "f"))}, same}})
	s := newStore(t)
	r.took()
	im := pull(t, s, r.ref(":v1"))
	fetched := 0
	for _, path := range r.took() {
		if strings.Contains(path, "/blobs/") && strings.HasSuffix(path, sha(gz(same.tar))) {
			fetched++
		}
	}
	if fetched != 1 {
		t.Errorf("the layer was fetched %d times", fetched)
	}
	sound(t, s, im.ID)
	list := List(t, im.Rootfs())
	for name, want := range map[string]string{"f": `"contents f"`, "l": `"contents f"`, "d/g": `"contents g"`, "d/h": `"contents h"`} {
		if list[name].Content != want {
			t.Errorf("%s is %v", name, list[name])
		}
	}
}
