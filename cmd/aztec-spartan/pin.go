package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// pinned is one image, or one instance, as pin --json and unpin --json print it.
type pinned struct {
	Name      string     `json:"name,omitempty"` // of the instance
	ID        string     `json:"id,omitempty"`   // of the image
	Reference string     `json:"reference,omitempty"`
	Version   string     `json:"version"`
	Pinned    bool       `json:"pinned"`
	Until     *time.Time `json:"until,omitempty"`
}

const pinHelp = `IMAGE is a version, a tag, a reference, a digest, an id or the beginning of one.`

func (a *app) pinCommand() *cobra.Command {
	var until string
	cmd := &cobra.Command{
		Use:   "pin NAME [VERSION] | IMAGE...",
		Short: "Keep an instance at a version, or images that gc would remove",
		Long: `With the NAME of an instance, keep its updates at a version, the one that it runs
if none is given: update takes no other until the date of --until, or until
unpin. It takes the pinned one if that is newer, a pre-release too. update --to
goes before a pin, and leaves it.

With images, keep them in the version store although no instance needs them: gc
leaves them alone until they are unpinned.

` + pinHelp,
		Example: `  aztec-spartan pin val1 --until 2026-12-24
  aztec-spartan pin val1 4.1.2
  aztec-spartan pin 4.1.2`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeNamesAndImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("pin", false); err != nil {
				return err
			}
			if here, err := a.isInstance(args[0]); err != nil || here {
				if err != nil {
					return err
				}
				return a.pinInstance(cmd.Context(), args, until)
			}
			if until != "" {
				return usage(fmt.Errorf("--until is for instances, and %s is none", quoted(args[0])))
			}
			return a.pinImages(cmd.Context(), "pin", true, args)
		},
	}
	cmd.Flags().StringVar(&until, "until", "", "`date` at which the pin ends: 2026-12-24, or 2026-12-24T18:00:00Z")
	return cmd
}

func (a *app) unpinCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unpin NAME | IMAGE...",
		Short: "Take back a pin",
		Long: `Take back pin: updates of the instance take the newest version again that its
policy allows; gc removes the images again when no instance needs them.

` + pinHelp,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeNamesAndImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("unpin", false); err != nil {
				return err
			}
			here, err := a.isInstance(args[0])
			switch {
			case err != nil:
				return err
			case here && len(args) > 1:
				return usage(errors.New("unpin takes one instance at a time"))
			case here:
				return a.unpinInstance(cmd.Context(), args[0])
			}
			return a.pinImages(cmd.Context(), "unpin", false, args)
		},
	}
}

// isInstance reports whether a word is the name of an instance, which goes
// before whatever else it may mean.
func (a *app) isInstance(word string) (bool, error) {
	if profiles.ValidName(word) != nil {
		return false, nil
	}
	_, err := a.loadInstance(word)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (a *app) pinInstance(ctx context.Context, args []string, until string) error {
	name := args[0]
	if len(args) > 2 {
		return usage(errors.New("pin takes one instance and one version"))
	}
	pin := roll.Pin{Since: time.Now().UTC()}
	if until != "" {
		at, err := profiles.ParseDate(until)
		if err == nil && !at.After(pin.Since) {
			err = fmt.Errorf("%s is in the past", until)
		}
		if err != nil {
			return usage(fmt.Errorf("--until: %w", err))
		}
		pin.Until = at.UTC()
	}
	return a.lockedInstance(ctx, name, "pin", func(inst profiles.Instance) error {
		state, meta, err := a.generations(inst)
		if err != nil {
			return err
		}
		if pin.Version = meta.Version; len(args) == 2 {
			pin.Version = args[1]
		}
		if _, err := profiles.ParseVersion(pin.Version); err != nil {
			return usage(fmt.Errorf("pinning %s: %w", name, err))
		}
		state.Pin = &pin
		if err := a.files().Save(name, state); err != nil {
			return err
		}
		text := fmt.Sprintf("pinned %s to %s", name, pin.Version)
		p := pinned{Name: name, Version: pin.Version, Pinned: true}
		if !pin.Until.IsZero() {
			p.Until = &pin.Until
			text += " until " + pin.Until.Local().Format("2006-01-02 15:04 MST")
		}
		a.print("%s", text)
		if !a.json {
			return nil
		}
		return a.printJSON([]pinned{p})
	})
}

func (a *app) unpinInstance(ctx context.Context, name string) error {
	return a.lockedInstance(ctx, name, "unpin", func(inst profiles.Instance) error {
		state, meta, err := a.generations(inst)
		if err != nil {
			return err
		}
		if state.Pin == nil {
			a.print("%s was not pinned", name)
		} else {
			a.print("unpinned %s from %s", name, state.Pin.Version)
			state.Pin = nil
			if err := a.files().Save(name, state); err != nil {
				return err
			}
		}
		if !a.json {
			return nil
		}
		return a.printJSON([]pinned{{Name: name, Version: meta.Version}})
	})
}

func (a *app) pinImages(ctx context.Context, verb string, pin bool, words []string) error {
	list := []pinned{}
	// A collection between the look and the mark would take the image away.
	err := a.locked(ctx, storeLock, verb, func() error {
		images, _, err := a.imagesOf(words)
		if err != nil {
			return err
		}
		for _, img := range images {
			if err := a.store().Pin(img.ID, pin); err != nil {
				return err
			}
			list = append(list, pinned{ID: img.ID, Reference: img.Reference, Version: img.Version, Pinned: pin})
			a.print("%sned %s", verb, label(img))
		}
		return nil
	})
	if err != nil || !a.json {
		return err
	}
	return a.printJSON(list)
}

// completeNamesAndImages lets the shell complete instances, and tags of images.
func (a *app) completeNamesAndImages(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	names, _ := a.completeNames(cmd, args, typed)
	images, directive := a.completeImages(cmd, args, typed)
	return append(names, images...), directive
}
