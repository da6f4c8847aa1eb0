package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOfferText(t *testing.T) {
	for _, test := range []struct {
		tags []string
		want string
	}{
		{nil, "  nothing"},
		{[]string{"4.1.2", "latest", "4.1.10", "5.0.0-rc.1"}, "  4.1.10, 4.1.2, 5.0.0-rc.1, latest"},
	} {
		if got := offerText(test.tags, false); got != test.want {
			t.Errorf("%v: %q", test.tags, got)
		}
	}
	var many []string
	for n := range 300 {
		many = append(many, fmt.Sprintf("5.0.0-nightly.%d", 20260101+n), fmt.Sprintf("4.%d.0", n))
	}
	got := offerText(many, false)
	if !strings.HasPrefix(got, "  4.299.0, 4.298.0,") || strings.Contains(got, "4.279.0") || strings.Contains(got, "nightly") ||
		!strings.HasSuffix(got, "\n  and 580 that are older or not stable: --all lists them") {
		t.Errorf("many: %s", got)
	}
	all := offerText(many, true)
	if len(strings.Split(all, ",")) != len(many) || strings.Contains(all, "--all") {
		t.Errorf("all: %s", all)
	}
	for line := range strings.Lines(all) {
		if len(line) > helpColumns+1 {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
}

// The configured repository may be one that new versions do not come to any more.
func TestNewestRelease(t *testing.T) {
	serve := func(answer string) *httptest.Server {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		t.Cleanup(server.Close)
		return server
	}
	old := serve(`{"tags":["5.0.9","5.0.10"]}`)
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, test := range []struct {
		now  *httptest.Server
		want string
	}{
		{serve(`{"tags":["6.0.0","6.1.0-rc.1"]}`), "6.0.0"},
		{serve(`{"tags":["6.0.0-rc.1"]}`), "5.0.10"},
		{gone, ""}, // who knows
	} {
		repository := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") + "/aztec" }
		a := newApp(io.Discard)
		a.root = t.TempDir()
		write(t, a.path(profilesDir+"/repositories.toml"), fmt.Sprintf("schema = 1\n[[repository]]\nname = %q\nversions = \"< 6\"\n[[repository]]\nname = %q\nversions = \">= 6\"\n", repository(old), repository(test.now)), 0o644)
		if got := a.newestIn(t.Context(), repository(old)); got != test.want {
			t.Errorf("the newest release is %q, want %q", got, test.want)
		}
	}
}
