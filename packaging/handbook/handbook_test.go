package handbook

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const top = "../.."

// README leads to every chapter by its title, and what a chapter leaves to
// another test is left to one that is there.
func TestChapters(t *testing.T) {
	chapters, err := Chapters(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	const days = 13
	if len(chapters) != days {
		t.Errorf("%d chapters, want %d", len(chapters), days)
	}
	readme, err := os.ReadFile(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	for _, c := range chapters {
		if link := "[" + c.Title + "](packaging/handbook/" + c.File + ")"; !strings.Contains(string(readme), link) {
			t.Errorf("README has no %s", link)
		}
		sessions := 0
		for _, s := range c.Steps {
			if s.By != "" && !strings.Contains(tests, "\nfunc "+s.By+"(") {
				t.Errorf("%s:%d: there is no test %s", c.File, s.Line, s.By)
			}
			if s.Kind == Session {
				sessions++
			}
		}
		if sessions == 0 {
			t.Errorf("%s: nothing is typed", c.File)
		}
	}
}

// testNames is the text of all tests.
func testNames(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"cmd/*/*_test.go", "packaging/*/*_test.go"} {
		files, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString("\n" + string(text))
		}
	}
	return all.String()
}
