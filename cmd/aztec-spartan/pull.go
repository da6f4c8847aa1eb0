package main

import (
	"github.com/spf13/cobra"
)

// pulled is what pull --json prints: bytes are bytes, seconds are seconds of
// this run.
type pulled struct {
	ID              string  `json:"id"`
	Reference       string  `json:"reference"`
	Digest          string  `json:"digest"`
	Version         string  `json:"version"`
	Rootfs          string  `json:"rootfs"`
	DownloadedBytes int64   `json:"downloaded_bytes"`
	WrittenBytes    int64   `json:"written_bytes"`
	ReusedBytes     int64   `json:"reused_bytes"`
	Seconds         float64 `json:"seconds"`
}

func (a *app) pullCommand() *cobra.Command {
	var platform string
	cmd := &cobra.Command{
		Use:   "pull REF",
		Short: "Fetch an image and unpack it into the version store",
		Long: `Fetch an image and unpack it into the version store, every byte verified.

REF is an OCI reference with a tag or a digest, or a version in the configured
repository. Nothing that runs is changed.`,
		Example: `  aztec-spartan pull 4.1.2
  aztec-spartan pull docker.io/aztecprotocol/aztec@sha256:...`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("pull", true); err != nil {
				return err
			}
			ref, err := a.reference(args[0])
			if err != nil {
				return err
			}
			img, stats, err := a.pull(cmd.Context(), ref, platform)
			if err != nil {
				return err
			}
			p := pulled{
				ID: img.ID, Reference: img.Reference, Digest: img.Digest, Version: img.Version, Rootfs: img.Rootfs(),
				DownloadedBytes: stats.DownloadedBytes, WrittenBytes: stats.WrittenBytes, ReusedBytes: stats.ReusedBytes, Seconds: stats.Seconds,
			}
			if a.json {
				return a.printJSON(p)
			}
			a.print("%s: version %s, %s, in %.1f s", p.Reference, orDefault(p.Version, "unknown"), p.Digest, p.Seconds)
			return nil
		},
	}
	cmd.Flags().StringVar(&platform, "platform", "", "`os/arch` to choose from a multi-platform image (default: this host's)")
	return cmd
}
