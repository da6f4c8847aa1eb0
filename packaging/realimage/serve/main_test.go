package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/registry"
	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/tree"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	l, err := tree.NewLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	img, err := tree.Image(v1.Config{}, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Tag("1.0.0", img); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-layout", dir, "-listen", "127.0.0.1:0"}, in, io.Discard)
		in.Close()
	}()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("it printed no address: %v, %v", err, <-ended)
	}
	resp, err := http.Get("http://" + strings.TrimSpace(address) + "/v2/" + registry.Repository + "/tags/list")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), `"1.0.0"`) {
		t.Errorf("tags %s, %v", b, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{nil, {"-layout", "x", "word"}, {"-bogus"}, {"-layout", t.TempDir()}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
