//go:build oracle

package extract_test

import (
	"archive/tar"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

var (
	images    = flag.Int("images", 100, "how many images to generate")
	firstSeed = flag.Uint64("seed", 1, "the seed of the first")
)

// TestOracleGenerated compares random images of several layers with what umoci and GNU tar make of them:
//
//	go test -tags oracle -run OracleGenerated ./extract -images 1000
func TestOracleGenerated(t *testing.T) {
	for i := range *images {
		seed := *firstSeed + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			blobs := t.TempDir()
			r, s := newRegistry(t, registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs))), newStore(t)
			g := generator{rand: rand.New(rand.NewPCG(seed, 0)), tree: map[string]byte{".": tar.TypeDir}}
			var (
				layers []layer
				files  []string
			)
			for n := range 2 + g.rand.IntN(4) {
				l := layer{tar: tarOf(t, g.layer()...)}
				file := filepath.Join(t.TempDir(), fmt.Sprint(n))
				if err := os.WriteFile(file, l.tar, 0o600); err != nil {
					t.Fatal(err)
				}
				layers, files = append(layers, l), append(files, file)
			}
			pushed := r.push(image{tag: "it", layers: layers, config: func(d desc) { d["config"] = desc{} }})
			saveManifest(t, r, blobs, pushed)
			im, _, err := s.Pull(context.Background(), r.ref(":it"), amd64)
			if err != nil {
				t.Fatal(err)
			}
			ours := List(t, im.Rootfs())
			agree(t, "umoci", ours, List(t, umoci(t, blobs, pushed)))
			// GNU tar adds the attributes of a directory to those of the one that is there.
			theirs := List(t, gnuTar(t, files...))
			for _, list := range []map[string]Listed{ours, theirs} {
				for p, l := range list {
					if l.Type == "d" {
						l.Xattrs = ""
						list[p] = l
					}
				}
			}
			agree(t, "GNU tar", ours, theirs)
			if t.Failed() {
				for n, file := range files {
					run(t, "cp", file, fmt.Sprintf("%s/oracle-%d-%d.tar", os.TempDir(), seed, n))
				}
			}
		})
	}
}

// saveManifest puts the manifest among the blobs, where an OCI layout has it; the registry keeps manifests in memory.
func saveManifest(t *testing.T, r *fakeRegistry, blobs string, d desc) {
	t.Helper()
	raw := r.fetch("/v2/org/app/manifests/" + d["digest"].(string))
	if err := os.WriteFile(filepath.Join(blobs, strings.Replace(d["digest"].(string), ":", "/", 1)), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// generator makes layers the way builders do: each path once per layer, after the directories above it.
type generator struct {
	rand *rand.Rand
	tree map[string]byte // path -> type, as of the layers so far
	used map[string]bool // paths of this layer
	out  []Entry
	late []Entry // whiteouts that come last
}

func (g *generator) layer() []Entry {
	g.used, g.out, g.late = map[string]bool{}, nil, nil
	g.dirs("x")
	for range 5 + g.rand.IntN(25) {
		g.step()
	}
	return append(g.out, g.late...)
}

func (g *generator) pick(want func(p string, kind byte) bool) string {
	var found []string
	for _, p := range slices.Sorted(maps.Keys(g.tree)) {
		if want(p, g.tree[p]) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return found[g.rand.IntN(len(found))]
}

// below says whether this layer has an entry at p or under it.
func (g *generator) below(p string) bool {
	for u := range g.used {
		if u == p || strings.HasPrefix(u, p+"/") {
			return true
		}
	}
	return false
}

func (g *generator) forget(p string) {
	for q := range g.tree {
		if strings.HasPrefix(q, p+"/") {
			delete(g.tree, q)
		}
	}
	delete(g.tree, p)
}

// dirs writes the directories above p that this layer does not have yet.
func (g *generator) dirs(p string) {
	dir := path.Dir(p)
	if g.used[dir] {
		return
	}
	if dir != "." {
		g.dirs(dir)
	}
	g.add(dir, Dir(dir, g.options(0o7777)...))
}

func (g *generator) add(p string, e Entry) {
	g.used[p] = true
	g.tree[p] = e.Header.Typeflag
	g.out = append(g.out, e)
}

func (g *generator) options(mode int64) []Option {
	o := []Option{Mode(g.rand.Int64N(mode+1) | 0o400), Owner(g.rand.IntN(100_000), g.rand.IntN(100_000)), MTime(time.Unix(g.rand.Int64N(2_000_000_000), g.rand.Int64N(1e9)))}
	if g.rand.IntN(10) == 0 {
		o = append(o, Xattr("user.k", fmt.Sprint(g.rand.IntN(1000))))
	}
	return o
}

func (g *generator) step() {
	dir := g.pick(func(_ string, kind byte) bool { return kind == tar.TypeDir })
	name := string(rune('a' + g.rand.IntN(8)))
	if g.rand.IntN(20) == 0 {
		name = strings.Repeat(name, 150)
	}
	p := path.Join(dir, name)
	switch kind := g.rand.IntN(12); kind {
	case 0: // opaque
		if dir == "." || g.below(dir) {
			return
		}
		g.dirs(dir + "/x")
		for q := range g.tree {
			if strings.HasPrefix(q, dir+"/") {
				delete(g.tree, q)
			}
		}
		g.whiteout(Opaque(dir))
	case 1, 2: // whiteout
		p = g.pick(func(q string, _ byte) bool { return q != "." && !g.below(q) })
		if p == "" {
			return
		}
		g.dirs(p)
		g.forget(p)
		g.used[p] = true
		g.whiteout(Whiteout(p))
	default:
		if g.below(p) {
			return
		}
		g.dirs(p)
		if kind > 4 || g.tree[p] != tar.TypeDir {
			g.forget(p)
		}
		g.add(p, g.make(kind, p))
	}
}

func (g *generator) whiteout(e Entry) {
	if g.rand.IntN(2) == 0 {
		g.late = append(g.late, e)
	} else {
		g.out = append(g.out, e)
	}
}

func (g *generator) make(kind int, p string) Entry {
	switch kind {
	case 3, 4:
		return Dir(p, g.options(0o7777)...)
	case 5:
		target := g.pick(func(string, byte) bool { return true })
		if g.rand.IntN(2) == 0 {
			target = "/" + target
		}
		return Symlink(p, target, Owner(g.rand.IntN(1000), g.rand.IntN(1000)), MTime(time.Unix(g.rand.Int64N(2e9), 7)))
	case 6, 7:
		if target := g.pick(func(_ string, kind byte) bool { return kind == tar.TypeReg }); target != "" {
			// What is linked to must stay for the rest of the layer.
			g.used[target] = true
			return Link(p, target)
		}
	case 8:
		o := g.options(0o7777)[:3]
		return Node([]byte{tar.TypeFifo, tar.TypeFifo, tar.TypeChar}[g.rand.IntN(3)], p, o...)
	}
	return File(p, strings.Repeat("content ", g.rand.IntN(2000)), g.options(0o7777)...)
}

// fetch returns the body of path.
func (f *fakeRegistry) fetch(path string) []byte {
	f.t.Helper()
	resp, err := http.Get("http://" + f.host + path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		f.t.Fatalf("GET %s: %s, %v", path, resp.Status, err)
	}
	return raw
}
