package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/registry"
)

// step is one image that every tool fetches in turn, into the same store.
type step struct {
	name  string
	tag   string
	ref   string
	blobs []string // addresses of its layers, lowest first
	bytes int64    // of the compressed layers
}

// Names of the steps, in their order.
const (
	stepPull         = "pull"
	stepUpdate       = "update"
	stepRebuiltLayer = "rebuilt layer"
	stepRebuiltImage = "rebuilt image"
)

// images serves the layouts. It runs as a process of its own, so that what it
// costs can be told from what the tools cost.
type images struct {
	*daemon
	steps []step
}

// startRegistry makes the images if they are not there yet and serves them.
func startRegistry(ctx context.Context, bin string) (*images, error) {
	build := exec.CommandContext(ctx, "go", "run", "./packaging/realimage/build", "-rebuilt")
	build.Stderr = os.Stderr
	out, err := build.Output()
	if err != nil {
		return nil, fmt.Errorf("making the images: %w", err)
	}
	var set realimage.Set
	if err := json.Unmarshal(out, &set); err != nil {
		return nil, fmt.Errorf("making the images: %w", err)
	}
	if len(set.Tags) < 2 {
		return nil, fmt.Errorf("making the images: there are only %v", set.Tags)
	}
	serve := filepath.Join(bin, "serve")
	compile := exec.CommandContext(ctx, "go", "build", "-o", serve, "./packaging/realimage/serve")
	compile.Stderr = os.Stderr
	if err := compile.Run(); err != nil {
		return nil, fmt.Errorf("building the registry: %w", err)
	}
	printed, stdout, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer printed.Close()
	cmd := exec.Command(serve, "-layout", set.Layout, "-layout", set.Rebuilt, "-listen", "127.0.0.1:0")
	cmd.Stdout = stdout
	var address string
	d, err := start(ctx, "the registry", cmd, func(context.Context) error {
		stdout.Close()
		l, err := bufio.NewReader(printed).ReadString('\n')
		address = strings.TrimSpace(l)
		return err
	})
	if err != nil {
		return nil, err
	}
	r := &images{daemon: d}
	for _, s := range []struct{ name, tag string }{
		{stepPull, set.Tags[0]},
		{stepUpdate, set.Tags[1]},
		{stepRebuiltLayer, realimage.RebuiltLayer},
		{stepRebuiltImage, realimage.RebuiltImage},
	} {
		one, err := describe(ctx, address, s.tag)
		if err != nil {
			r.stop()
			return nil, err
		}
		one.name = s.name
		r.steps = append(r.steps, one)
	}
	return r, nil
}

// describe reads the manifest of a tag, and each layer once: the first tool must
// not be the one that waits for the disk that the registry reads from.
func describe(ctx context.Context, address, tag string) (step, error) {
	repo := "http://" + address + "/v2/" + registry.Repository
	s := step{tag: tag, ref: address + "/" + registry.Repository + ":" + tag}
	var manifest struct {
		Layers []struct {
			Digest string
			Size   int64
		}
	}
	err := get(ctx, repo+"/manifests/"+tag, func(body io.Reader) error { return json.NewDecoder(body).Decode(&manifest) })
	if err != nil {
		return s, err
	}
	for _, l := range manifest.Layers {
		s.blobs, s.bytes = append(s.blobs, repo+"/blobs/"+l.Digest), s.bytes+l.Size
		err := get(ctx, repo+"/blobs/"+l.Digest, func(body io.Reader) error {
			_, err := io.Copy(io.Discard, body)
			return err
		})
		if err != nil {
			return s, err
		}
	}
	if len(s.blobs) == 0 {
		return s, errors.New("reading the manifest of " + tag + ": it has no layers")
	}
	return s, nil
}

func get(ctx context.Context, url string, use func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("asking for %s: %s", url, resp.Status)
	}
	if err := use(resp.Body); err != nil {
		return fmt.Errorf("reading %s: %w", url, err)
	}
	return nil
}

// env is what the scripts of tools find.
func (s step) env(store string) []string {
	return []string{
		"STORE=" + store, "REF=" + s.ref, "TAG=" + s.tag, "BLOBS=" + strings.Join(s.blobs, " "),
		// Some tools put blobs into a temporary directory: it is theirs to have on
		// the file system that is measured.
		"TMPDIR=" + store, "HOME=" + store,
	}
}
