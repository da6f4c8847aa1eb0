package extract

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// reference is a parsed "registry/repository:tag@digest". With a digest, the tag is only a label.
type reference struct {
	repo   name.Repository
	tag    string // "" if there is none
	digest string // "sha256:HEX", "" if there is none
}

// parseReference accepts what `docker pull` accepts: short names mean Docker Hub, neither tag nor digest means "latest".
func parseReference(s string, insecure bool) (reference, error) {
	options := nameOptions(insecure)
	rest, digest, byDigest := strings.Cut(s, "@")
	if byDigest {
		h, err := v1.NewHash(digest)
		if err != nil || h.Algorithm != "sha256" {
			return reference{}, fmt.Errorf("%w: the digest must be sha256: and 64 lower-case hexadecimal digits", ErrReference)
		}
	}
	tag, err := name.NewTag(rest, options...)
	if err != nil {
		return reference{}, fmt.Errorf("%w: %s", ErrReference, oneLine(err.Error()))
	}
	r := reference{repo: tag.Repository, tag: tag.TagStr(), digest: digest}
	// NewTag fills in "latest", which would be a lie beside a digest.
	if byDigest && !strings.HasSuffix(rest, ":"+r.tag) {
		r.tag = ""
	}
	return r, nil
}

func nameOptions(insecure bool) []name.Option {
	if insecure {
		return []name.Option{name.Insecure}
	}
	return nil
}

// String is the canonical form: registry, repository, and all that was given after them.
func (r reference) String() string {
	s := r.repo.Name()
	if r.tag != "" {
		s += ":" + r.tag
	}
	if r.digest != "" {
		s += "@" + r.digest
	}
	return s
}

// identifier is what to ask the registry for.
func (r reference) identifier() string {
	if r.digest != "" {
		return r.digest
	}
	return r.tag
}
