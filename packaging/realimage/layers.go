package realimage

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/tree"
)

// yarn is where upstream's image has the node.
const yarn = "usr/src/yarn-project/"

// trees are the layers of the image, lowest first, and the top layer of the
// second version.
type trees struct {
	base, runtime, deps, aztec *tree.Tree
	test                       *tree.Tree
}

func (b *builder) trees() (t trees, err error) {
	for _, part := range []struct {
		to   **tree.Tree
		make func() (*tree.Tree, error)
	}{{&t.base, b.baseTree}, {&t.runtime, b.runtimeTree}, {&t.deps, b.depsTree}, {&t.aztec, b.aztecTree}} {
		if *part.to, err = part.make(); err != nil {
			return trees{}, err
		}
	}
	t.test, err = testTree(t.aztec, t.deps)
	return t, err
}

func (t trees) image() []*tree.Tree { return []*tree.Tree{t.base, t.runtime, t.deps, t.aztec} }

// baseTree leaves out what belongs to a running system or to apt.
func (b *builder) baseTree() (*tree.Tree, error) {
	t := &tree.Tree{}
	err := t.Copy("", b.path("base"), func(rel string) bool {
		switch rel {
		case "etc/resolv.conf", "etc/hostname", "etc/machine-id":
			return true
		}
		return slices.Contains([]string{"dev", "var/cache", "var/lib/apt/lists", "var/log"}, path.Dir(rel))
	})
	return t, err
}

func (b *builder) runtimeTree() (*tree.Tree, error) {
	t := &tree.Tree{}
	t.Source("usr/local/bin/node", 0o755, b.path("tools", nodeDir, "bin/node"))
	for _, tool := range []string{"anvil", "cast", "forge"} {
		t.Source("opt/foundry/bin/"+tool, 0o755, b.path("tools", foundry(tool)))
	}
	solc, err := recipe.ReadFile("solc.sh")
	if err != nil {
		return nil, err
	}
	t.File("opt/solc/solc", 0o755, solc)
	return t, nil
}

// depsTree is node_modules without the node's own packages.
//
// npm gives mafmt, the node's own p2p and libp2p several versions of multiaddr,
// whose addresses are then not each other's: P2P dies with "no valid addresses
// were provided for transports [@libp2p/tcp]", and the node with "Multiaddr was
// invalid" as soon as it finds a peer. Upstream's package manager shares one;
// the links do the same.
func (b *builder) depsTree() (*tree.Tree, error) {
	const modules = yarn + "node_modules/"
	t := &tree.Tree{}
	err := t.Copy(modules, b.path("packages/node_modules"), func(rel string) bool {
		return rel == "@aztec" || rel == ".package-lock.json" || rel == "@multiformats/multiaddr"
	})
	if err != nil {
		return nil, err
	}
	t.Source(modules+"bcrypto/"+addonFile, 0o755, b.path("addon", filepath.Base(addonFile)))
	const multiaddr = "libp2p/node_modules/@multiformats/multiaddr"
	if !t.Has(modules + multiaddr + "/package.json") {
		return nil, fmt.Errorf("sharing multiaddr: there is no %s", multiaddr)
	}
	t.Symlink(modules+"@multiformats/multiaddr", "../"+multiaddr)
	t.Symlink(modules+"@multiformats/mafmt/node_modules/@multiformats/multiaddr", "../../../../"+multiaddr)
	return t, nil
}

// aztecTree has the node's packages beside one another, with links from
// node_modules, and the absolute link that upstream's image has.
func (b *builder) aztecTree() (*tree.Tree, error) {
	t := &tree.Tree{}
	from := b.path("packages/node_modules/@aztec")
	packages, err := os.ReadDir(from)
	if err != nil {
		return nil, fmt.Errorf("listing the node's packages: %w", err)
	}
	for _, p := range packages {
		name := p.Name()
		err := t.Copy(yarn+name, filepath.Join(from, name), func(rel string) bool {
			// Binaries for other platforms are not in upstream's image either.
			return name == "bb.js" && slices.Contains([]string{"build/amd64-macos", "build/arm64-macos", "build/arm64-linux"}, rel)
		})
		if err != nil {
			return nil, err
		}
		t.Symlink(yarn+"node_modules/@aztec/"+name, "../../"+name)
	}
	t.File(yarn+"package.json", 0o644, []byte("{\"private\":true,\"type\":\"module\"}\n"))
	t.Symlink("usr/src/node_modules", "/usr/src/yarn-project/node_modules")
	return t, nil
}

// testTree makes the top layer of the second version: other version strings,
// and a whiteout of something in a lower layer that the node can do without.
//
// The node reports the version of stdlib/package.json, so that node_getNodeInfo
// and --version follow (getPackageVersion in @aztec/stdlib 4.1.2).
func testTree(aztec, deps *tree.Tree) (*tree.Tree, error) {
	const unused = yarn + "node_modules/test-exclude"
	if !deps.Has(unused) {
		return nil, fmt.Errorf("making the second version: there is no %s to hide", unused)
	}
	t := aztec.Clone()
	t.Whiteout(unused)
	names, err := t.Glob(yarn + "*/package.json")
	if err != nil {
		return nil, err
	}
	old, changed := fmt.Appendf(nil, `"version": %q`, version), 0
	for _, name := range names {
		body, err := t.Bytes(name)
		if err != nil {
			return nil, err
		}
		if bytes.Contains(body, old) {
			t.File(name, 0o644, bytes.Replace(body, old, fmt.Appendf(nil, `"version": %q`, testVersion), 1))
			changed++
		}
	}
	if changed == 0 {
		return nil, fmt.Errorf("making the second version: none of %s says %s", strings.Join(names, " "), old)
	}
	return t, nil
}
