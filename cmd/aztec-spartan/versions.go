package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// installed is one image as versions --json prints it.
type installed struct {
	pulled
	ActiveFor []string    `json:"active_for"` // instances whose unit runs it
	Pinned    bool        `json:"pinned"`
	PinnedFor []pinnedFor `json:"pinned_for,omitempty"` // instances that are kept at its version
	SkippedBy []skippedBy `json:"skipped_by,omitempty"` // instances whose updates do not take it
	Damaged   string      `json:"damaged,omitempty"`    // why its record cannot be read; what is not known is empty then

	platform string
}

func (a *app) versionsCommand() *cobra.Command {
	var offline, all bool
	cmd := &cobra.Command{
		Use:   "versions",
		Short: "List installed versions, and those the registry offers",
		Long: `List the images in the version store and which instances run them, and the
versions that the configured repository offers, of many only the newest that are
stable, without --all; in between, which versions updates of instances skip, and why, and at which they are kept by a pin. Tags that
mean something else there than here are told, as are images whose record is
damaged, with what brings it back. --json lists the installed ones.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.needRoot("versions", false); err != nil {
				return err
			}
			list, damaged, err := a.installed()
			if err != nil {
				return err
			}
			for _, record := range damaged {
				a.note("warning: image %s is damaged: %v", record.ID, record)
				a.note("hint: %s", recordHint(record))
			}
			if a.json {
				return a.printJSON(list)
			}
			if len(list) == 0 {
				a.note("there is no image on this host; aztec-spartan pull VERSION fetches one, and so does config")
			}
			width := math.MaxInt // programs and files get all of it
			if isTerminal(a.out) {
				width = tableWidth
			}
			for _, line := range versionLines(list, width) {
				a.print("%s", line)
			}
			if err := a.showKept(); err != nil || offline {
				return err
			}
			return a.printOffered(cmd.Context(), list, all)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every tag that the registry offers")
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask the registry")
	return cmd
}

// versionLines are the table of what is installed. Where it is too wide, digests
// lose what they all begin with, and then references their ends, which are versions.
func versionLines(list []installed, width int) []string {
	if len(list) == 0 {
		return nil
	}
	const digest, reference, runBy = 1, 2, 3
	rows := [][]string{{"VERSION", "DIGEST", "REFERENCE", "RUN BY", "PINNED"}}
	for _, v := range list {
		pin := "-"
		if v.Pinned {
			pin = "pinned"
		}
		rows = append(rows, []string{orDefault(v.Version, unknownVersion(v)), fmt.Sprintf("%.19s", v.Digest), orDefault(v.Reference, "unknown"), orDefault(join(v.ActiveFor), "-"), pin})
	}
	lines := fit(rows, width, nil, nil)
	if !slices.ContainsFunc(lines, func(line string) bool { return utf8.RuneCountInString(line) > width }) {
		return lines
	}
	for _, row := range rows[1:] {
		row[digest] = strings.TrimPrefix(row[digest], "sha256:")
	}
	return fit(rows, width, nil, []column{reference, runBy})
}

func unknownVersion(v installed) string {
	if v.Damaged != "" {
		return "damaged"
	}
	return "unknown"
}

// installed lists the images that are here, last those that are damaged.
func (a *app) installed() ([]installed, []*extract.RecordError, error) {
	images, damaged, err := a.imagesOf(nil)
	if err != nil {
		return nil, nil, err
	}
	users, states := map[string][]string{}, map[string]roll.State{}
	names, err := a.instanceNames()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		inst, err := a.loadInstance(name)
		if err != nil {
			return nil, nil, err
		}
		if state, meta, err := a.generations(inst); err == nil {
			users[meta.Image] = append(users[meta.Image], name)
			states[name] = state
		}
	}
	list := []installed{}
	for _, img := range images {
		v := installed{ActiveFor: append([]string{}, users[img.ID]...), Pinned: img.Pinned(), platform: img.Platform}
		v.pulled = pulledOf(img, extract.PullStats{
			DownloadedBytes: img.DownloadedBytes, WrittenBytes: img.WrittenBytes, SharedBytes: img.SharedBytes,
			ReusedBytes: img.ReusedBytes, Seconds: img.Seconds,
		})
		for _, name := range names {
			if s, ok := states[name].Skips(img.Digest); ok {
				v.SkippedBy = append(v.SkippedBy, skippedBy{name, s.Reason, s.Since})
			}
			if p := states[name].Pin; p != nil && p.Version == img.Version {
				v.PinnedFor = append(v.PinnedFor, pinnedFor{name, p.Until})
			}
		}
		list = append(list, v)
	}
	for _, record := range damaged {
		v := installed{ActiveFor: append([]string{}, users[record.ID]...), Damaged: record.Error()}
		v.ID, v.Digest = record.ID, record.Digest()
		v.Reference, _, _ = strings.Cut(record.Reference, "@")
		list = append(list, v)
	}
	return list, damaged, nil
}
