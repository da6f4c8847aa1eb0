package realimage

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/tree"
)

// Tags of the images of BuildRebuilt. Both hold the files of the first version;
// of RebuiltLayer the top layer and of RebuiltImage every layer has other
// mtimes, each its own, so that no layer of one is a layer of the other.
const (
	RebuiltLayer = version + "-rebuilt-layer"
	RebuiltImage = version + "-rebuilt-image"
)

// BuildRebuilt makes a second layout with what a registry serves after upstream
// has built the same sources again, which gives every file it copies a new
// mtime, and names it in s.Rebuilt. It takes half a minute on two cores and
// 800 MB of the cache directory; only benchmarks need it.
func (s *Set) BuildRebuilt(ctx context.Context, log io.Writer) error {
	unlock, err := lock(s.Dir + ".lock")
	if err != nil {
		return fmt.Errorf("building the rebuilt images: %w", err)
	}
	defer unlock()
	b := &builder{dir: s.Dir, log: log}
	if err := b.step(ctx, "rebuilt", b.rebuilt); err != nil {
		return fmt.Errorf("building the rebuilt images: %w", err)
	}
	s.Rebuilt = b.path("rebuilt")
	return nil
}

func (b *builder) rebuilt(ctx context.Context, dir string) error {
	all, err := b.trees()
	if err != nil {
		return err
	}
	l, err := tree.NewLayout(dir)
	if err != nil {
		return err
	}
	first := all.image()
	top := len(first) - 1
	images := map[string][]*tree.Tree{
		RebuiltLayer: append(first[:top:top], first[top].At(tree.Epoch.Add(24*time.Hour))),
	}
	for _, t := range first {
		images[RebuiltImage] = append(images[RebuiltImage], t.At(tree.Epoch.Add(48*time.Hour)))
	}
	// An unchanged layer is written again: the same entries give the same blob.
	for _, tag := range []string{RebuiltLayer, RebuiltImage} {
		layers := make([]tree.Layer, len(first))
		g, gctx := errgroup.WithContext(ctx)
		for i, t := range images[tag] {
			g.Go(func() (err error) {
				layers[i], err = t.Write(gctx, l.Blobs)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		img, err := tree.Image(config(), "amd64", layers...)
		if err != nil {
			return err
		}
		if err := l.Tag(tag, img); err != nil {
			return err
		}
	}
	return nil
}
