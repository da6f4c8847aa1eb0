//go:build booted

package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/registry"
	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
)

// A registry that sends other bytes than its manifest promises is found out,
// and nothing is kept or changed.
func TestWrongBytes(t *testing.T) {
	layout := t.TempDir()
	if err := stubimage.Build(layout); err != nil {
		t.Fatal(err)
	}
	honest, err := registry.Handler(layout)
	if err != nil {
		t.Fatal(err)
	}
	liar := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			w = &flipper{ResponseWriter: w}
		}
		honest.ServeHTTP(w, r)
	})
	onEachSuite(t, func(g *guest) {
		l, err := g.Listen("tcp", "127.0.0.1:5001")
		if err != nil {
			g.t.Fatal(err)
		}
		server := &http.Server{Handler: liar, ReadHeaderTimeout: 10 * time.Second}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		g.t.Cleanup(func() {
			server.Close()
			<-served
		})
		g.config("4.1.2")
		g.sh("aztec-spartan start val1")
		g.until("aztec-spartan probe val1")
		was := g.sh(everything)
		g.fails(exitFailed, "aztec-spartan update val1 --to 127.0.0.1:5001/aztecprotocol/aztec:4.1.3", "aztec-spartan: ", "sha256:", "hint: ")
		if is := g.sh(everything); is != was {
			g.t.Error("something was changed")
		}
	})
}

// flipper changes the first byte that passes.
type flipper struct {
	http.ResponseWriter
	done bool
}

func (f *flipper) Write(p []byte) (int, error) {
	if !f.done && len(p) > 0 {
		f.done = true
		changed := append([]byte{p[0] ^ 1}, p[1:]...)
		return f.ResponseWriter.Write(changed)
	}
	return f.ResponseWriter.Write(p)
}
