package main

import (
	"github.com/spf13/cobra"
)

// pinned is one image as pin --json and unpin --json print it.
type pinned struct {
	ID        string `json:"id"`
	Reference string `json:"reference"`
	Version   string `json:"version"`
	Pinned    bool   `json:"pinned"`
}

func (a *app) pinCommand() *cobra.Command {
	return a.pinning(true, &cobra.Command{
		Use:   "pin IMAGE...",
		Short: "Keep images that gc would remove",
		Long: `Keep images in the version store although no instance needs them: gc leaves them
alone until they are unpinned.

` + imageHelp,
		Example: `  aztec-spartan pin 4.1.2`,
	})
}

func (a *app) unpinCommand() *cobra.Command {
	return a.pinning(false, &cobra.Command{
		Use:   "unpin IMAGE...",
		Short: "Take back a pin",
		Long: `Take back pin: gc removes the images again when no instance needs them.

` + imageHelp,
	})
}

func (a *app) pinning(pin bool, cmd *cobra.Command) *cobra.Command {
	verb, done := "pin", "pinned"
	if !pin {
		verb, done = "unpin", "unpinned"
	}
	cmd.Args = cobra.MinimumNArgs(1)
	cmd.ValidArgsFunction = a.completeImages
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := a.needRoot(verb, false); err != nil {
			return err
		}
		list := []pinned{}
		// A collection between the look and the mark would take the image away.
		err := a.locked(cmd.Context(), storeLock, verb, func() error {
			images, _, err := a.imagesOf(args)
			if err != nil {
				return err
			}
			for _, img := range images {
				if err := a.store().Pin(img.ID, pin); err != nil {
					return err
				}
				list = append(list, pinned{img.ID, img.Reference, img.Version, pin})
				a.print("%s %s", done, label(img))
			}
			return nil
		})
		if err != nil || !a.json {
			return err
		}
		return a.printJSON(list)
	}
	return cmd
}
