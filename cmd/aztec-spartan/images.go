package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
)

// reference completes what the user typed: a version means the configured
// repository, or where that version has moved from there, or where the network
// says that its images are. The network may be "".
func (a *app) reference(network, typed string) (string, error) {
	c, err := a.hostConfig()
	if err != nil {
		return "", err
	}
	switch _, err := profiles.ParseVersion(typed); {
	case err != nil && !strings.ContainsAny(typed, "/:@"):
		// docker would look for docker.io/library/latest:latest.
		err := usage(fmt.Errorf("%s is neither a version such as 4.1.2 nor a reference", quoted(typed)))
		return "", withHint(err, "aztec-spartan versions lists versions; a tag is written with its repository: %s:TAG", c.Registry.Repository)
	case err != nil:
		return typed, nil
	}
	catalog, err := a.catalog()
	if err != nil {
		return "", err
	}
	version := strings.TrimPrefix(typed, "v")
	return catalog.First(network, c.Registry.Repository, version) + ":" + version, nil
}

// tagged is a version, for who has others of a network from a repository.
func (a *app) tagged(network, repository, version string) (string, error) {
	catalog, err := a.catalog()
	if err != nil {
		return "", err
	}
	version = strings.TrimPrefix(version, "v")
	return catalog.Home(network, repository, version) + ":" + version, nil
}

// repositoryOf is a reference without its tag and digest.
func repositoryOf(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		ref = ref[:i]
	}
	return ref
}

// tagOf is the tag of a reference, "" if it has none.
func tagOf(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	return strings.TrimPrefix(strings.TrimPrefix(ref, repositoryOf(ref)), ":")
}

func (a *app) pullOptions(ref string) (extract.PullOptions, error) {
	c, err := a.hostConfig()
	if err != nil {
		return extract.PullOptions{}, err
	}
	o := extract.PullOptions{
		Mirrors:         c.Registry.Mirrors,
		CredentialsFile: a.path(credentialsFile),
		Report:          func(event string) { a.note("aztec-spartan: %s", event) },
		UnpackOptions:   a.unpackOptions(c),
	}
	if c.Registry.CAFile != "" {
		o.CAFile = a.path(c.Registry.CAFile)
	}
	for _, registry := range c.Registry.Insecure {
		if strings.HasPrefix(ref, registry+"/") {
			o.Insecure = true
		}
	}
	return o, nil
}

// unpackOptions are the same wherever an image comes from.
func (a *app) unpackOptions(c hostConfig) extract.UnpackOptions {
	o := extract.UnpackOptions{
		Version: func(tree fs.FS, cfg extract.Config, tag string) string {
			return profiles.ImageVersion(tree, cfg.Labels, tag)
		},
		Reserve: int64(c.Store.Reserve),
	}
	for _, m := range units.MountPoints() {
		mode := fs.FileMode(0o644)
		if m.Dir {
			mode = 0o755
		}
		o.MountPoints = append(o.MountPoints, extract.MountPoint{Path: m.Path, Dir: m.Dir, Mode: mode})
	}
	return o
}

// pull brings an image into the store, under the store's lock. Changes are
// made to the options of the host's configuration.
func (a *app) pull(ctx context.Context, ref string, changes ...func(*extract.PullOptions)) (img *extract.Image, stats extract.PullStats, err error) {
	o, err := a.pullOptions(ref)
	if err != nil {
		return nil, stats, err
	}
	for _, change := range changes {
		change(&o)
	}
	err = a.locked(ctx, storeLock, "pull "+ref, func() error {
		bars := a.progress(ctx)
		defer bars.finish()
		o.Progress, o.Report = bars, bars.say
		img, stats, err = a.store().Pull(ctx, ref, o)
		return err
	})
	if err == nil && stats.Moved != nil {
		a.warnMoved(img.Reference, stats.Moved, img.Digest)
	}
	return img, stats, err
}

// warnMoved says that a tag means something else than it did. A release is
// not expected to change.
func (a *app) warnMoved(ref string, was *extract.Sighting, is string) {
	a.note("warning: the tag %s has moved: it was %s when it was seen on %s, and is %s now",
		ref, was.Digest, was.Seen.Format(time.DateOnly), is)
}

// fetch is pull for verbs that can do with what is here.
func (a *app) fetch(ctx context.Context, ref string) (*extract.Image, error) {
	img, _, err := a.pull(ctx, ref)
	return img, a.orHere(ref, err)
}

// orHere adds to an error of a registry that is away what can be done without
// it.
func (a *app) orHere(ref string, err error) error {
	if errors.Is(err, extract.ErrUnreachable) {
		if _, herr := a.here(ref); herr == nil {
			return withHint(err, "%s is in the store: --no-pull takes it from there", ref)
		}
	}
	return err
}

// here returns the image in the store that ref named when it was last pulled,
// resolved or loaded. No registry is asked.
func (a *app) here(ref string) (*extract.Image, error) {
	img, err := a.store().ByReference(ref)
	if !errors.Is(err, extract.ErrNotFound) {
		return img, err
	}
	// It may have been pulled by another name before.
	seen, serr := a.store().Seen(ref)
	if serr != nil || seen == nil {
		return nil, err
	}
	return a.have(extract.IDOf(seen.Digest))
}

// have returns the image of an instance if it is in the store.
func (a *app) have(id string) (*extract.Image, error) {
	img, err := a.store().Get(id)
	if errors.Is(err, extract.ErrNotFound) {
		return nil, fmt.Errorf("image %s is not in the store: %w", id, err)
	}
	return img, err
}
