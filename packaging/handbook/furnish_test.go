//go:build booted || soak

package handbook

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/registry"
	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
)

func debPath(t *testing.T) string {
	t.Helper()
	deb := os.Getenv("AZTEC_SPARTAN_DEB")
	if deb == "" {
		t.Fatal("AZTEC_SPARTAN_DEB names no package: run make test-booted")
	}
	return deb
}

// images makes what the registries of the handbook have: first all that is
// released when it begins, then what comes later, which is a bad one.
func images(t *testing.T) []string {
	t.Helper()
	var layouts []string
	for _, list := range [][]stubimage.Release{
		{{Version: "4.1.2", As: stubimage.Good}, {Version: "4.1.3", As: stubimage.Newer}, {Version: "6.0.0", As: stubimage.Cutover}},
		{{Version: "4.1.4", As: stubimage.Exits}},
	} {
		dir := filepath.Join(t.TempDir(), "layout")
		if err := stubimage.BuildReleases(dir, list...); err != nil {
			t.Fatal(err)
		}
		layouts = append(layouts, dir)
	}
	return layouts
}

// mainnet is the chain of the handbook's L1.
const mainnet = 1

// laterRegistry is the registry after the later release.
const laterRegistry = "127.0.0.1:5001"

// ipService is where a host learns its public address, which is newIP.
const ipService, newIP = "127.0.0.1:5003", "203.0.113.8"

// furnish gives a host what the reader has: sudo, an L1, a way to the registry,
// for which it is a mirror so that commands need not name it, and the internet's
// word about its address. A gate that waits no longer than it must saves time.
func (p *player) furnish(t *testing.T, on int) {
	t.Helper()
	h := p.hosts[on]
	if err := h.StandInForChain(mainnet); err != nil {
		t.Fatal(err)
	}
	later, err := registry.Handler(p.layouts...)
	if err != nil {
		t.Fatal(err)
	}
	p.serve(t, on, laterRegistry, later)
	p.serve(t, on, ipService, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, newIP+"\n") }))
	p.sh(t, on, `set -e
		printf '#!/bin/sh\nexec "$@"\n' >/usr/local/bin/sudo && chmod 755 /usr/local/bin/sudo
		echo 127.0.0.1 l1.lan >>/etc/hosts
		sed -i 's|^mirrors = .*|mirrors = ["http://127.0.0.1:5000"]|; s|^settle = .*|settle = "1s"|
			s|^ntp_servers = .*|ntp_servers = []|; s|^ip_services = .*|ip_services = ["http://`+ipService+`"]|' /etc/aztec-spartan/config.toml`)
}

// serve answers on the host until the test ends.
func (p *player) serve(t *testing.T, on int, address string, by http.Handler) {
	t.Helper()
	l, err := p.hosts[on].Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: by, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
}
