package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// takenBack notes what was asked of systemd to take a start back.
type takenBack struct{ calls []string }

func (t *takenBack) Disable(_ context.Context, units ...string) error {
	t.calls = append(t.calls, "disable "+strings.Join(units, " "))
	return nil
}

func (t *takenBack) Stop(_ context.Context, unit string, _ ...manager.Option) error {
	t.calls = append(t.calls, "stop "+unit)
	return nil
}

// Who stops an instance that has not had its turn yet has stopped it.
func TestStoppedBeforeItsTurn(t *testing.T) {
	a := newApp(io.Discard)
	a.root = t.TempDir()
	for _, name := range []string{"agent1", "val1"} { // long ago
		if err := a.noteStop(name); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"agent1", "val1", "val2"}
	var started []string
	err := inTurn(t.Context(), "start", names, a.inOwnTurn(names, func(name string) error {
		started = append(started, name)
		if name != "agent1" {
			return nil
		}
		return a.noteStop("val1") // while that one waits for its string
	}))
	if !slices.Equal(started, []string{"agent1", "val2"}) || !errors.Is(err, errStoppedMeanwhile) || !strings.Contains(err.Error(), "starting val1: ") {
		t.Errorf("started %q, %v", started, err)
	}
}

// A start that waited while its instance was stopped starts nothing, and one
// that had started it already stops it again.
func TestUnlessStopped(t *testing.T) {
	const unit = "aztec-sequencer@val1.service"
	failed := errors.New("failed")
	for name, test := range map[string]struct {
		before, during string // whose instance is stopped
		job            error
		starts, stops  bool
	}{
		"nobody stops it":       {starts: true},
		"it fails":              {starts: true, job: failed},
		"stopped before":        {before: "val1", stops: true},
		"stopped meanwhile":     {during: "val1", starts: true, stops: true},
		"cancelled by the stop": {during: "val1", starts: true, job: failed, stops: true},
		"another is stopped":    {before: "val2", during: "val2", starts: true},
	} {
		a := newApp(io.Discard)
		a.root = t.TempDir()
		stop := func(name string) {
			if name == "" {
				return
			}
			if err := a.noteStop(name); err != nil {
				t.Fatal(err)
			}
		}
		stop("val1") // long ago
		last := a.lastStop("val1")
		stop(test.before)
		var m takenBack
		started := false
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // what is taken back is, whatever else ends
		err := a.unlessStopped(ctx, &m, "val1", unit, last, func() error {
			started = true
			stop(test.during)
			return test.job
		})
		want := []string(nil)
		if test.stops {
			want = []string{"disable " + unit, "stop " + unit}
		}
		if started != test.starts || !slices.Equal(m.calls, want) {
			t.Errorf("%s: started %t, then %q", name, started, m.calls)
		}
		switch {
		case test.stops && (err == nil || !strings.Contains(err.Error(), "it was stopped meanwhile")):
			t.Errorf("%s: %v", name, err)
		case !test.stops && !errors.Is(err, test.job):
			t.Errorf("%s: %v", name, err)
		}
	}
}
