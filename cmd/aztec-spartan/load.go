package main

import (
	"errors"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
)

func (a *app) loadCommand() *cobra.Command {
	var name, platform string
	cmd := &cobra.Command{
		Use:   "load PATH|-",
		Short: "Unpack an image from a file into the version store",
		Long: `Unpack an image from a file into the version store, every byte verified: for
hosts that reach no registry.

PATH is an OCI image layout (a directory), an archive of one, or what docker save
or podman save wrote, compressed or not; - is such an archive on standard input.
The image is then known by the name that it has there; a mere tag means the
configured repository. Of several images --name takes the one with that name, with
that tag, or with that digest, all of it; docker.io/NAME and NAME are the same.
Verbs that would ask a registry use it with --no-pull.`,
		Example: `  docker save aztecprotocol/aztec:4.1.2 | aztec-spartan load -
  aztec-spartan load ./aztec-4.1.2.tar.zst
  aztec-spartan load ./layout --name 4.1.3
  aztec-spartan update val1 --to 4.1.3 --no-pull`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("load", true); err != nil {
				return err
			}
			c, err := a.hostConfig()
			if err != nil {
				return err
			}
			path, in := args[0], io.Reader(nil)
			if path == "-" {
				if isTerminal(a.in) {
					err := usage(errors.New("load: standard input is a terminal"))
					return withHint(err, "docker save IMAGE | aztec-spartan load -")
				}
				path, in = "standard input", a.in
			}
			o := extract.LoadOptions{
				Platform: platform, Name: name, Repository: c.Registry.Repository, UnpackOptions: a.unpackOptions(c),
			}
			ctx := cmd.Context()
			var img *extract.Image
			var stats extract.PullStats
			err = a.locked(ctx, storeLock, "load "+path, func() error {
				bars := a.progress(ctx)
				defer bars.finish()
				o.Progress = bars
				img, stats, err = a.store().Load(ctx, path, in, o)
				return err
			})
			switch {
			case errors.Is(err, extract.ErrReference):
				return withHint(err, "--name takes all of a name, of a tag or of a digest")
			case errors.Is(err, extract.ErrDigest):
				return withHint(err, "the archive is damaged: copy or save it again; nothing was kept")
			case errors.Is(err, fs.ErrNotExist) && in == nil && !exists(path):
				return usage(err)
			}
			if err != nil {
				return err
			}
			return a.printPulled(pulledOf(img, stats), stats.Present)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "`name`, tag or digest of the image to take, where there are several")
	cmd.Flags().StringVar(&platform, "platform", "", "`os/arch` to choose from a multi-platform image (default: this host's)")
	return cmd
}
