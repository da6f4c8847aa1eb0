package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
)

const (
	maxSpool   = 200                // events; more say nothing new
	maxWait    = 24 * time.Hour     // what nobody took by then is old news
	remembered = 7 * 24 * time.Hour // how long a key keeps the next event of it from being told
	attempts   = 3                  // in one run
	sentFile   = "sent"
)

// Sender brings one event to the operator. An error that wraps ErrRefused is
// for good; after any other the event is sent again later.
type Sender interface {
	Send(ctx context.Context, e Event) error
}

// ErrRefused says that an event will never be taken.
var ErrRefused = errors.New("it was refused")

// Spool is a directory of events that wait.
type Spool struct {
	Dir string

	// Wait is called between attempts; nil waits.
	Wait func(ctx context.Context, d time.Duration) error
	// Now is the time; nil is time.Now.
	Now func() time.Time
}

func (s Spool) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// Put adds an event. If the spool is full it is dropped, without an error.
func (s Spool) Put(e Event) error {
	waiting, err := s.waiting()
	if err != nil || len(waiting) >= maxSpool {
		return err
	}
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("putting an event into the spool: %w", err)
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("putting an event into the spool: %w", err)
	}
	// Two of the same instant cannot take one another's name.
	name := filepath.Join(s.Dir, fmt.Sprintf("%020d-%d-%s.json", s.now().UnixNano(), os.Getpid(), e.Kind))
	return atomicfile.Write(name, data, 0o600)
}

// Waits reports whether there is anything in it.
func (s Spool) Waits() bool {
	waiting, err := s.waiting()
	return err == nil && len(waiting) > 0
}

// waiting are the files of events, oldest first.
func (s Spool) waiting() ([]string, error) {
	found, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the spool of events: %w", err)
	}
	var list []string
	for _, f := range found {
		if filepath.Ext(f.Name()) == ".json" {
			list = append(list, filepath.Join(s.Dir, f.Name()))
		}
	}
	slices.Sort(list)
	return list, nil
}

// Deliver sends what waits, oldest first, and says each outcome. It stops at
// the first event that cannot be sent now, so that they arrive in order. The
// caller holds a lock: two would send the same.
func (s Spool) Deliver(ctx context.Context, to Sender, say func(format string, args ...any)) error {
	for {
		waiting, err := s.waiting()
		if err != nil || len(waiting) == 0 {
			return err
		}
		if err := s.deliver(ctx, to, waiting, say); err != nil {
			return err
		}
	}
}

func (s Spool) deliver(ctx context.Context, to Sender, waiting []string, say func(format string, args ...any)) error {
	sent := s.sent()
	for _, path := range waiting {
		var e Event
		data, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(data, &e)
		}
		switch at, before := sent[e.Key]; {
		case err != nil:
			say("dropping %s: it cannot be read", filepath.Base(path))
		case s.now().Sub(e.Time) > maxWait:
			say("giving up after a day: %s", e.Line())
		case before && s.now().Sub(at) < remembered:
		default:
			err := s.send(ctx, to, e)
			if err != nil && !errors.Is(err, ErrRefused) {
				return fmt.Errorf("notifying of %q: %w", e.Line(), err)
			}
			if err != nil {
				say("dropping %q: %v", e.Line(), err)
				break
			}
			say("told: %s", e.Line())
			sent[e.Key] = s.now().UTC()
			// Before the file goes: a crash between the two tells nothing twice.
			if err := s.remember(sent); err != nil {
				return err
			}
		}
		if err := atomicfile.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

func (s Spool) send(ctx context.Context, to Sender, e Event) error {
	wait := s.Wait
	if wait == nil {
		wait = pause
	}
	var err error
	for n := range attempts {
		if n > 0 {
			if werr := wait(ctx, time.Second<<(2*n)); werr != nil {
				return errors.Join(err, werr)
			}
		}
		if err = to.Send(ctx, e); err == nil || errors.Is(err, ErrRefused) {
			return err
		}
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// sent is when keys were told. A file that cannot be read tells nothing: at
// worst something is told twice.
func (s Spool) sent() map[string]time.Time {
	sent := map[string]time.Time{}
	if data, err := os.ReadFile(filepath.Join(s.Dir, sentFile)); err == nil {
		_ = json.Unmarshal(data, &sent)
	}
	return sent
}

func (s Spool) remember(sent map[string]time.Time) error {
	for key, at := range sent {
		if s.now().Sub(at) > remembered {
			delete(sent, key)
		}
	}
	data, err := json.Marshal(sent)
	if err != nil {
		return fmt.Errorf("remembering what was told: %w", err)
	}
	return atomicfile.Write(filepath.Join(s.Dir, sentFile), data, 0o600)
}
