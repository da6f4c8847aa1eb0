package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
)

const imageHelp = `IMAGE is a version, a tag, a reference, a digest, an id or the beginning of one,
or the NAME of an instance: the image that it runs.`

// shortestID keeps a version such as 4 from being the beginning of an id too.
const shortestID = 4

// imagesOf returns the images that words mean, each once; all for no words.
// Those whose record is damaged are apart, and in the way only of who names
// them. An error with images is about yet others.
func (a *app) imagesOf(typed []string) (images []*extract.Image, damaged []*extract.RecordError, err error) {
	all, err := a.store().List()
	if errors.Is(err, extract.ErrRecord) {
		if damaged, err = a.store().Damaged(); err != nil {
			return nil, nil, err
		}
	}
	if len(typed) == 0 || errors.Is(err, extract.ErrSchema) {
		return all, damaged, err
	}
	for _, word := range typed {
		img, err := a.imageOf(all, damaged, word)
		if err != nil {
			return nil, nil, err
		}
		if !slices.ContainsFunc(images, func(had *extract.Image) bool { return had.ID == img.ID }) {
			images = append(images, img)
		}
	}
	return images, nil, nil
}

func (a *app) imageOf(all []*extract.Image, damaged []*extract.RecordError, word string) (*extract.Image, error) {
	id, err := a.imageRunBy(word)
	if err != nil {
		return nil, err
	}
	if id == "" {
		id = word
	}
	var found []*extract.Image
	for _, img := range all {
		if img.ID == id || img.Digest == id {
			return img, nil
		}
		if means(img, word) {
			found = append(found, img)
		}
	}
	if len(found) == 0 {
		// References have short forms: docker.io is index.docker.io.
		if img, err := a.here(word); err == nil && strings.ContainsAny(word, "/@") {
			found = append(found, img)
		}
	}
	switch len(found) {
	case 0:
		return nil, noImage(damaged, id, word)
	case 1:
		return found[0], nil
	}
	var candidates []string
	for _, img := range found {
		candidates = append(candidates, fmt.Sprintf("%s (%s, pulled %s)", shortID(img), img.Reference, img.Pulled.UTC().Format("2006-01-02 15:04 UTC")))
	}
	err = usage(fmt.Errorf("%s is more than one image: %s", quoted(word), join(candidates)))
	return nil, withHint(err, "name one by its id, or the beginning of it: %s", shortID(found[0]))
}

// noImage is the error for a word that means no image that can be read.
func noImage(damaged []*extract.RecordError, id, word string) error {
	for _, record := range damaged {
		digest := record.Digest()
		ref, _, _ := strings.Cut(record.Reference, "@")
		if record.ID == id || digest == id || means(&extract.Image{ID: record.ID, Digest: digest, Reference: ref}, word) {
			return fmt.Errorf("reading image %s: %w", record.ID, record)
		}
	}
	err := usage(fmt.Errorf("no image here is %s", quoted(word)))
	if len(damaged) > 0 {
		err = usage(fmt.Errorf("no image here is %s, as far as they can be read", quoted(word)))
	}
	return withHint(err, "aztec-spartan versions --offline lists them")
}

// shortID is what names an image and can be typed.
func shortID(img *extract.Image) string { return "sha256-" + short(img.Digest) }

// means reports whether a word names an image, in one of the ways that need no
// more than the image.
func means(img *extract.Image, word string) bool {
	if word == "" {
		return false
	}
	digits := strings.TrimPrefix(strings.TrimPrefix(word, "sha256-"), "sha256:")
	return word == img.Reference || word == tagOf(img.Reference) || word == img.IndexDigest ||
		img.Version != "" && strings.TrimPrefix(word, "v") == img.Version ||
		len(digits) >= shortestID && strings.HasPrefix(img.ID, "sha256-"+digits)
}

// imageRunBy is the id of the image that an instance runs; "" if the word is
// no instance.
func (a *app) imageRunBy(word string) (string, error) {
	if profiles.ValidName(word) != nil {
		return "", nil
	}
	inst, err := a.loadInstance(word)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	_, meta, err := a.generations(inst)
	if err == nil && meta.Image == "" {
		err = withHint(fmt.Errorf("%s has no image yet", word), "aztec-spartan start %s fetches it", word)
	}
	return meta.Image, err
}

// label is how lines about an image begin.
func label(img *extract.Image) string {
	return fmt.Sprintf("%s (%s, %s)", orDefault(img.Version, "unknown version"), img.Reference, short(img.Digest))
}

// completeImages lets the shell complete tags of images that are here.
func (a *app) completeImages(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	images, _ := a.store().List()
	var words []string
	for _, img := range images {
		words = append(words, orDefault(tagOf(img.Reference), img.ID))
	}
	slices.Sort(words)
	return slices.Compact(words), cobra.ShellCompDirectiveNoFileComp
}
