package main

import (
	"io"
	"slices"
	"testing"
)

// systemd reads drop-ins by their names, and of one name only one.
func TestDropInsInForce(t *testing.T) {
	const own, template = "aztec-sequencer@val1.service.d/", "aztec-sequencer@.service.d/"
	a := newApp(io.Discard)
	a.root = t.TempDir()
	want := []string{
		systemdDir + "/" + own + "10-first.conf", "/etc/systemd/system.control/" + own + "50-Nice.conf",
		systemdDir + "/" + template + "60-all.conf", systemdDir + "/" + own + "override.conf",
	}
	for _, f := range append([]string{
		"/run/systemd/system/" + own + "10-first.conf", systemdDir + "/" + own + "50-Nice.conf", "/run/systemd/system.control/" + own + "50-Nice.conf",
		systemdDir + "/" + template + "override.conf", "/run/systemd/system/" + template + "60-all.conf", systemdDir + "/aztec-sequencer@val2.service.d/70.conf",
	}, want...) {
		put(t, a.path(f), "[Service]\nNice=1\n")
	}
	var got []string
	for _, f := range a.inForce("aztec-sequencer@val1.service") {
		got = append(got, a.hostPath(f))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
