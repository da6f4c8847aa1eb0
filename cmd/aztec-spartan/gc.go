package main

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
)

// collected is what gc --json prints. Bytes are those of the disk.
type collected struct {
	DryRun        bool      `json:"dry_run"`
	Removed       []removal `json:"removed"`
	Kept          []kept    `json:"kept"`
	LeftoverBytes int64     `json:"leftover_bytes"` // of runs that were killed
	FreedBytes    int64     `json:"freed_bytes"`    // in all, of images
	// Data are what earlier versions left of instances' data.
	RemovedData []keptData `json:"removed_data"`
	KeptData    []keptData `json:"kept_data"`
}

type removal struct {
	collectedImage
	FreedBytes int64 `json:"freed_bytes"` // what no image that stays has too
}

type kept struct {
	collectedImage
	Reasons []string `json:"reasons"`
}

type collectedImage struct {
	ID        string `json:"id"`
	Reference string `json:"reference"`
	Version   string `json:"version"`
}

func (a *app) gcCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove images that no instance needs",
		Long: `Remove images from the version store that no instance needs, and what killed runs
left there and, an hour ago or more, among settings and units. These stay: what
an instance runs, is configured for or is rolling to or from, what auto-update
found for it within the last day, the version before it, which rollback goes to,
as many of its last versions as [update] keep says, and what pin keeps.

Where an update kept the data of the version before it, they stay for keep_data
of config.toml, and go then.

When anything about an instance cannot be read, nothing is removed.`,
		Example: `  aztec-spartan gc --dry-run
  aztec-spartan gc`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.needRoot("gc", false); err != nil {
				return err
			}
			if dryRun { // removes nothing, so needs no locks
				return a.collect(true)
			}
			return a.lockedHost(cmd.Context(), "gc", func() error { return a.collect(false) })
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	return cmd
}

// lockedHost runs do while nothing else that knows of an instance or of the
// store runs. Instances come first, as in every other verb.
func (a *app) lockedHost(ctx context.Context, verb string, do func() error) error {
	for {
		names, err := a.lockNames()
		if err != nil {
			return err
		}
		again := false
		err = a.lockedAll(ctx, append(names, storeLock), verb, func() error {
			// Whoever came since may have an image already that nothing names yet.
			now, err := a.lockNames()
			if again = !slices.Equal(now, names); again || err != nil {
				return err
			}
			return do()
		})
		if !again || err != nil {
			return err
		}
	}
}

func (a *app) lockedAll(ctx context.Context, names []string, verb string, do func() error) error {
	if len(names) == 0 {
		return do()
	}
	return a.locked(ctx, names[0], verb, func() error { return a.lockedAll(ctx, names[1:], verb, do) })
}

func (a *app) collect(dryRun bool) error {
	c, report, err := a.collectImages(dryRun)
	if report == nil {
		return err
	}
	if a.json {
		if perr := a.printJSON(report); err == nil {
			err = perr
		}
		return err
	}
	a.printCollected(c, dryRun)
	a.printData(report.RemovedData, report.KeptData, dryRun)
	return err
}

// collectImages returns no report if nothing was looked at.
func (a *app) collectImages(dryRun bool) (extract.Collected, *collected, error) {
	needs, err := a.needs()
	if err != nil {
		return extract.Collected{}, nil, withHint(err, "nothing was removed, as images may be needed that are not known; put this right first")
	}
	report := &collected{DryRun: dryRun, Removed: []removal{}, Kept: []kept{}}
	c, err := a.store().Collect(func(img *extract.Image) string {
		reasons := needs.of(img)
		if len(reasons) > 0 {
			report.Kept = append(report.Kept, kept{asCollected(img), reasons})
		}
		return join(reasons)
	}, dryRun)
	for _, r := range c.Removed {
		report.Removed = append(report.Removed, removal{asCollected(r.Image), r.Freed})
	}
	halves, herr := a.collectHalves(dryRun)
	c.Leftovers, c.FreedBytes = c.Leftovers+halves, c.FreedBytes+halves
	report.LeftoverBytes, report.FreedBytes = c.Leftovers, c.FreedBytes
	var derr error
	report.RemovedData, report.KeptData, derr = a.collectData(dryRun)
	return c, report, errors.Join(err, herr, derr)
}

// collectHalves removes what writers of settings, state and units left that
// were killed, and returns their bytes.
func (a *app) collectHalves(dryRun bool) (freed int64, err error) {
	for dir, depth := range map[string]int{configDir: 2, stateDir: 2, systemdDir: 1} {
		found, lerr := atomicfile.Leftovers(a.path(dir), depth)
		err = errors.Join(err, lerr)
		for _, f := range found {
			if !dryRun {
				if rerr := os.Remove(f.Path); rerr != nil {
					err = errors.Join(err, rerr)
					continue
				}
			}
			freed += f.Bytes
		}
	}
	return freed, err
}

func asCollected(img *extract.Image) collectedImage {
	return collectedImage{img.ID, img.Reference, img.Version}
}

func (a *app) printCollected(c extract.Collected, dryRun bool) {
	removed, freed := "removed", "freed"
	if dryRun {
		removed, freed = "would remove", "would free"
	}
	for _, k := range c.Kept {
		a.print("kept %s: %s", label(k.Image), k.Reason)
	}
	for _, r := range c.Removed {
		a.print("%s %s: %s", removed, label(r.Image), bytesOf(r.Freed))
	}
	if c.Leftovers > 0 {
		a.print("%s what killed runs left: %s", removed, bytesOf(c.Leftovers))
	}
	a.print("%s %s", freed, bytesOf(c.FreedBytes))
}
