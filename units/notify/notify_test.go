package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

type sender func(Event) error

func (s sender) Send(_ context.Context, e Event) error { return s(e) }

func quiet(string, ...any) {}

func at(minute int) time.Time { return time.Date(2026, 11, 28, 12, minute, 0, 0, time.UTC) }

// testSpool has a clock that stands, and waits for nothing.
func testSpool(t *testing.T) (s Spool, clock *time.Time) {
	now := at(0)
	tick := 0
	return Spool{
		Dir:  filepath.Join(t.TempDir(), "spool"),
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Now:  func() time.Time { tick++; return now.Add(time.Duration(tick)) }, // names differ
	}, &now
}

func put(t *testing.T, s Spool, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if err := s.Put(Event{Kind: RollDone, Text: k, Key: k, Time: s.Now()}); err != nil {
			t.Fatal(err)
		}
	}
}

// Each event arrives once and in order, whatever fails in between.
func TestSpool(t *testing.T) {
	s, clock := testSpool(t)
	var got []string
	broken := 0
	to := sender(func(e Event) error {
		if broken > 0 {
			broken--
			return errors.New("it is away")
		}
		got = append(got, e.Text)
		return nil
	})
	deliver := func(wantErr bool, want ...string) {
		t.Helper()
		got = nil
		if err := s.Deliver(t.Context(), to, quiet); (err != nil) != wantErr {
			t.Errorf("error %v", err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("arrived %q, want %q", got, want)
		}
	}
	deliver(false)
	put(t, s, "a", "b", "a", "c")
	broken = 2
	deliver(false, "a", "b", "c") // the third attempt works
	deliver(false)
	put(t, s, "d", "b", "e")
	broken = 3
	deliver(true)
	deliver(false, "d", "e")
	*clock = clock.Add(8 * 24 * time.Hour)
	put(t, s, "b")
	deliver(false, "b") // a week is over
	put(t, s, "f")
	*clock = clock.Add(25 * time.Hour)
	deliver(false) // nobody took it for a day
	if left, _ := s.waiting(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func TestSpoolRefused(t *testing.T) {
	s, _ := testSpool(t)
	put(t, s, "a", "b")
	if err := os.WriteFile(filepath.Join(s.Dir, "0.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	tried := 0
	to := sender(func(e Event) error {
		tried++
		return fmt.Errorf("no: %w", ErrRefused)
	})
	if err := s.Deliver(t.Context(), to, quiet); err != nil || tried != 2 {
		t.Errorf("tried %d times, %v", tried, err)
	}
	for range maxSpool + 5 {
		put(t, s, "x")
	}
	if n, _ := s.waiting(); len(n) != maxSpool {
		t.Errorf("%d events wait", len(n))
	}
}

func TestCommand(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	e := Event{Kind: Down, Host: "h1", Instance: "val1", Text: "it's down; $(reboot)", Key: "k"}
	c := Command{[]string{"/bin/sh", "-c", `cat >"$1"; echo "$AZTEC_SPARTAN_EVENT $AZTEC_SPARTAN_INSTANCE $AZTEC_SPARTAN_TEXT" >>"$1"`, "sh", out}}
	if err := c.Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	first, second, _ := strings.Cut(string(data), "\n")
	var got Event
	if err := json.Unmarshal([]byte(first), &got); err != nil || got != e {
		t.Errorf("got %s, %v", first, err)
	}
	if second != "down val1 "+e.Line()+"\n" {
		t.Errorf("got %q", second)
	}
	for _, argv := range [][]string{{"/bin/false"}, {"/not/there"}, {}} {
		if err := (Command{argv}).Send(t.Context(), e); err == nil {
			t.Errorf("%q fails silently", argv)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
