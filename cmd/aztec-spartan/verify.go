package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
)

// verified is one image as verify --json prints it.
type verified struct {
	ID        string `json:"id"`
	Reference string `json:"reference"`
	Digest    string `json:"digest"`
	Version   string `json:"version"`
	extract.Verified
	Damage []extract.Damage `json:"damage"`
	Error  string           `json:"error,omitempty"` // why it could not be verified
}

func (v verified) bad() bool { return v.Error != "" || v.Damaged > v.Repaired }

func (a *app) verifyCommand() *cobra.Command {
	var repair bool
	cmd := &cobra.Command{
		Use:   "verify [IMAGE...]",
		Short: "Check every file of images against what was unpacked",
		Long: `Compare every file of images with what was recorded when they were unpacked:
contents, owner, mode, times, links, what is missing and what is too much. Without
arguments, all images. The exit code is 1 if anything is damaged.

With --repair, what is damaged is fetched again and put right by renames: a node
may run from the image meanwhile, and reads the right file when it opens it again.
So are lists of what layers hold. Nothing is fetched for an image that is whole. An
image whose image.json is damaged is recorded again by pull or load.

` + imageHelp,
		Example: `  aztec-spartan verify
  aztec-spartan verify 4.1.2 --repair
  aztec-spartan verify val1 --json`,
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("verify", repair); err != nil {
				return err
			}
			images, damaged, err := a.imagesOf(args)
			if err != nil && len(images)+len(damaged) == 0 {
				return err
			}
			if len(images)+len(damaged) == 0 {
				a.note("there is no image on this host")
			}
			list, verr := a.verifyAll(cmd.Context(), images, damaged, repair)
			if a.json {
				err = cmp.Or(err, a.printJSON(list))
			}
			if verr != nil && err != nil {
				return fmt.Errorf("%w; %w", verr, err)
			}
			return cmp.Or(verr, err)
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "fetch what is damaged again")
	return cmd
}

// verifyAll goes on after an image that cannot be verified: the others may be
// damaged too.
func (a *app) verifyAll(ctx context.Context, images []*extract.Image, damaged []*extract.RecordError, repair bool) ([]verified, error) {
	list := []verified{}
	var failed error
	bad, all := 0, len(images)+len(damaged)
	for i, img := range images {
		v, err := a.verify(ctx, img, repair)
		if ctx.Err() != nil {
			return list, cmp.Or(err, fmt.Errorf("verifying: after %d of %d images: %w", i, all, ctx.Err()))
		}
		// It is read with no lock held, so that a pull need not wait for it.
		if _, gerr := a.store().Get(img.ID); err == nil && errors.Is(gerr, extract.ErrNotFound) {
			a.note("%s was removed meanwhile", label(img))
			continue
		}
		if err != nil {
			v.Error = err.Error()
			failed = cmp.Or(failed, err)
		}
		if v.bad() {
			bad++
		}
		list = append(list, v)
		a.printVerified(img, v)
	}
	for _, record := range damaged {
		bad++
		failed = cmp.Or(failed, error(record))
		list = append(list, verified{
			ID: record.ID, Digest: record.Digest(), Damage: []extract.Damage{}, Error: record.Error(),
		})
		a.note("%s: %v", record.ID, record)
	}
	switch {
	case failed != nil && all == 1:
		return list, failed
	case failed != nil:
		return list, withHint(fmt.Errorf("verifying: %d of %d images are not whole", bad, all), "%s", orDefault(hintFor(failed), "the lines above say why"))
	case bad > 0 && repair:
		return list, fmt.Errorf("verifying: %d of %d images could not be repaired", bad, all)
	case bad > 0:
		return list, withHint(fmt.Errorf("verifying: %d of %d images are damaged", bad, all), "aztec-spartan verify --repair fetches what is damaged again")
	}
	return list, nil
}

func (a *app) verify(ctx context.Context, img *extract.Image, repair bool) (verified, error) {
	v := verified{ID: img.ID, Reference: img.Reference, Digest: img.Digest, Version: img.Version, Damage: []extract.Damage{}}
	report := func(d extract.Damage) { v.Damage = append(v.Damage, d) }
	var err error
	if !repair {
		v.Verified, err = a.store().Verify(ctx, img.ID, report)
		return v, err
	}
	o, err := a.pullOptions(img.Reference)
	if err != nil {
		return v, err
	}
	err = a.locked(ctx, storeLock, "verify --repair", func() error {
		bars := a.progress(ctx)
		defer bars.finish()
		o.Progress, o.Report = bars, bars.say
		o.Platform = img.Platform
		v.Verified, err = a.store().Repair(ctx, img.ID, o, report)
		return err
	})
	return v, err
}

// maxShown is how many differences of an image words are made of.
const maxShown = 50

func (a *app) printVerified(img *extract.Image, v verified) {
	for i, d := range v.Damage {
		if i == maxShown {
			a.print("  and %d more; --json lists them all", len(v.Damage)-i)
			break
		}
		a.print("  %s: %s", quoted(d.Path), d.What)
	}
	compared := fmt.Sprintf("%d files, %s, in %.1f s", v.Files, bytesOf(v.Bytes), v.Seconds)
	switch {
	case v.Error != "":
		a.note("%s: %s", label(img), v.Error)
	case v.Damaged == 0:
		a.print("%s: whole: %s", label(img), compared)
	case v.Repaired == 0:
		a.print("%s: %d damaged: %s", label(img), v.Damaged, compared)
	default:
		a.print("%s: %d damaged, %d repaired, downloaded %s: %s", label(img), v.Damaged, v.Repaired, bytesOf(v.DownloadedBytes), compared)
	}
}
