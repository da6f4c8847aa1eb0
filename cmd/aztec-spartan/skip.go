package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// skippedBy is an instance whose updates skip a version, as versions --json
// prints it.
type skippedBy struct {
	Name   string    `json:"name"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// pinnedFor is an instance that is kept at a version, as versions --json
// prints it.
type pinnedFor struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until,omitzero"`
}

// unskipped is what unskip --json prints.
type unskipped struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  string `json:"digest"`
	Reason  string `json:"reason"`
}

func (a *app) unskipCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unskip NAME [VERSION...]",
		Short: "Let updates take versions again that failed before",
		Long: `Take versions off the skip list of an instance: those that are named, or all.
Versions that failed the gate, and those that a rollback left, are on it, and no
update takes them. From then on update takes what its policy allows, the timer
in its next window. update --to takes a version off the list, too, and at once.

versions and status NAME show the list, with reasons.`,
		Example: `  aztec-spartan unskip val1 4.1.3
  aztec-spartan unskip val1`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeSkipped,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("unskip", false); err != nil {
				return err
			}
			return a.unskip(cmd.Context(), args[0], args[1:])
		},
	}
}

func (a *app) unskip(ctx context.Context, name string, versions []string) error {
	if err := profiles.ValidName(name); err != nil {
		return usage(err)
	}
	return a.lockedInstance(ctx, name, "unskip", func(profiles.Instance) error {
		state, err := a.files().Load(name)
		if err != nil {
			return err
		}
		if err := unfinishedRoll(state, "changing the skip list of", name); err != nil {
			return err
		}
		gone := []unskipped{}
		for _, s := range slices.Clone(state.Skipped) {
			if len(versions) == 0 || slices.ContainsFunc(versions, func(v string) bool { return names(s, v) }) {
				gone = append(gone, unskipped{name, s.Version, s.Digest, s.Reason})
				state.Unskip(s.Digest)
			}
		}
		for _, v := range versions {
			if !slices.ContainsFunc(gone, func(u unskipped) bool { return names(roll.Skip{Version: u.Version, Digest: u.Digest}, v) }) {
				return withHint(usage(fmt.Errorf("unskip: %s does not skip %s", name, quoted(v))), "aztec-spartan status %s shows what it skips", name)
			}
		}
		if len(gone) > 0 {
			if err := a.files().Save(name, state); err != nil {
				return err
			}
		}
		if a.json {
			return a.printJSON(gone)
		}
		if len(gone) == 0 {
			a.print("%s skips nothing", name)
		}
		for _, u := range gone {
			a.print("%s takes %s again, if its policy does; it was skipped: %s", name, u.Version, u.Reason)
		}
		return nil
	})
}

// names reports whether a word means what is skipped: its version, or its digest.
func names(s roll.Skip, word string) bool {
	return strings.TrimPrefix(word, "v") == strings.TrimPrefix(s.Version, "v") || word == s.Digest
}

// completeSkipped lets the shell complete an instance, and then what it skips.
func (a *app) completeSkipped(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeNames(cmd, args, typed)
	}
	state, err := a.files().Load(args[0])
	var list []string
	for _, s := range state.Skipped {
		if err == nil && !slices.Contains(args, s.Version) {
			list = append(list, s.Version)
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// showKept says which versions updates of instances skip, and at which they are
// kept, whether or not those are here.
func (a *app) showKept() error {
	names, err := a.instanceNames()
	if err != nil {
		return err
	}
	title := func(first *bool, text string) {
		if *first {
			a.print("\n%s:", text)
		}
		*first = false
	}
	states := map[string]roll.State{}
	for _, name := range names {
		if states[name], err = a.files().Load(name); err != nil {
			return err
		}
	}
	first := true
	for _, name := range names {
		for _, s := range states[name].Skipped {
			title(&first, "skipped")
			a.print("  %s (%.19s) by %s since %s: %s; aztec-spartan unskip %[3]s %[1]s takes it off the list", s.Version, s.Digest, name, s.Since.Local().Format(time.DateTime), s.Reason)
		}
	}
	first = true
	for _, name := range names {
		if p := states[name].Pin; p != nil {
			title(&first, "pinned")
			a.print("  %s to %s", name, p)
		}
	}
	return nil
}
