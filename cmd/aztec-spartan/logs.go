package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/units/journal"
)

func (a *app) logsCommand() *cobra.Command {
	var q journal.Query
	var level, output string
	cmd := &cobra.Command{
		Use:   "logs [NAME...]",
		Short: "Show the journal of instances",
		Long: `Show what instances and systemd wrote into the journal about them, with their
rolls. Without names, of all instances, in the order of time.

--level filters by the node's own log levels: fatal, error, warn, info, verbose,
debug, trace; a priority of the journal (err, warning, 3) stands for those that
have it. Lines that follow one, as of a stack, go with it.

Following goes on across restarts, rolls and new versions of the node.`,
		Example: `  aztec-spartan logs -f val1
  aztec-spartan logs val1 --since '1 hour ago' --level warn
  aztec-spartan logs -g 'checkpoint|attestation' --since today --until 18:00
  aztec-spartan logs val1 -n 1000 -o json`,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := a.selected(args, false, everyInstance)
			if err != nil {
				return err
			}
			if !a.live() {
				return withCode(exitUnsupported, errors.New("logs: --root has no journal"))
			}
			if level != "" {
				if q.Level, err = journal.ParseLevel(level); err != nil {
					return usage(err)
				}
			}
			if a.json {
				output = "json"
			}
			// What was asked for by time is wanted whole.
			if !cmd.Flags().Changed("lines") && (q.Since != "" || q.Until != "") {
				q.Lines = -1
			}
			return a.logs(cmd.Context(), names, q, output)
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&q.Follow, "follow", "f", false, "keep showing new lines")
	fs.IntVarP(&q.Lines, "lines", "n", 100, "how many lines from the end; -1 is all")
	fs.StringVar(&q.Since, "since", "", "`TIME` to begin at, as journalctl takes it")
	fs.StringVar(&q.Until, "until", "", "`TIME` to end at")
	fs.StringVarP(&q.Grep, "grep", "g", "", "only messages that match the `pattern`")
	fs.StringVar(&level, "level", "", "only this level and above")
	fs.StringVarP(&output, "output", "o", "short", "format: short, cat or json")
	return cmd
}

// logs shows what the journal has of instances and their rolls, without the
// secrets of either.
func (a *app) logs(ctx context.Context, names []string, q journal.Query, output string) error {
	for _, name := range names {
		unit, err := a.installedUnit(name)
		if err != nil {
			return err
		}
		q.Units = append(q.Units, unit, rollUnit(name))
	}
	w, err := journal.NewWriter(a.out, output, isTerminal(a.out) && os.Getenv("NO_COLOR") == "")
	if err != nil {
		return usage(err)
	}
	a.noteReaders()
	hidden := a.journalSecrets(ctx, names)
	err = interruptible(ctx, func(ctx context.Context) error {
		return journal.Read(ctx, q, func(e journal.Entry) error {
			// Here, since JSON would spell them in another way.
			e.Message = hidden.Text(e.Message)
			return w.Write(e)
		})
	})
	if q.Follow && ctx.Err() != nil {
		return nil // Ctrl-C is how following ends
	}
	return askedOfJournal(err)
}

// askedOfJournal gives what was asked wrong the exit code of a usage error.
func askedOfJournal(err error) error {
	if err == nil {
		return nil
	}
	_, wrong := errors.AsType[*journal.QueryError](err)
	if err = fmt.Errorf("reading the journal: %w", err); wrong {
		return withHint(usage(err), "a time is '2026-11-28 18:00', '1 hour ago' or yesterday (systemd.time(7)), and --since is before --until; a pattern is one of grep -P")
	}
	return err
}

// noteReaders tells who may not read the journal: to them it looks as if nothing
// was logged (journalctl(1)).
func (a *app) noteReaders() {
	if os.Geteuid() == 0 {
		return
	}
	mine, err := os.Getgroups()
	if err != nil {
		return
	}
	for _, name := range []string{"systemd-journal", "adm", "wheel"} {
		if g, err := user.LookupGroup(name); err == nil && slices.Contains(mine, number(g.Gid)) {
			return
		}
	}
	a.note("warning: this user may not read the journal of nodes; root may, and members of the group systemd-journal")
}

// number is -1, which is no group's, for what is none.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// interruptible runs do and, once ctx has ended, waits for it only briefly: a
// terminal that Ctrl-S has stopped, or a pager, takes no more lines, and whoever
// hangs in a write to it does not look up. The process ends then, and do with it.
func interruptible(ctx context.Context, do func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(200 * time.Millisecond):
		return ctx.Err()
	}
}
