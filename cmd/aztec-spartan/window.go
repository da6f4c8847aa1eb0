package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/policy"
)

// window says whether now is in a window: an elapse of the calendar event
// begins one, which lasts for its length.
func (a *app) window(ctx context.Context, u profiles.Update, now time.Time) (policy.Window, error) {
	if u.Window == "" {
		return policy.Window{}, nil
	}
	began, err := elapse(ctx, u.Window, now.Add(-profiles.Age(u.WindowLength, profiles.DefaultWindowLength)))
	if err != nil {
		return policy.Window{}, err
	}
	if !began.IsZero() && !began.After(now) {
		return policy.Window{Open: true}, nil
	}
	return policy.Window{Next: began}, nil
}

// elapse is the first time after base that a calendar event names; zero if
// there is none. Calendar events are a language of systemd's, which grows with
// it, so its own reader says what they mean (systemd-analyze(1)): a window is
// here what the same words are in a timer. It asks no running systemd.
func elapse(ctx context.Context, event string, base time.Time) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	const form = "2006-01-02 15:04:05 UTC"
	cmd := exec.CommandContext(ctx, "systemd-analyze", "calendar", "--base-time="+base.UTC().Format(form), event)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return time.Time{}, withHint(fmt.Errorf("reading the window %q: %w", event, err), "systemd-analyze, which is in the package systemd, reads calendar events")
		}
		if text := strings.TrimSpace(said.String()); text != "" && ctx.Err() == nil {
			return time.Time{}, withHint(usage(fmt.Errorf("reading the window %q: %s", event, text)), "man systemd.time, CALENDAR EVENTS, has the form: \"Mon..Thu 02:00\"")
		}
		return time.Time{}, fmt.Errorf("reading the window %q: %w", event, err)
	}
	at, err := parseElapse(out.String())
	if err != nil {
		return at, fmt.Errorf("reading the window %q: %w", event, err)
	}
	return at, nil
}

// parseElapse reads what systemd-analyze calendar prints: "Next elapse: Sat
// 2026-12-05 02:00:00 CET" and, where that is not UTC, "(in UTC): Sat ...".
func parseElapse(text string) (time.Time, error) {
	var found string
	for line := range strings.Lines(text) {
		label, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if label == "Next elapse" || label == "(in UTC)" {
			found = value
		}
	}
	if found == "never" {
		return time.Time{}, nil
	}
	at, err := time.Parse("Mon 2006-01-02 15:04:05 MST", found)
	if err != nil || !strings.HasSuffix(found, " UTC") {
		return time.Time{}, fmt.Errorf("systemd-analyze says %q", found)
	}
	return at, nil
}
