package main

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
)

// pulled is what pull --json and load --json print: bytes are bytes, seconds
// are seconds of this run.
type pulled struct {
	ID              string  `json:"id"`
	Reference       string  `json:"reference"`
	Digest          string  `json:"digest"`
	Version         string  `json:"version"`
	Rootfs          string  `json:"rootfs"`
	DownloadedBytes int64   `json:"downloaded_bytes"`
	WrittenBytes    int64   `json:"written_bytes"`
	SharedBytes     int64   `json:"shared_bytes"`
	ReusedBytes     int64   `json:"reused_bytes"`
	Seconds         float64 `json:"seconds"`
	Recorded        bool    `json:"recorded,omitempty"`   // it was here, and its record was damaged and is written anew
	MovedFrom       string  `json:"moved_from,omitempty"` // digest that the tag was, if it has moved
}

func pulledOf(img *extract.Image, stats extract.PullStats) pulled {
	p := pulled{
		ID: img.ID, Reference: img.Reference, Digest: img.Digest, Version: img.Version, Rootfs: img.Rootfs(),
		DownloadedBytes: stats.DownloadedBytes, WrittenBytes: stats.WrittenBytes, SharedBytes: stats.SharedBytes,
		ReusedBytes: stats.ReusedBytes, Seconds: stats.Seconds, Recorded: stats.Recorded,
	}
	if stats.Moved != nil {
		p.MovedFrom = stats.Moved.Digest
	}
	return p
}

func (a *app) pullCommand() *cobra.Command {
	var platform string
	var mirrors []string
	cmd := &cobra.Command{
		Use:   "pull REF",
		Short: "Fetch an image and unpack it into the version store",
		Long: `Fetch an image and unpack it into the version store, every byte verified.

REF is an OCI reference with a tag or a digest, or a version in the configured
repository, or where /etc/aztec-spartan/profiles.d/repositories.toml says that it
has moved from there. Layers that are here are not fetched, and files that another version
has are linked, not written. Nothing that runs is changed. A pull that fails or
is killed carries on, the next time, after the layers that were finished.`,
		Example: `  aztec-spartan pull 4.1.2
  aztec-spartan pull docker.io/aztecprotocol/aztec@sha256:...
  aztec-spartan pull 4.1.2 --mirror mirror.example:5000/hub`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("pull", true); err != nil {
				return err
			}
			for _, m := range mirrors {
				if err := checkMirror(m); err != nil {
					return usage(fmt.Errorf("--mirror: %w", err))
				}
			}
			ref, err := a.reference("", args[0])
			if err != nil {
				return err
			}
			img, stats, err := a.pull(cmd.Context(), ref, func(o *extract.PullOptions) {
				o.Platform = platform
				o.Mirrors = append(mirrors, o.Mirrors...)
			})
			if err != nil {
				return err
			}
			return a.printPulled(pulledOf(img, stats), stats.Present)
		},
	}
	cmd.Flags().StringVar(&platform, "platform", "", "`os/arch` to choose from a multi-platform image (default: this host's)")
	cmd.Flags().StringArrayVar(&mirrors, "mirror", nil, "`host[:port][/prefix]` to ask first, before those of config.toml; may be repeated")
	return cmd
}

func (a *app) printPulled(p pulled, present bool) error {
	if a.json {
		return a.printJSON(p)
	}
	what := fmt.Sprintf("version %s, %s", orDefault(p.Version, "unknown"), p.Digest)
	if p.Recorded {
		a.print("%s: %s, was here; its record was damaged, and is written anew", p.Reference, what)
		return nil
	}
	if present {
		a.print("%s: %s, was here", p.Reference, what)
		return nil
	}
	a.print("%s: %s, in %.1f s: downloaded %s, reused %s, shared %s, wrote %s", p.Reference, what, p.Seconds,
		bytesOf(p.DownloadedBytes), bytesOf(p.ReusedBytes), bytesOf(p.SharedBytes), bytesOf(p.WrittenBytes))
	return nil
}

// bytesOf is a number of bytes for people.
func bytesOf(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
