//go:build booted

package handbook

import (
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// TestHandbook does what the handbook says, from its first chapter to its last,
// on two hosts which share a network and are of two releases of Debian. What
// the reader is told to see must be seen.
func TestHandbook(t *testing.T) {
	chapters, err := Chapters(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	p := boot(t)
	for _, c := range chapters {
		if !t.Run(c.Title, func(t *testing.T) { p.play(t, c) }) {
			t.Fatal("the chapters are one story: the others were not tried")
		}
	}
}

// boot is two hosts on one network.
func boot(t *testing.T) *player {
	t.Helper()
	p, deb := &player{name: t.Name(), layouts: images(t)}, debPath(t)
	var boots sync.WaitGroup
	errs := make([]error, 2)
	for i, suite := range []string{"bookworm", "trixie"} {
		boots.Go(func() {
			p.hosts[i], errs[i] = stage.Set(t.Context(), stage.Options{Suite: suite, Deb: deb, Layouts: p.layouts[:1]})
		})
	}
	boots.Wait()
	for i, h := range p.hosts {
		if errs[i] != nil {
			t.Error(errs[i])
			continue
		}
		t.Cleanup(func() {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if t.Failed() {
		t.FailNow()
	}
	if err := p.hosts[0].Connect(t.Context(), p.hosts[1].Host, "10.1.0.1/24", "10.1.0.2/24"); err != nil {
		t.Fatal(err)
	}
	for i := range p.hosts {
		p.furnish(t, i)
	}
	// What the reader copies with scp.
	p.serve(t, 0, "10.1.0.1:5004", http.FileServer(http.Dir(p.hosts[0].Path("/root"))))
	return p
}
