package roll

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
)

// stateSchema is the version of state.json.
const stateSchema = 1

// State is what is remembered of one instance between runs. It does not say
// what is active: the unit file does.
type State struct {
	Schema      int          `json:"schema"`
	Unit        string       `json:"unit"`
	Generations []Generation `json:"generations"`
	Previous    int          `json:"previous,omitempty"` // generation that rollback goes to; 0: none
	Intent      *Intent      `json:"intent,omitempty"`
	LastRoll    *Outcome     `json:"last_roll,omitempty"`
	Skipped     []Skip       `json:"skipped,omitempty"`
	Blamed      *Blamed      `json:"blamed,omitempty"` // nil: none, or something has passed the gate since
	Pin         *Pin         `json:"pin,omitempty"`
	Kept        []Kept       `json:"kept,omitempty"`       // data of earlier versions
	NoSigning   *NoSigning   `json:"no_signing,omitempty"` // nil: it may sign
}

// Blamed is the last update that failed together with the version before it, so
// that the cause is outside of both.
type Blamed struct {
	Version string    `json:"version"` // that was updated to
	At      time.Time `json:"at"`
}

// Pin keeps updates of an instance at a version.
type Pin struct {
	Version string    `json:"version"`
	Until   time.Time `json:"until,omitzero"` // zero: until it is taken back
	Since   time.Time `json:"since"`
}

// String says at which version it keeps an instance, and until when.
func (p Pin) String() string {
	if p.Until.IsZero() {
		return p.Version
	}
	return p.Version + " until " + p.Until.Local().Format(time.DateTime)
}

// Generation is one set of unit, environment and settings.
type Generation struct {
	Number    int       `json:"number"`
	Version   string    `json:"version"`
	Image     string    `json:"image"`
	Digest    string    `json:"digest"`
	Reference string    `json:"reference"`
	Created   time.Time `json:"created"`
}

// Kinds of rolls.
const (
	Update   = "update"
	Rollback = "rollback"
	Config   = "config" // other settings
)

// Intent is a roll that was asked for and has no outcome yet.
type Intent struct {
	Kind      string    `json:"kind"`
	From      int       `json:"from"`
	To        int       `json:"to"`
	Requested time.Time `json:"requested"`
	Gate      Gate      `json:"gate"`
	Data      DataPlan  `json:"data,omitzero"`
	Busy      BusyPlan  `json:"busy,omitzero"`
	// Begun is set before anything is changed. An engine that finds it set
	// was preceded by one that died.
	Begun bool `json:"begun"`
	// WasActive records whether the instance ran when the roll began: a
	// stopped one stays stopped.
	WasActive bool `json:"was_active"`
	// WasEnabled records whether the instance was to start at boot. One that
	// is not any more was stopped on purpose after the roll began.
	WasEnabled bool `json:"was_enabled"`
	// Before is how the instance was when the roll began.
	Before Before `json:"before,omitzero"`
	// Dependents are the units that ran when the roll began and that systemd
	// stops with this one.
	Dependents []string `json:"dependents,omitempty"`
	// Tries counts the ways back that did not come to their end.
	Tries int `json:"tries,omitempty"`
	// Recovered is set at boot, before anything runs, when the files are those
	// of the old version again: what runs since was started from them.
	Recovered bool `json:"recovered,omitempty"`
}

// Results of rolls.
const (
	Done       = "done"
	Waiting    = "waiting" // done, and the new version is in standby until a cutover
	RolledBack = "rolled-back"
	Failed     = "failed" // nothing was begun, or the old version could not be put back
	Cancelled  = "cancelled"
	Busy       = "busy" // nothing was begun: a stop would have spoilt something
)

// Outcome is what became of a roll.
type Outcome struct {
	Kind            string    `json:"kind"`
	From            string    `json:"from"` // versions
	To              string    `json:"to"`
	Result          string    `json:"result"`
	Reason          string    `json:"reason,omitempty"`
	FailedStep      string    `json:"failed_step,omitempty"` // stop, data, switch, start or gate
	Phases          []Phase   `json:"phases,omitempty"`      // of the gate, for the new version and then for the old one
	Environment     bool      `json:"environment,omitempty"` // the old version failed the same gate: the cause is outside of both
	Unfinished      bool      `json:"unfinished,omitempty"`  // the way back did not come to its end, and has to be tried again
	Situation       string    `json:"situation,omitempty"`   // what is in place and what runs, where that is not one version, running and sound
	Evidence        []string  `json:"evidence,omitempty"`    // what the gate saw, in order
	Started         time.Time `json:"started"`
	Finished        time.Time `json:"finished"`
	DowntimeSeconds float64   `json:"downtime_seconds"`       // from the stop until the RPC answered again; 0 if the instance was stopped
	DataSeconds     float64   `json:"data_seconds,omitempty"` // of these, until the data were kept
	NoSigning       string    `json:"no_signing,omitempty"`   // why the version in place must not sign
}

// interrupted is the reason of a roll that an engine has taken back, since the one
// before it ended in the middle.
const interrupted = "the roll was interrupted"

// TakenBack reports whether the roll was interrupted, and the version before it is
// in place again.
func (o Outcome) TakenBack() bool {
	return o.Result == RolledBack && strings.HasPrefix(o.Reason, interrupted)
}

// Succeeded reports whether the version that was asked for is in place.
func (o Outcome) Succeeded() bool { return o.Result == Done || o.Result == Waiting }

// String is the last line that an engine says.
func (o Outcome) String() string {
	text := fmt.Sprintf("%s %s -> %s: %s", o.Kind, o.From, o.To, o.Result)
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	return text
}

// Skip is a version that failed here and is not taken again unless asked for
// by name.
type Skip struct {
	Version string    `json:"version"`
	Digest  string    `json:"digest"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
}

// Files are the directories a host keeps instances in.
type Files struct {
	State   string // /var/lib/aztec-spartan/instances
	Config  string // /etc/aztec-spartan/instances
	Systemd string // /etc/systemd/system
	Runtime string // /run/systemd/system

	// write replaces a file; nil stands for atomicfile.Write. It is here for
	// tests, which fill disks and kill the writer at it.
	write func(name string, data []byte, mode fs.FileMode) error
}

func (f Files) put(name string, data []byte, mode fs.FileMode) error {
	if f.write != nil {
		return f.write(name, data, mode)
	}
	return atomicfile.Write(name, data, mode)
}

func (f Files) statePath(instance string) string {
	return filepath.Join(f.State, instance, "state.json")
}

// Load reads the state of an instance. An instance that has none yet has an
// empty one.
func (f Files) Load(instance string) (State, error) {
	data, err := os.ReadFile(f.statePath(instance))
	if errors.Is(err, fs.ErrNotExist) {
		return State{Schema: stateSchema}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("reading the state of %s: %w", instance, err)
	}
	var s State
	if err := json.Unmarshal(data, &s); err != nil {
		return State{}, fmt.Errorf("reading %s: %w", f.statePath(instance), err)
	}
	if s.Schema > stateSchema {
		return State{}, &units.NewerSchemaError{What: "state of instance " + instance, Found: s.Schema, Known: stateSchema}
	}
	return s, nil
}

// Save replaces the state of an instance.
func (f Files) Save(instance string, s State) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("saving the state of %s: %w", instance, err)
	}
	if err := os.MkdirAll(filepath.Join(f.State, instance), 0o700); err != nil {
		return fmt.Errorf("saving the state of %s: %w", instance, err)
	}
	return f.put(f.statePath(instance), append(data, '\n'), 0o600)
}

// Drop forgets a roll that was asked for and that no engine has begun. One
// that was begun is left for an engine to take back. The caller holds the
// instance's lock.
func (f Files) Drop(instance string) error {
	s, err := f.Load(instance)
	if err != nil || s.Intent == nil || s.Intent.Begun {
		return err
	}
	s.Intent = nil
	return f.Save(instance, s)
}

// Generation returns the generation with that number.
func (s State) Generation(number int) (Generation, bool) {
	for _, g := range s.Generations {
		if g.Number == number {
			return g, true
		}
	}
	return Generation{}, false
}

// Skips returns why a digest is skipped.
func (s State) Skips(digest string) (Skip, bool) {
	for _, k := range s.Skipped {
		if k.Digest == digest {
			return k, true
		}
	}
	return Skip{}, false
}

// Unskip takes a digest off the skip list.
func (s *State) Unskip(digest string) {
	kept := s.Skipped[:0]
	for _, k := range s.Skipped {
		if k.Digest != digest {
			kept = append(kept, k)
		}
	}
	s.Skipped = kept
}

func (s *State) skip(g Generation, reason string, now time.Time) {
	s.Unskip(g.Digest)
	s.Skipped = append(s.Skipped, Skip{Version: g.Version, Digest: g.Digest, Reason: reason, Since: now})
}
