package extract

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/registry"
)

// connect prepares for pulling from repo.
func connect(repo name.Repository, o PullOptions) (*registry.Repository, error) {
	return registry.Open(repo, registry.Options{
		Keychain: o.Keychain, CredentialsFile: o.CredentialsFile, Transport: o.Transport,
		Mirrors: o.Mirrors, CAFile: o.CAFile, Report: o.Report, Sleep: o.Wait,
	})
}

// Tags lists the tags of a repository ("registry/name"), in the registry's order.
func Tags(ctx context.Context, repository string, o PullOptions) ([]string, error) {
	repo, err := name.NewRepository(repository, nameOptions(o.Insecure)...)
	if err != nil {
		return nil, fmt.Errorf("listing the tags of %s: %w: %s", oneLine(repository), ErrReference, oneLine(err.Error()))
	}
	r, err := connect(repo, o)
	if err != nil {
		return nil, fmt.Errorf("listing the tags of %s: %w", oneLine(repository), err)
	}
	defer r.Close()
	tags, err := r.Tags(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the tags of %s: %w", oneLine(repository), err)
	}
	return tags, nil
}

// remote is a registry as a source.
type remote struct{ *registry.Repository }

// Manifest counts what is too large as invalid.
func (r remote) Manifest(ctx context.Context, id string) ([]byte, string, error) {
	raw, mediaType, err := r.Repository.Manifest(ctx, id)
	if errors.Is(err, registry.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", ErrInvalidImage, err)
	}
	return raw, mediaType, err
}

func (r remote) Blob(ctx context.Context, digest string, size int64) (io.ReadCloser, error) {
	return r.Repository.Blob(ctx, digest, size, 0)
}

func remoteImages(r *registry.Repository) images {
	return images{source: remote{r}, origin: remote{r.Origin()}}
}
