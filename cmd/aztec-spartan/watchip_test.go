package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// A new address is told once, by one look an hour, and only if it is asked for.
func TestWatchAddress(t *testing.T) {
	address, asked := "203.0.113.7", 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		fmt.Fprintln(w, address)
	}))
	defer server.Close()
	a := newApp(nil)
	a.root = doctorTree(t, "http://127.0.0.1:1")
	if err := os.MkdirAll(a.path("/var/lib/aztec-spartan"), 0o755); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	a.err = &said
	config := func(on bool) hostConfig {
		put(t, a.path(configFile), fmt.Sprintf("[network]\nwatch_ip = %v\nip_services = [%q]\n[notify]\ncommand = [\"/bin/true\"]\n", on, server.URL))
		c, err := a.hostConfig()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	look := func(on bool) int {
		t.Helper()
		before := asked
		if err := a.watchAddress(t.Context(), config(on)); err != nil {
			t.Fatal(err)
		}
		return asked - before
	}
	if look(false) != 0 || look(true) != 1 || look(true) != 0 {
		t.Errorf("asked %d times", asked)
	}
	if a.spool().Waits() {
		t.Errorf("told: %s", said.String())
	}
	address = "203.0.113.99"
	hour := time.Now().Add(-addressEvery)
	if err := os.Chtimes(a.path(addressFile), hour, hour); err != nil {
		t.Fatal(err)
	}
	if look(true) != 1 || !a.spool().Waits() || !strings.Contains(said.String(), "aztec-spartan config val1 --ip 203.0.113.99") {
		t.Errorf("said %s", said.String())
	}
}
