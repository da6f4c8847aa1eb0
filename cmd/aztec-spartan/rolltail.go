package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/journal"
)

// rollTail prints what the engine of a roll says while it runs elsewhere.
type rollTail struct {
	lines chan string
	done  chan struct{}
	stop  context.CancelFunc
}

// followRoll begins after what the journal has of earlier rolls.
func (a *app) followRoll(ctx context.Context, unit string) (*rollTail, error) {
	q := journal.Query{Units: []string{unit}, Lines: 1}
	var cursor string
	err := journal.Read(ctx, q, func(e journal.Entry) error {
		cursor = e.Cursor
		return nil
	})
	if err != nil {
		return nil, err
	}
	q = journal.Query{Units: []string{unit}, Follow: true, Cursor: cursor}
	if cursor == "" { // the first roll: all there will be is new, however late the tail begins
		q.Since = fmt.Sprintf("@%d", time.Now().Unix())
	}
	ctx, cancel := context.WithCancel(ctx)
	t := &rollTail{lines: make(chan string, 1), done: make(chan struct{}), stop: cancel}
	go func() {
		defer close(t.done)
		// An error ends the lines; the outcome does not depend on them.
		_ = journal.Read(ctx, q, func(e journal.Entry) error {
			if e.Unit != unit || e.Identifier == "systemd" {
				return nil
			}
			a.note("  %s", e.Message)
			select {
			case t.lines <- e.Message:
			default: // nobody waits for this one
				select {
				case <-t.lines:
				default:
				}
				t.lines <- e.Message
			}
			return nil
		})
	}()
	return t, nil
}

// tailWait is how long the journal may be behind the state file.
const tailWait = 3 * time.Second

// until waits for the last line to be printed, and ends the tail.
func (t *rollTail) until(last string) {
	late := time.After(tailWait)
	for waiting := true; waiting; {
		select {
		case line := <-t.lines:
			waiting = line != last
		case <-t.done:
			waiting = false
		case <-late:
			waiting = false
		}
	}
	t.stop()
	<-t.done
}
