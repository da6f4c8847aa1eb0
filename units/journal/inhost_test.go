//go:build inhost

package journal

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// These tests change the host that they run on: TestInHost gives them one of
// their own.

const hostUnit = "aztec-sequencer@real.service"

func shell(t *testing.T, script string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "bash", "-ec", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// speak has a unit write lines, and waits until they are in the journal.
// It lives until journald has read its lines: of a process that is gone,
// journald learns neither unit nor invocation.
func speak(t *testing.T, unit, script string) {
	t.Helper()
	// By default systemd describes it by its command, which has the lines in it that tests look for.
	shell(t, fmt.Sprintf("systemd-run -q --wait --description=speaker --unit=%s -p SyslogIdentifier=%s bash -c %q; journalctl --sync",
		unit, strings.TrimSuffix(unit, ".service"), script+"; journalctl --sync"))
}

func messages(t *testing.T, q Query) string {
	t.Helper()
	var all []string
	err := Read(t.Context(), q, func(e Entry) error {
		if e.fromManager() {
			e.Message = "systemd"
		}
		all = append(all, e.Message)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, ";")
}

func TestHostRead(t *testing.T) {
	began := time.Now().Add(-time.Second)
	since := fmt.Sprintf("@%d", began.Unix())
	speak(t, hostUnit, `echo "[10:58:08.516] INFO: node one"; echo "[10:58:08.516] WARN: node two"; printf "\033[31m3\n"; echo "[10:58:08.516] INFO: node four"; printf "%060000d\n" 5`)
	units := []string{hostUnit}
	all := messages(t, Query{Units: units, Lines: -1})
	parts := strings.Split(all, ";")
	// systemd says Started and Deactivated, in no fixed order with what the
	// unit says: they reach journald by different ways.
	var own []string
	for _, p := range parts {
		if p != "systemd" {
			own = append(own, p)
		}
	}
	if len(parts)-len(own) < 2 {
		t.Errorf("systemd's own lines are missing: %.300q", parts)
	}
	// LineMax= cuts a line at 48 KiB.
	if len(own) != 6 || own[2] != "\x1b[31m3" || len(own[4]) != 48<<10 || len(own[5]) != 60000-48<<10 {
		t.Errorf("got %.300q", own)
	}
	for _, c := range []struct {
		q    Query
		want string
	}{
		{Query{Level: Warn, Lines: -1}, "[10:58:08.516] WARN: node two;\x1b[31m3"},
		{Query{Level: Warn, Lines: 1}, "\x1b[31m3"},
		{Query{Grep: "node", Lines: 2, Since: since}, "[10:58:08.516] WARN: node two;[10:58:08.516] INFO: node four"},
		{Query{Grep: "^.{15}INFO: node", Lines: -1}, "[10:58:08.516] INFO: node one;[10:58:08.516] INFO: node four"},
		{Query{Grep: "nothing has this", Lines: -1}, ""},
		{Query{Grep: "node", Until: "2001-01-01", Lines: 5}, ""},
		{Query{Grep: "node", Since: "1h ago", Until: "+1h", Lines: 1}, "[10:58:08.516] INFO: node four"},
		{Query{}, ""},
	} {
		c.q.Units = units
		if got := messages(t, c.q); got != c.want {
			t.Errorf("%+v: got %.300q, want %q", c.q, got, c.want)
		}
	}
	if got := messages(t, Query{Units: units, Lines: 2}); got != strings.Join(parts[len(parts)-2:], ";") {
		t.Errorf("last two: got %.300q", got)
	}

	var first Entry
	err := Read(t.Context(), Query{Units: units, Lines: -1, Grep: "node one"}, func(e Entry) error {
		first = e
		return nil
	})
	if err != nil || first.Unit != hostUnit || first.Identifier != "aztec-sequencer@real" || first.PID < 2 || len(first.Invocation) != 32 || first.Level != Info ||
		first.Priority != streamPriority || first.Time.Before(began) || time.Since(first.Time) > time.Minute {
		t.Errorf("got %+v, %v", first, err)
	}
	if got := messages(t, Query{Units: units, Lines: 1, Level: Warn, Cursor: first.Cursor}); got != "\x1b[31m3" {
		t.Errorf("after the first: got %q", got)
	}

	for _, q := range []Query{{Since: "bogus"}, {Cursor: "bogus", Lines: 0}, {Grep: "("}} {
		q.Units = units
		if q.Grep != "" {
			q.Lines = -1
		}
		err := Read(t.Context(), q, func(Entry) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "running journalctl: exit status 1: ") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%+v: got %v", q, err)
		}
	}
}

func TestHostFollow(t *testing.T) {
	unit := "aztec-sequencer@follow.service"
	speak(t, unit, `echo "[10:58:08.516] ERROR: node old"; echo "[10:58:08.516] INFO: node old"`)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all []string
	spoken := make(chan struct{})
	err := Read(ctx, Query{Units: []string{unit}, Lines: 5, Level: Error, Follow: true}, func(e Entry) error {
		all = append(all, e.Message)
		switch len(all) {
		case 1:
			go func() {
				defer close(spoken)
				speak(t, unit, `echo "[10:58:09.516] INFO: node new"; echo "[10:58:09.516] ERROR: node new"; echo "  why"`)
			}()
		case 3:
			cancel()
		}
		return nil
	})
	if got := strings.Join(all, ";"); !errors.Is(err, context.Canceled) || got != "[10:58:08.516] ERROR: node old;[10:58:09.516] ERROR: node new;  why" {
		t.Errorf("got %s, %v", got, err)
	}
	<-spoken
}

// TestHostFlood: a unit that writes faster than any node does is followed line
// by line, none is lost or out of order, and who stops does so at once.
func TestHostFlood(t *testing.T) {
	const unit, lines = "aztec-sequencer@flood.service", 30_000
	flood := func(loop string) {
		t.Helper()
		shell(t, "systemd-run -q --description=flood -p LogRateLimitIntervalSec=0 --unit="+unit+" bash -c '"+loop+`; do echo "[10:58:08.516] INFO: node line $i"; done; journalctl --sync'`)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	flood(fmt.Sprintf("for i in {1..%d}", lines))
	next, began := 1, time.Now()
	var first time.Time
	err := Read(ctx, Query{Units: []string{unit}, Lines: -1, Follow: true}, func(e Entry) error {
		if e.fromManager() {
			return nil
		}
		if want := fmt.Sprintf("[10:58:08.516] INFO: node line %d", next); e.Message != want {
			return fmt.Errorf("got %q, want %q", e.Message, want)
		}
		if next == 1 {
			first = e.Time
		}
		if next++; next > lines {
			t.Logf("written at %.0f lines a second, read %.1f s after the start", lines/e.Time.Sub(first).Seconds(), time.Since(began).Seconds())
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("at line %d: %v", next, err)
	}
	if got := strings.Count(messages(t, Query{Units: []string{unit}, Grep: "node line", Lines: -1}), ";") + 1; got != lines {
		t.Errorf("%d lines are in the journal, and %d were written", got, lines)
	}

	shell(t, "until ! systemctl is-active -q "+unit+"; do sleep 0.1; done")
	flood("for ((i = 1; ; i++))")
	defer shell(t, "systemctl stop "+unit)
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stopped time.Time
	seen := 0
	err = Read(ctx, Query{Units: []string{unit}, Follow: true}, func(Entry) error {
		if seen++; seen == 1000 {
			stopped = time.Now()
			cancel()
		}
		return nil
	})
	if took := time.Since(stopped); seen < 1000 || !errors.Is(err, context.Canceled) || took > 10*time.Second {
		t.Errorf("after %d lines it ended in %s: %v", seen, took, err)
	}
}
