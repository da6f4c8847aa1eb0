package extract

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// Sighting is what a tag meant when it was seen.
type Sighting struct {
	Digest      string    `json:"digest"` // of the platform's manifest
	IndexDigest string    `json:"index_digest,omitempty"`
	Seen        time.Time `json:"seen"` // for the first time
}

// sightings is tags.json: the last sighting of every tag that was pulled or resolved, by its reference. A tag is a name that its
// owner can give to something else at any time; a release is not expected to change, so it is worth a word when one does.
type sightings struct {
	Schema int                 `json:"schema"`
	Tags   map[string]Sighting `json:"tags"`
}

const sightingsSchema = 1

// Seen returns what a reference with a tag was when it was seen last, or nil if it never was.
func (s *Store) Seen(ref string) (*Sighting, error) {
	r, err := parseReference(ref, false)
	if err != nil {
		return nil, err
	}
	all, err := s.sightings()
	if err != nil {
		return nil, fmt.Errorf("reading what tags were: %w", err)
	}
	if last, ok := all.Tags[r.String()]; ok {
		return &last, nil
	}
	return nil, nil
}

// SeenIn returns the sightings of all tags of a repository ("registry/name"), by tag.
func (s *Store) SeenIn(repository string) (map[string]Sighting, error) {
	repo, err := name.NewRepository(repository)
	if err != nil {
		return nil, fmt.Errorf("reading what tags were: %w: %s", ErrReference, oneLine(err.Error()))
	}
	all, err := s.sightings()
	if err != nil {
		return nil, fmt.Errorf("reading what tags were: %w", err)
	}
	seen := map[string]Sighting{}
	for ref, was := range all.Tags {
		if tag, ok := strings.CutPrefix(ref, repo.Name()+":"); ok && !strings.Contains(tag, "/") {
			seen[tag] = was
		}
	}
	return seen, nil
}

// Sight records what a tag is, if it was never seen before. What it is when it was seen before is for a pull to record: until then it
// can be told that it has moved.
func (s *Store) Sight(now Resolved) error {
	r, err := parseReference(now.Reference, false)
	if err != nil {
		return err
	}
	if last, err := s.Seen(now.Reference); err != nil || last != nil {
		return err
	}
	if err := s.checkFormat(); err != nil {
		return err
	}
	_, err = s.sight(r, now.Digest, now.IndexDigest)
	return err
}

func (s *Store) sightings() (sightings, error) {
	all := sightings{Schema: sightingsSchema}
	if _, err := readJSON(filepath.Join(s.Dir, tagsName), sightingsSchema, &all); err != nil {
		return sightings{}, err
	}
	return all, nil
}

// sight records what a tag is now and returns what it was before, if that is something else. Two processes that record at the
// same time may lose one of two records, which the next pull makes again. The image is in the store whatever becomes of the record,
// and the error says that it is about the record.
func (s *Store) sight(r reference, digest, index string) (_ *Sighting, err error) {
	if r.tag == "" || r.digest != "" {
		return nil, nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("recording what %s is: %w", r, err)
		}
	}()
	all, err := s.sightings()
	if err != nil {
		return nil, err
	}
	last, ok := all.Tags[r.String()]
	if ok && last.Digest == digest {
		return nil, nil
	}
	tags := maps.Clone(all.Tags)
	if tags == nil {
		tags = map[string]Sighting{}
	}
	tags[r.String()] = Sighting{Digest: digest, IndexDigest: index, Seen: time.Now().UTC()}
	all.Tags = tags
	// Killed at this point, a pull leaves a file that no other pull of the image would look for.
	if err := s.sweep(""); err != nil {
		return nil, err
	}
	if err := writeJSON(filepath.Join(s.Dir, tagsName), all); err != nil {
		return nil, err
	}
	if !ok {
		return nil, nil
	}
	return &last, nil
}
