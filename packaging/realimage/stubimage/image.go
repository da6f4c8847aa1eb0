// Package stubimage builds a small image that looks and acts like the Aztec
// image: the same paths, the same entrypoint, several layers of which versions
// share all but the last, and a node (command stubnode) that answers as 4.1.2
// does. Tests of pulling, unpacking, starting and rolling use it, since the real
// image is a hundred times as large and takes minutes to make.
//
// Its lower layers also hold what an unpacker must get right: a whiteout, an
// opaque directory, a hard link, a set-uid file, a sticky directory and the
// symbolic link with an absolute target that the real image has at
// /usr/src/node_modules.
package stubimage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/tree"
)

// The tags of the layout. An image reports the version that its tag says,
// except Docker, which is Good in another wrapping.
const (
	// Outdated says soon after its start that it is out of date, by the exit
	// code with which the real node does.
	Outdated = "4.1.1-outdated"
	// Good is an index of amd64, arm64 and an attestation, as upstream pushes.
	Good = "4.1.2"
	// Docker has the same content in Docker's media types, as before 2026.
	Docker = "4.1.2-docker"
	// Newer is as good and a plain manifest.
	Newer = "4.1.3"
	// Exits exits 1 soon after its start, before it opens a port.
	Exits = "4.1.4-exits"
	// Silent stays alive and never opens a port.
	Silent = "4.1.5-silent"
	// Liar says over RPC that it is still 4.1.2.
	Liar = "4.1.6-liar"
	// Late opens its ports, and exits 1 soon after.
	Late = "4.1.7-late"
	// Hung opens its ports and never answers.
	Hung = "4.1.8-hung"
	// WrongChain says that it is on another L1 chain than it was told.
	WrongChain = "4.1.9-chain"
	// Sick answers /status as if it were well, and no call.
	Sick = "4.1.10-sick"
	// Frozen has no new block, ever.
	Frozen = "4.1.11-frozen"
	// Alone has no peers where P2P is on.
	Alone = "4.1.12-alone"
	// Behind is not done with syncing, and moves: good enough.
	Behind = "4.1.13-behind"
	// Deaf says that it is 4.1.2, and ignores SIGTERM.
	Deaf = "4.1.14-deaf"
	// Full writes until the disk of its data is full, and exits 1.
	Full = "4.1.15-full"
	// Tardy opens its ports, and exits 1 half a minute after.
	Tardy = "4.1.16-tardy"
	// Standby waits for a rollup of its own.
	Standby = "5.0.0-standby"
	// Schema is good, and empties the archiver's store of older versions.
	Schema = "4.2.0-schema"
	// Wipes does so too, and then says that it is 4.1.2.
	Wipes = "4.2.1-wipes"
	// Refuses ends where it finds a store of an older version.
	Refuses = "4.2.2-refuses"
	// Signs remembers what it signed, which 4.1.2 does not, and then says that
	// it is 4.1.2.
	Signs = "4.2.3-signs"
	// Proves is good, and its agent has a job for an hour.
	Proves = "4.1.2-proves"
	// Cutover, which Build does not write, is Standby until there is a file
	// "cutover" in the data directory, and then on another rollup.
	Cutover = "5.0.1-cutover"
)

// Tags are all tags, oldest version first.
func Tags() []string {
	return []string{
		Outdated, Good, Docker, Proves, Newer, Exits, Silent, Liar, Late, Hung, WrongChain, Sick, Frozen, Alone, Behind, Deaf, Full, Tardy,
		Schema, Wipes, Refuses, Signs, Standby,
	}
}

// nodePackage is the import path of the node; go build finds it from anywhere
// inside the module.
const nodePackage = "github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubnode"

// faults is the stub.json of the versions that have one.
var faults = map[string]string{
	Outdated: `{"crash_after_ms":2500,"exit_code":79}`,

	Exits:  `{"exit_after_ms":300}`,
	Silent: `{"silent":true}`,
	Liar:   `{"report_version":"4.1.2"}`,

	Late:       `{"crash_after_ms":4000}`,
	Tardy:      `{"crash_after_ms":30000}`,
	Hung:       `{"hung":true}`,
	WrongChain: `{"report_chain_id":5}`,
	Sick:       `{"sick":true}`,
	Frozen:     `{"frozen":true}`,
	Alone:      `{"alone":true}`,
	Behind:     `{"behind":true}`,
	Deaf:       `{"deaf":true,"report_version":"4.1.2"}`,
	Full:       `{"fills_disk":true}`,
	Standby:    `{"standby":true}`,
	Cutover:    `{"cutover":true,"rollup":"0x5fbdb2315678afecb367f032d93f642f64180aa3"}`,
	Proves:     `{"proves_ms":3600000}`,
	Schema:     `{"schemas":{"archiver":6}}`,
	Wipes:      `{"schemas":{"archiver":6},"report_version":"4.1.2"}`,
	Refuses:    `{"schemas":{"archiver":6},"refuses_old_data":true}`,
	Signs:      `{"schemas":{"signing-protection":2},"report_version":"4.1.2"}`,
}

// Release is a version that does what the one of a tag does (As: one of Tags, or Cutover).
type Release struct{ Version, As string }

// Build writes the OCI layout into dir, which need not exist. It calls `go
// build` and has to run inside the module.
func Build(dir string) error {
	var list []Release
	for _, tag := range Tags() {
		list = append(list, Release{tag, tag})
	}
	return BuildReleases(dir, list...)
}

// BuildReleases is Build with versions in place of Tags, for those who read
// them and must not be told what is wrong with them.
func BuildReleases(dir string, list ...Release) error {
	if err := build(context.Background(), dir, list); err != nil {
		return fmt.Errorf("building the stub image: %w", err)
	}
	return nil
}

func build(ctx context.Context, dir string, list []Release) error {
	scratch, err := os.MkdirTemp("", "stubimage-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	binary := filepath.Join(scratch, "node")
	compile := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, nodePackage)
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling the node: %w\n%s", err, out)
	}
	l, err := tree.NewLayout(dir)
	if err != nil {
		return err
	}
	var below []tree.Layer
	for _, t := range []*tree.Tree{base(), node(binary), deps()} {
		layer, err := t.Write(ctx, l.Blobs)
		if err != nil {
			return err
		}
		below = append(below, layer)
	}
	for _, r := range list {
		if err := add(ctx, l, r, below); err != nil {
			return err
		}
	}
	return nil
}

// add writes one tag: the shared layers and its own on top.
func add(ctx context.Context, l *tree.Layout, r Release, below []tree.Layer) error {
	tag, version := r.Version, r.Version
	if r.As == Docker {
		version = Good
	}
	top, err := aztec(version, faults[r.As]).Write(ctx, l.Blobs)
	if err != nil {
		return err
	}
	layers := append(below[:len(below):len(below)], top)
	switch r.As {
	case Docker:
		img, err := tree.DockerImage(config(version), runtime.GOARCH, layers...)
		if err != nil {
			return err
		}
		return l.Tag(tag, img)
	case Good:
		index, err := platforms(config(version), layers)
		if err != nil {
			return err
		}
		return l.TagIndex(tag, index)
	}
	img, err := tree.Image(config(version), runtime.GOARCH, layers...)
	if err != nil {
		return err
	}
	return l.Tag(tag, img)
}

// platforms makes an index of both architectures. The node inside is of this
// machine's in either: nothing pulls the other one to run it. The attestation
// is as BuildKit adds it, for a platform that does not exist.
func platforms(cfg v1.Config, layers []tree.Layer) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var subject v1.Hash
	for _, arch := range []string{"amd64", "arm64"} {
		img, err := tree.Image(cfg, arch, layers...)
		if err != nil {
			return nil, err
		}
		if subject, err = img.Digest(); err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	attestation, err := tree.Image(v1.Config{}, "unknown")
	if err != nil {
		return nil, err
	}
	return mutate.AppendManifests(index, mutate.IndexAddendum{
		Add: attestation,
		Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{
				"vnd.docker.reference.type":   "attestation-manifest",
				"vnd.docker.reference.digest": subject.String(),
			},
		},
	}), nil
}

func config(version string) v1.Config {
	return v1.Config{
		Entrypoint: []string{"node", "--no-warnings", "/usr/src/yarn-project/aztec/dest/bin/index.js"},
		WorkingDir: "/usr/src/yarn-project",
		Env: []string{
			"PATH=/opt/foundry/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"NODE_VERSION=24.21.0",
			"BB_WORKING_DIRECTORY=/usr/src/bb",
			"UV_THREADPOOL_SIZE=8",
		},
		Labels: map[string]string{"org.opencontainers.image.version": version},
	}
}
