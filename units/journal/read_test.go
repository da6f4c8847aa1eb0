package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// cursors reads all of a query and returns where the entries were.
func cursors(t *testing.T, q Query) string {
	t.Helper()
	var all []string
	err := Read(t.Context(), q, func(e Entry) error {
		all = append(all, strings.TrimPrefix(e.Cursor, "c"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func TestReadLevels(t *testing.T) {
	for _, c := range []struct {
		level Level
		lines int
		want  string
	}{
		{0, -1, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"},
		{Fatal, -1, ""},
		{Error, -1, "11 12 14 15"},
		{Warn, -1, "6 7 9 11 12 14 15 17"},
		{Info, -1, "1 2 6 7 8 9 10 11 12 13 14 15 16 17 18"},
		{Verbose, -1, "1 2 3 6 7 8 9 10 11 12 13 14 15 16 17 18"},
		{Trace, -1, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"},
		// The last ones are the last of that level, in the same order.
		{Error, 1, "15"},
		{Error, 2, "14 15"},
		{Error, 3, "12 14 15"},
		{Error, 1000, "11 12 14 15"},
		{Warn, 6, "9 11 12 14 15 17"},
		{Warn, 1000, "6 7 9 11 12 14 15 17"},
		{Info, 9, "10 11 12 13 14 15 16 17 18"},
		{Info, 1000, "1 2 6 7 8 9 10 11 12 13 14 15 16 17 18"},
		{Debug, 1000, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"},
		{Fatal, 5, ""},
	} {
		t.Run(fmt.Sprintf("%v %d", c.level, c.lines), func(t *testing.T) {
			f := journalctl(t, map[string]string{"out": story()})
			if got := cursors(t, f.query(Query{Level: c.level, Lines: c.lines})); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestReadEntries(t *testing.T) {
	f := journalctl(t, map[string]string{"out": "-- No entries --\n" + story()})
	var all []Entry
	err := Read(t.Context(), f.query(Query{Lines: -1}), func(e Entry) error {
		all = append(all, e)
		return nil
	})
	if err != nil || len(all) != 18 {
		t.Fatalf("%d entries, %v", len(all), err)
	}
	want := Entry{
		Time: time.UnixMicro(1_795_520_133_016_000), Unit: node, Identifier: "systemd", PID: 1, Priority: 5, Level: Info,
		Message: node + ": Main process exited, code=exited, status=1/FAILURE", Cursor: "c16", Invocation: "0123456789abcdef0123456789abcdef",
	}
	if all[15] != want {
		t.Errorf("got  %+v\nwant %+v", all[15], want)
	}
	if all[9].Instance() != "val1" || all[9].Unit != "aztec-roll@val1.service" || all[9].Level != Info {
		t.Errorf("got %+v", all[9])
	}
}

func TestReadArguments(t *testing.T) {
	unit := "--unit=" + node + " "
	for _, c := range []struct {
		name string
		q    Query
		want []string
	}{
		{"last", Query{Lines: 100}, []string{unit + "--lines=100"}},
		{"all", Query{Lines: -1, Boot: true}, []string{unit + "--boot --lines=all"}},
		{"none", Query{}, []string{unit + "--lines=0"}},
		{"since", Query{Since: "1h ago"}, []string{unit + "--since=1h ago --lines=all"}},
		{"cursor", Query{Cursor: "c7"}, []string{unit + "--after-cursor=c7 --lines=all"}},
		{"several", Query{Units: []string{"a.service", "b@*.service"}, Lines: 1}, []string{"--unit=a.service --unit=b@*.service --lines=1"}},
		{"options in values", Query{Lines: -1, Grep: "--vacuum-time=1", Units: []string{"--rotate"}}, []string{"--unit=--rotate --grep=--vacuum-time=1 --lines=all"}},
		{"last since", Query{Lines: 3, Since: "@1"}, []string{unit + "--since=@1 --lines=all --reverse"}},
		{"last until", Query{Lines: 3, Until: "@1"}, []string{unit + "--until=@1 --lines=all --reverse"}},
		{"last matching", Query{Lines: 3, Grep: "x"}, []string{unit + "--grep=x --lines=all --reverse"}},
		{"last after", Query{Lines: 3, Cursor: "c7"}, []string{unit + "--lines=all --reverse"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := journalctl(t, nil)
			cursors(t, f.query(c.q))
			if got := f.runs(t); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestReadAfterCursorBackwards(t *testing.T) {
	f := journalctl(t, map[string]string{"out": story()})
	if got := cursors(t, f.query(Query{Cursor: "c13", Lines: 100})); got != "14 15 16 17 18" {
		t.Errorf("got %s", got)
	}
	if got := cursors(t, f.query(Query{Cursor: "c13", Lines: 2, Level: Error})); got != "14 15" {
		t.Errorf("got %s", got)
	}
}

func TestReadRejects(t *testing.T) {
	for _, c := range []struct {
		q    Query
		want string
	}{
		{Query{Units: []string{}}, "no unit is named"},
		{Query{Units: []string{""}}, "the name of a unit is empty"},
		{Query{Since: "-1h"}, `since "-1h": begins with a dash; a time in the past is, for example, "1h ago"`},
		{Query{Until: "--rotate"}, `until "--rotate": begins with a dash; a time in the past is, for example, "1h ago"`},
		{Query{Grep: "a\x00b"}, `"a\x00b": contains a zero byte`},
		{Query{Lines: -2}, "-2 lines: neither a number of lines nor -1"},
	} {
		f := journalctl(t, nil)
		err := Read(t.Context(), f.query(c.q), func(Entry) error { return nil })
		if err == nil || err.Error() != c.want || f.runs(t) != nil {
			t.Errorf("got %v, want %s", err, c.want)
		}
		if _, wrong := errors.AsType[*QueryError](err); !wrong {
			t.Errorf("%v: is not of what was asked for", err)
		}
	}
}

func TestReadFailures(t *testing.T) {
	nothing := func(Entry) error { return nil }
	for _, c := range []struct {
		name  string
		files map[string]string
		q     Query
		want  string // after "running PATH: "
		wrong bool   // what was asked for means nothing
	}{
		{"complaint", map[string]string{"stderr": "\x1b[0;1;31mFailed to parse timestamp: bogus\x1b[0m\n", "code": "1"}, Query{Lines: -1}, "exit status 1: Failed to parse timestamp: bogus", true},
		{"silent", map[string]string{"code": "1"}, Query{Lines: -1}, "exit status 1", false},
		{"bad pattern", map[string]string{"stderr": "Bad pattern", "code": "1"}, Query{Lines: -1, Grep: "("}, "exit status 1: Bad pattern", true},
		{"silent, but not as without matches", map[string]string{"code": "2"}, Query{Lines: -1, Grep: "x"}, "exit status 2", false},
		{"backwards", map[string]string{"stderr": "No journal files were opened due to insufficient permissions.", "code": "1"}, Query{Lines: 1, Level: Warn}, "exit status 1: No journal files were opened due to insufficient permissions.", false},
		{"endless complaint", map[string]string{"stderr": strings.Repeat("x", 1<<20), "code": "1"}, Query{Lines: -1}, "exit status 1: " + strings.Repeat("x", 4096), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := journalctl(t, c.files).query(c.q)
			err := Read(t.Context(), q, nothing)
			if want := "running " + q.Command + ": " + c.want; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
			if _, wrong := errors.AsType[*QueryError](err); wrong != c.wrong {
				t.Errorf("it was asked wrong: %t", wrong)
			}
		})
	}

	if err := Read(t.Context(), Query{Units: []string{node}, Command: "no-such-journalctl"}, nothing); err == nil || !strings.HasPrefix(err.Error(), "running no-such-journalctl: ") {
		t.Errorf("missing: got %v", err)
	}
	// That nothing matches is no failure.
	f := journalctl(t, map[string]string{"code": "1"})
	if got := cursors(t, f.query(Query{Lines: -1, Grep: "x"})); got != "" {
		t.Errorf("got %s", got)
	}
	for name, out := range map[string]string{"cut": `{"__CURSOR":"c1"`, "no JSON": "{]\n", "no time": "{}\n"} {
		f := journalctl(t, map[string]string{"out": out})
		if err := Read(t.Context(), f.query(Query{Lines: -1}), nothing); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestReadLong(t *testing.T) {
	f := journalctl(t, map[string]string{"out": entryOf(1, node, strings.Repeat("a", maxLine-1000)) + entryOf(2, node, strings.Repeat("b", maxLine)) + entryOf(3, node, "after")})
	var all []string
	err := Read(t.Context(), f.query(Query{Lines: -1}), func(e Entry) error {
		all = append(all, e.Message[:min(len(e.Message), 11)])
		return nil
	})
	if want := []string{"aaaaaaaaaaa", "(an entry t", "after"}; err != nil || !slices.Equal(all, want) {
		t.Errorf("got %q, %v", all, err)
	}
}

// gone waits for the end of the process in a file of the fake.
func (f fake) gone(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		// An orphan may stay a zombie where nobody collects it.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s (%d) still runs: %v", name, pid, syscall.Kill(pid, syscall.SIGKILL))
		case <-tick.C:
		}
	}
}

func TestFollow(t *testing.T) {
	f := journalctl(t, map[string]string{
		"out": story(),
		"new": entryOf(19, node, "[10:58:12.000] INFO: node fine") + entryOf(20, node, "[10:58:12.000] ERROR: node not fine") + entryOf(21, node, "    at all"),
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all []string
	err := Read(ctx, f.query(Query{Lines: 3, Level: Error, Since: "@1", Follow: true}), func(e Entry) error {
		if all = append(all, e.Cursor); e.Cursor == "c21" {
			cancel()
		}
		return nil
	})
	if want := []string{"c12", "c14", "c15", "c20", "c21"}; !errors.Is(err, context.Canceled) || !slices.Equal(all, want) {
		t.Errorf("got %q, %v", all, err)
	}
	unit := "--unit=" + node
	if got, want := f.runs(t), []string{unit + " --since=@1 --lines=all --reverse", unit + " --after-cursor=c18 --lines=all --follow"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	f.gone(t, "pid")
	f.gone(t, "child")
}

// TestFollowNothingYet: without any entry there is no cursor to go on from.
func TestFollowNothingYet(t *testing.T) {
	f := journalctl(t, nil)
	f.write(t, "new", entryOf(1, node, "never asked for"), 0o600)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var following sync.WaitGroup
	following.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil && len(f.runs(t)) < 2 {
			<-tick.C
		}
		cancel()
	})
	err := Read(ctx, f.query(Query{Lines: 3, Level: Error, Since: "@1", Follow: true}), func(e Entry) error {
		return fmt.Errorf("got %+v", e)
	})
	following.Wait()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := f.runs(t); len(got) != 2 || got[1] != "--unit="+node+" --since=@1 --lines=all --follow" {
		t.Errorf("got %q", got)
	}
}

func TestYieldStops(t *testing.T) {
	f := journalctl(t, map[string]string{"out": story()})
	full := errors.New("disk full")
	for _, q := range []Query{{Lines: -1, Follow: true}, {Lines: 2, Follow: true}, {Lines: 2, Level: Warn, Follow: true}} {
		n := 0
		err := Read(t.Context(), f.query(q), func(Entry) error {
			n++
			return full
		})
		if err != full || n != 1 { //nolint:errorlint // as it is
			t.Errorf("%d entries, %v", n, err)
		}
		f.gone(t, "pid")
		f.gone(t, "child")
	}
}
