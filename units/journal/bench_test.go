package journal

import (
	"strings"
	"testing"
)

// BenchmarkScan measures what an entry costs from journalctl's output to ours.
func BenchmarkScan(b *testing.B) {
	lines := strings.Count(story(), "\n")
	text := strings.Repeat(story(), 1000)
	w, err := NewWriter(discard{}, "short", true)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var l levels
		err := scan(strings.NewReader(text), func(e Entry) error {
			e.Level = l.of(e)
			return w.Write(e)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*float64(lines)*1000/b.Elapsed().Seconds(), "entries/s")
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
