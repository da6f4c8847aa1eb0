package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
)

// reference completes what the user typed: a version means the configured
// repository.
func (a *app) reference(typed string) (string, error) {
	c, err := a.hostConfig()
	if err != nil {
		return "", err
	}
	if _, err := profiles.ParseVersion(typed); err == nil {
		return c.Registry.Repository + ":" + strings.TrimPrefix(typed, "v"), nil
	}
	return typed, nil
}

// repositoryOf is a reference without its tag and digest.
func repositoryOf(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		ref = ref[:i]
	}
	return ref
}

func (a *app) pullOptions(ref string) (extract.PullOptions, error) {
	c, err := a.hostConfig()
	if err != nil {
		return extract.PullOptions{}, err
	}
	o := extract.PullOptions{
		Version: func(tree fs.FS, cfg extract.Config, tag string) string {
			return profiles.ImageVersion(tree, cfg.Labels, tag)
		},
	}
	for _, registry := range c.Registry.Insecure {
		if strings.HasPrefix(ref, registry+"/") {
			o.Insecure = true
		}
	}
	for _, m := range units.MountPoints() {
		mode := fs.FileMode(0o644)
		if m.Dir {
			mode = 0o755
		}
		o.MountPoints = append(o.MountPoints, extract.MountPoint{Path: m.Path, Dir: m.Dir, Mode: mode})
	}
	return o, nil
}

// pull brings an image into the store, under the store's lock.
func (a *app) pull(ctx context.Context, ref, platform string) (img *extract.Image, stats extract.PullStats, err error) {
	o, err := a.pullOptions(ref)
	if err != nil {
		return nil, stats, err
	}
	o.Platform = platform
	err = a.locked(ctx, storeLock, "pull "+ref, func() error {
		bars := a.progress(ctx)
		o.Progress = bars
		img, stats, err = a.store().Pull(ctx, ref, o)
		bars.finish()
		return err
	})
	return img, stats, err
}

// have returns the image of an instance if it is in the store.
func (a *app) have(id string) (*extract.Image, error) {
	img, err := a.store().Get(id)
	if errors.Is(err, extract.ErrNotFound) {
		return nil, fmt.Errorf("image %s is not in the store: %w", id, err)
	}
	return img, err
}

// hintFor says what to do about errors that have a usual remedy.
func hintFor(err error) string {
	switch {
	case errors.Is(err, extract.ErrReference):
		return "a reference is REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:..., or a version such as 4.1.2"
	case errors.Is(err, extract.ErrUnknown):
		return "aztec-spartan versions lists what the registry offers"
	case errors.Is(err, extract.ErrUnauthorized):
		return "is the name right? credentials are read from ~/.docker/config.json of the user who runs this"
	case errors.Is(err, extract.ErrUnreachable):
		return "is the registry up, and reachable from this host?"
	case errors.Is(err, extract.ErrDigest):
		return "the registry sent something else than was asked for; nothing was kept: try again, or another registry"
	case errors.Is(err, extract.ErrNoPlatform):
		return "--platform chooses another one"
	case codeOf(err) == exitLocked:
		return "wait for it to finish, or look at it with ps"
	}
	return ""
}
