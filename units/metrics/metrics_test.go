package metrics

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestText(t *testing.T) {
	s := New()
	s.Gauge("a_bytes", "Bytes, of \\ and\nlines.", 1.5e9, "name", "x")
	s.Counter("b_total", "Counts.", 3)
	s.Gauge("a_bytes", "ignored", math.MaxInt32, "name", "\"q\"\\\n\xff", "other", "")
	want := "# HELP a_bytes Bytes, of \\\\ and\\nlines.\n# TYPE a_bytes gauge\n" +
		"a_bytes{name=\"x\"} 1.5e+09\na_bytes{name=\"\\\"q\\\"\\\\\\n\uFFFD\",other=\"\"} 2.147483647e+09\n" +
		"# HELP b_total Counts.\n# TYPE b_total counter\nb_total 3\n"
	if d := cmp.Diff(want, string(s.Text())); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if len(New().Text()) != 0 {
		t.Error("an empty set has a text")
	}
}
