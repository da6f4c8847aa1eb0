package realimage

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/tree"
)

// imagePath is the PATH of the image.
const imagePath = "PATH=/opt/foundry/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// entrypoint is upstream's since September 2025.
var entrypoint = []string{"node", "--no-warnings", "/usr/src/yarn-project/aztec/dest/bin/index.js"}

// config is like upstream's: no user, no ports, no volumes, no health check.
// The FOUNDRY variables are ours, for deploying contracts without a network.
func config() v1.Config {
	return v1.Config{
		Entrypoint: entrypoint,
		WorkingDir: "/usr/src/yarn-project",
		Env: []string{
			imagePath,
			"NODE_VERSION=" + nodeVersion,
			"FOUNDRY_SOLC=/opt/solc/solc",
			"FOUNDRY_OFFLINE=true",
		},
	}
}

// layout writes both images. The layers are compressed side by side, since a
// gzip stream uses one core.
func (b *builder) layout(ctx context.Context, dir string) error {
	all, err := b.trees()
	if err != nil {
		return err
	}
	l, err := tree.NewLayout(dir)
	if err != nil {
		return err
	}
	// The largest come first: it is them that the rest has to wait for.
	order := []*tree.Tree{all.aztec, all.test, all.deps, all.runtime, all.base}
	written := make([]tree.Layer, len(order))
	g, gctx := errgroup.WithContext(ctx)
	for i, t := range order {
		g.Go(func() (err error) {
			written[i], err = t.Write(gctx, l.Blobs)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	aztec, test, deps, runtime, base := written[0], written[1], written[2], written[3], written[4]
	for _, v := range []struct {
		tag string
		top tree.Layer
	}{{version, aztec}, {testVersion, test}} {
		img, err := tree.Image(config(), "amd64", base, runtime, deps, v.top)
		if err != nil {
			return err
		}
		if err := l.Tag(v.tag, img); err != nil {
			return err
		}
	}
	return nil
}

// rootfs unpacks the first version for Chroot.
func (b *builder) rootfs(_ context.Context, dir string) error {
	all, err := b.trees()
	if err != nil {
		return err
	}
	return tree.Unpack(dir, all.image()...)
}
