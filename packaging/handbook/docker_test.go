//go:build soak

package handbook

import (
	"os"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// TestSoakAdoptChapter does what the chapter about docker says with a real one, in
// place of the stand-in that TestHandbook has for it.
func TestSoakAdoptChapter(t *testing.T) {
	chapters, err := Chapters(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	layouts := images(t)
	s, err := stage.Set(t.Context(), stage.Options{Suite: "trixie", Deb: debPath(t), Layouts: layouts[:1], Docker: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	p := player{name: t.Name(), hosts: [2]*stage.Stage{s, s}, layouts: layouts}
	p.furnish(t, 0)
	for _, c := range chapters {
		if c.File == "02-from-docker.md" {
			p.play(t, c)
		}
	}
}
