package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/profiles/policy"
	"github.com/aztec-spartan/aztec-spartan/units"
)

// While versions move to another repository both have them: each is offered
// once, or it would give way to itself.
func TestOfferNamesEachVersionOnce(t *testing.T) {
	tags := map[string]string{"/v2/old/aztec/tags/list": `"4.1.2","4.1.3","latest"`, "/v2/new/aztec/tags/list": `"4.1.2","4.1.3","4.1.4","latest"`}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"tags":[%s]}`, tags[r.URL.Path])
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	a := newApp(io.Discard)
	a.root = t.TempDir()
	write(t, a.path(profilesDir+"/repositories.toml"), fmt.Sprintf("schema = 1\n[[repository]]\nname = \"%[1]s/old/aztec\"\nversions = \"< 4.1.3\"\n[[repository]]\nname = \"%[1]s/new/aztec\"\nversions = \">= 4.1.3\"\n", host), 0o644)
	var q policy.Question
	if err := a.offer(t.Context(), &q, units.Meta{Network: "mainnet", Reference: host + "/old/aztec:4.1.2"}, updateFlags{}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"4.1.2", "4.1.3", "latest", "4.1.4"}; !slices.Equal(q.Offered, want) {
		t.Errorf("offered: %q, want %q", q.Offered, want)
	}
}

// oneIsAway is a registry with 5.1.0 and 5.1.1, and one that does not answer.
func oneIsAway(t *testing.T) (there, away string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"tags":["5.1.0","5.1.1"]}`)
	}))
	t.Cleanup(server.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	return strings.TrimPrefix(server.URL, "http://"), strings.TrimPrefix(gone.URL, "http://")
}

// A registry that is away is in the way only if it may have something newer.
func TestOfferWithoutAnOldRegistry(t *testing.T) {
	host, old := oneIsAway(t)
	a := newApp(io.Discard)
	a.root = t.TempDir()
	write(t, a.path(profilesDir+"/repositories.toml"), fmt.Sprintf("schema = 1\n[[repository]]\nname = \"%s/aztec\"\nversions = \"< 5.1\"\n[[repository]]\nname = \"%s/aztec\"\nversions = \">= 5.1\"\n", old, host), 0o644)
	offer := func(reference, version string) (policy.Question, error) {
		var q policy.Question
		err := a.offer(t.Context(), &q, units.Meta{Network: "mainnet", Reference: reference, Version: version}, updateFlags{})
		return q, err
	}
	if q, err := offer(host+"/aztec:5.1.0", "5.1.0"); err != nil || !slices.Equal(q.Offered, []string{"5.1.0", "5.1.1"}) {
		t.Errorf("offered: %q, %v", q.Offered, err)
	}
	if q, err := offer(old+"/aztec:5.1.0", "5.1.0"); err != nil || !slices.Equal(q.Offered, []string{"5.1.0", "5.1.1"}) {
		t.Errorf("pulled from the old one, offered: %q, %v", q.Offered, err)
	}
	if _, err := offer(old+"/aztec:5.0.1", "5.0.1"); err == nil {
		t.Error("5.0.2 may be there, and nobody could ask")
	}
}

// A registry that is away keeps nobody from seeing what others offer.
func TestVersionsWithoutAnOldRegistry(t *testing.T) {
	host, old := oneIsAway(t)
	var said strings.Builder
	a := newApp(&said)
	a.root, a.err = t.TempDir(), io.Discard
	list := []installed{{pulled: pulled{Reference: old + "/aztec:5.0.9"}}, {pulled: pulled{Reference: host + "/aztec@sha256:00"}}}
	err := a.printOffered(t.Context(), list, false)
	if err == nil || !strings.Contains(err.Error(), old) {
		t.Errorf("got %v", err)
	}
	if want := "\noffered by " + host + "/aztec:\n  5.1.1, 5.1.0\n"; said.String() != want {
		t.Errorf("said %q, want %q", said.String(), want)
	}
}
