package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// One instance that cannot be started, or stopped, leaves the others no reason to
// stay as they are.
func TestInTurn(t *testing.T) {
	for verb, want := range map[string]string{"start": "a b c", "stop": "a b c", "restart": "a b"} {
		var tried []string
		err := inTurn(t.Context(), verb, []string{"a", "b", "c"}, func(name string) error {
			tried = append(tried, name)
			if name != "b" {
				return nil
			}
			return withHint(withCode(exitUnsupported, errors.New("b does not")), "look at b")
		})
		if got := strings.Join(tried, " "); got != want {
			t.Errorf("%s: %s", verb, got)
		}
		if f, ok := errors.AsType[*failure](err); !ok || f.code != exitUnsupported || f.hint != "look at b" || err.Error() != "b does not" {
			t.Errorf("%s: %v", verb, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var tried int
	if err := inTurn(ctx, "start", []string{"a", "b"}, func(string) error { tried++; cancel(); return ctx.Err() }); !errors.Is(err, context.Canceled) || tried != 1 {
		t.Errorf("after Ctrl-C: %v, tried %d", err, tried)
	}
}

// Who interrupts a start or a restart is told how to see what became of it: what
// has begun goes on.
func TestExplainInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := newApp(nil).explain(ctx, nil, "val1", "aztec-sequencer@val1.service", ctx.Err())
	if f, ok := errors.AsType[*failure](err); !ok || !errors.Is(err, context.Canceled) || f.hint != "aztec-spartan status val1 shows what it does; aztec-spartan stop val1 ends it" {
		t.Errorf("%v", err)
	}
}
