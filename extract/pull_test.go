package extract_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// small is an image of two layers, with an executable behind two links, one of them absolute.
func small(t testing.TB) []layer {
	return []layer{
		{tar: tarOf(t, Dir("usr"), Dir("usr/bin"), Dir("opt"), Symlink("opt/bin", "/usr/bin"), File("usr/bin/node-24", "#!", Mode(0o755)), File("gone", ""), Dir("etc"))},
		{tar: tarOf(t, Symlink("usr/bin/node", "/usr/bin/node-24"), File("usr/bin/data", "x"), Whiteout("gone"))},
	}
}

func TestPull(t *testing.T) {
	r := newRegistry(t)
	pushed := r.push(image{tag: "v1", layers: small(t)})
	s := newStore(t)
	o := amd64
	o.MountPoints = []extract.MountPoint{{Path: "/etc/hosts", Mode: 0o644}, {Path: "/usr/bin", Dir: true, Mode: 0o755}}
	o.Version = func(root fs.FS, config extract.Config, tag string) string {
		raw, err := fs.ReadFile(root, "opt/bin/data")
		if err != nil {
			t.Error(err)
		}
		return string(raw) + "-" + tag + "-" + config.Labels["org.opencontainers.image.version"]
	}
	im, stats, err := s.Pull(context.Background(), r.ref(":v1"), o)
	if err != nil {
		t.Fatal(err)
	}
	if im.Version != "x-v1-1.2.3" || im.Reference != r.ref(":v1") || im.Digest != pushed["digest"] || im.Platform != "linux/amd64" || stats.Present {
		t.Errorf("got %+v, %+v", im, stats)
	}
	if diff := cmp.Diff([]extract.MountPoint{{Path: "/etc/hosts", Mode: 0o644}}, im.MountPoints); diff != "" {
		t.Errorf("mount points differ (-want +got):\n%s", diff)
	}
	wantConfig := extract.Config{
		Env: []string{"PATH=/opt/bin:/usr/bin", "A=b c"}, Entrypoint: []string{"node", "--no-warnings"}, Cmd: []string{"help"},
		WorkingDir: "/usr/src", User: "1000:1000", Labels: map[string]string{"org.opencontainers.image.version": "1.2.3"},
	}
	if diff := cmp.Diff(wantConfig, im.Config); diff != "" {
		t.Errorf("config differs (-want +got):\n%s", diff)
	}
	list := List(t, im.Rootfs())
	if _, ok := list["gone"]; ok || list["etc/hosts"].Type != "f" || list["etc"].MTime != Time.UnixNano() {
		t.Errorf("the tree is wrong: %q", Lines(list))
	}
	if got, err := im.LookPath("node"); err != nil || got != "/opt/bin/node" {
		t.Errorf("LookPath(node) = %s, %v", got, err)
	}
	for _, name := range []string{"data", "", "none", "/usr/bin", "/../../../../../../../bin/sh"} {
		if got, err := im.LookPath(name); err == nil {
			t.Errorf("LookPath(%q) = %s", name, got)
		}
	}
	for path, want := range map[string]fs.FileMode{s.Dir: 0o700, filepath.Join(s.Dir, im.ID): 0o700} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, st.Mode(), err, want)
		}
	}
	stored, err := s.Get(im.ID)
	if err != nil {
		t.Fatal(err)
	}
	was, _ := json.Marshal(im)
	is, _ := json.Marshal(stored)
	if diff := cmp.Diff(string(was), string(is)); diff != "" {
		t.Errorf("image.json differs from what Pull returned:\n%s", diff)
	}
}

func TestPullAgain(t *testing.T) {
	r := newRegistry(t)
	child := r.push(image{layers: small(t)})
	index := r.manifest("v1", ociIndex, desc{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []desc{for_(child, "linux", "amd64")}})
	r.push(image{tag: "alias", layers: small(t)})
	s := newStore(t)
	first, _, err := s.Pull(context.Background(), r.ref(":v1"), amd64)
	if err != nil {
		t.Fatal(err)
	}
	r.took()
	for ref, requests := range map[string]int{
		":v1":                              1,
		":alias":                           1,
		"@" + child["digest"].(string):     0,
		"@" + index["digest"].(string):     0,
		":any@" + index["digest"].(string): 0,
	} {
		im, stats, err := s.Pull(context.Background(), r.ref(ref), amd64)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if got := r.took(); len(got) != requests {
			t.Errorf("%s took %q, want %d requests", ref, got, requests)
		}
		if !stats.Present || stats.DownloadedBytes != 0 || stats.ReusedBytes == 0 || im.ID != first.ID || im.Reference != r.ref(ref) {
			t.Errorf("%s: got %+v of %s", ref, stats, im.Reference)
		}
	}
	if stored, err := s.Get(first.ID); err != nil || stored.Reference != r.ref(":v1") {
		t.Errorf("the stored reference is %s, %v", stored.Reference, err)
	}
}

func TestEncodings(t *testing.T) {
	big := tarOf(t, File("f", strings.Repeat("some bytes ", 100_000)))
	for name, l := range map[string]layer{
		"gzip":                      {encode: gz},
		"gzip members":              {encode: gzMany},
		"zstd":                      {encode: zst, mediaType: ociLayer + "+zstd"},
		"zstd, skippable first":     {encode: zstSkippable, mediaType: ociLayer + "+zstd"},
		"plain":                     {encode: plain, mediaType: ociLayer},
		"zstd that is called gzip":  {encode: zst},
		"plain that is called gzip": {encode: plain},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t)
			l.tar = big
			// Bytes after the end of the archive belong to the layer too.
			trailing := layer{tar: append(tarOf(t, File("g", "")), "trailing"...)}
			r.push(image{tag: "v1", docker: true, layers: []layer{{tar: nil}, l, trailing, {tar: tarOf(t)}}})
			im, stats, err := newStore(t).Pull(context.Background(), r.ref(":v1"), amd64)
			if err != nil {
				t.Fatal(err)
			}
			if st, err := fs.Stat(im.FS(), "f"); err != nil || st.Size() != 1_100_000 || stats.WrittenBytes != 1_100_000 {
				t.Errorf("got %v, %v, %+v", st, err, stats)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	r := newRegistry(t)
	r.push(image{tag: "v1", layers: small(t)})
	o := amd64
	p := &progress{}
	o.Progress = p
	_, stats, err := newStore(t).Pull(context.Background(), r.ref(":v1"), o)
	if err != nil {
		t.Fatal(err)
	}
	if p.layers != 2 || p.done != 2 || p.total != p.added || p.total == 0 || p.total >= stats.DownloadedBytes {
		t.Errorf("%d layers, %d done, %d bytes of %d; %+v", p.layers, p.done, p.added, p.total, stats)
	}
}

// progress may be told by several layers at a time.
type progress struct {
	mu           sync.Mutex
	layers, done int
	total, added int64
}

func (p *progress) Layer(_ string, size int64) extract.LayerProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.layers++
	p.total += size
	return p
}

func (p *progress) Add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.added += n
}

func (p *progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
}
