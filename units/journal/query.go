package journal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Query says what to read.
type Query struct {
	// Units are names of units, or globs. Lines of systemd about them are
	// included, as with journalctl -u. At least one is needed.
	Units []string
	// Lines is how many entries to read from the end; -1 is all. 0 is all where
	// Since or Cursor says where to begin, and none where not: with Follow,
	// only what is new. With Level, only entries of that level are counted.
	Lines int
	// Since and Until are times as journalctl takes them (systemd.time(7)).
	Since, Until string
	// Follow keeps reading until the context ends.
	Follow bool
	// Grep is a Perl-compatible regular expression for the message.
	Grep string
	// Level leaves out what is more talkative. The zero value leaves out nothing.
	Level Level
	// Cursor, from an Entry, begins after that entry.
	Cursor string
	// Manager leaves out all but what systemd itself wrote about the units.
	Manager bool
	// Boot leaves out what was written before the last boot.
	Boot bool
	// Command is the program to run; empty is journalctl.
	Command string
}

// fields are all that is asked for: entries have some thirty.
const fields = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_PID,_UID,_SYSTEMD_UNIT,UNIT,OBJECT_SYSTEMD_UNIT,COREDUMP_UNIT,_SYSTEMD_INVOCATION_ID,INVOCATION_ID"

// QueryError says that what was asked for means nothing: a time that is none, for
// example.
type QueryError struct{ Err error }

func (e *QueryError) Error() string { return e.Err.Error() }

// Unwrap is the error that has the same words.
func (e *QueryError) Unwrap() error { return e.Err }

// CheckTime returns a *QueryError for what is no time to begin at. It asks
// journalctl, whose times they are.
func CheckTime(ctx context.Context, since string) error {
	q := Query{Units: []string{"-.slice"}, Since: since, Lines: 1}
	if err := q.check(); err != nil {
		return &QueryError{err}
	}
	return run(ctx, q, func(Entry) error { return errEnough })
}

func (q Query) check() error {
	if len(q.Units) == 0 {
		return errors.New("no unit is named")
	}
	for _, u := range q.Units {
		if u == "" {
			return errors.New("the name of a unit is empty")
		}
	}
	for name, value := range map[string]string{"since": q.Since, "until": q.Until} {
		if strings.HasPrefix(value, "-") {
			return fmt.Errorf("%s %q: begins with a dash; a time in the past is, for example, %q", name, value, "1h ago")
		}
	}
	for _, value := range append([]string{q.Since, q.Until, q.Grep, q.Cursor}, q.Units...) {
		if strings.ContainsRune(value, 0) {
			return fmt.Errorf("%q: contains a zero byte", value)
		}
	}
	if q.Lines < -1 {
		return fmt.Errorf("%d lines: neither a number of lines nor -1", q.Lines)
	}
	return nil
}

// command is the name of the program.
func (q Query) command() string {
	if q.Command != "" {
		return q.Command
	}
	return "journalctl"
}

// args is journalctl's command line. Values travel in the same word as their
// option, so that none can become an option itself.
func (q Query) args(extra ...string) []string {
	args := []string{"--output=json", "--all", "--no-pager", "--output-fields=" + fields}
	for _, u := range q.Units {
		args = append(args, "--unit="+u)
	}
	add := func(option, value string) {
		if value != "" {
			args = append(args, option+"="+value)
		}
	}
	add("--since", q.Since)
	add("--until", q.Until)
	add("--grep", q.Grep)
	add("--after-cursor", q.Cursor)
	if q.Boot {
		args = append(args, "--boot")
	}
	if q.Manager {
		args = append(args, "_PID=1")
	}
	switch {
	case q.Lines > 0:
		add("--lines", strconv.Itoa(q.Lines))
	case q.unlimited():
		add("--lines", "all")
	default:
		add("--lines", "0")
	}
	if q.Follow {
		args = append(args, "--follow")
	}
	return append(args, extra...)
}

func (q Query) unlimited() bool {
	return q.Lines == -1 || q.Lines == 0 && (q.Since != "" || q.Cursor != "")
}
