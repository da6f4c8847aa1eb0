package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
)

// Seen is one instance at one look.
type Seen struct {
	Instance string
	Wanted   bool   // it is enabled, or runs
	Down     bool   // it does not run, nor is it about to
	Sick     bool   // it runs, or tries to, and is not well
	Stuck    bool   // it is sick by what it answered itself, and does not restart on its own
	Reason   string // why; printable
	Restarts uint32 // automatic ones since the last start by hand
	Rolling  bool   // a roll is under way: it has a gate of its own
}

// Room is the space of one directory, in bytes.
type Room struct {
	Dir       string
	Free, Low int64
}

// Limits are how long things may last untold.
type Limits struct {
	Unhealthy time.Duration // that a node may be unhealthy; and down, if that is shorter than downAfter
	Restart   time.Duration // that a node may be unhealthy until it is restarted; 0: it is not
}

const (
	// downAfter leaves a restart by hand, or a reboot, unmentioned.
	downAfter = 2 * time.Minute
	// A crash loop is this many automatic restarts in so much time.
	loopRestarts = 3
	loopWindow   = 15 * time.Minute
)

// condition is something that lasts.
type condition struct {
	Since time.Time `json:"since"`
	Told  bool      `json:"told"`
}

type sample struct {
	At       time.Time `json:"at"`
	Restarts uint32    `json:"restarts"`
}

// help is what a watchdog did for an instance since it is unhealthy.
type help struct {
	At    time.Time `json:"at"`
	Times int       `json:"times"`
}

// maxPause bounds the time between two restarts of a node that they do not
// help.
const maxPause = 24 * time.Hour

// trackerSchema is the version of the file of a Tracker.
const trackerSchema = 1

// Tracker knows what lasted at the last look. It is a file between them.
type Tracker struct {
	Schema     int                  `json:"schema"`
	Conditions map[string]condition `json:"conditions"`
	Samples    map[string][]sample  `json:"samples"` // of restarts, by instance
	Helped     map[string]help      `json:"helped"`  // by instance
}

// LoadTracker reads a file; one that is not there, or damaged, or of a newer
// version of this program, knows nothing: at worst something is told twice.
func LoadTracker(path string) (*Tracker, error) {
	t := &Tracker{}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading what was seen last: %w", err)
	}
	if json.Unmarshal(data, t) != nil || t.Schema != trackerSchema {
		t = &Tracker{}
	}
	t.Schema = trackerSchema
	if t.Conditions == nil {
		t.Conditions = map[string]condition{}
	}
	if t.Samples == nil {
		t.Samples = map[string][]sample{}
	}
	if t.Helped == nil {
		t.Helped = map[string]help{}
	}
	return t, nil
}

// Save writes the file.
func (t *Tracker) Save(path string) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("remembering what was seen: %w", err)
	}
	return atomicfile.Write(path, data, 0o600)
}

// Look compares the host with what was seen before and returns what is to be
// told.
func (t *Tracker) Look(now time.Time, seen []Seen, rooms []Room, limits Limits) []Event {
	l := look{Tracker: t, now: now, still: map[string]bool{}}
	for _, s := range seen {
		if s.Rolling || !s.Wanted { // what a roll does, or the operator did, is told by it, or known
			l.keep(s.Instance)
			if !s.Wanted {
				delete(t.Samples, s.Instance)
			}
			continue
		}
		l.lasts(Down, s.Instance, s.Down, min(downAfter, limits.Unhealthy), "the node is down: "+s.Reason, "the node runs again")
		l.lasts(Unhealthy, s.Instance, s.Sick, limits.Unhealthy, "the node is unhealthy since "+limits.Unhealthy.String()+": "+s.Reason, "the node is well again")
		n := t.restarts(now, s)
		l.lasts(CrashLoop, s.Instance, n >= loopRestarts, 0, fmt.Sprintf("the node restarts over and over: %d times in %s: %s", n, loopWindow, s.Reason), "the node stays up again")
	}
	for _, r := range rooms {
		text := fmt.Sprintf("%s has only %s free", r.Dir, humanize.IBytes(uint64(max(r.Free, 0))))
		l.lasts(DiskLow, "", r.Free < r.Low, 0, text, r.Dir+" has room again", r.Dir)
	}
	for key := range t.Conditions { // of instances and disks that are gone
		if !l.still[key] {
			delete(t.Conditions, key)
		}
	}
	return l.events
}

// Overdue returns the instances to restart now, of those in the Look before,
// and takes them for restarted. One that stays unhealthy is restarted again
// after twice the time, and so on: most of what makes a node unhealthy is
// outside of it, and a restart costs peers, duties and time. may is asked of what
// would be returned: of what may not be restarted now it is asked again.
func (t *Tracker) Overdue(now time.Time, seen []Seen, limits Limits, may func(instance string) bool) []string {
	var names []string
	for _, s := range seen {
		c, lasts := t.Conditions[key(Unhealthy, s.Instance)]
		if !lasts {
			delete(t.Helped, s.Instance)
			continue
		}
		if limits.Restart <= 0 || !s.Stuck || s.Rolling || !s.Wanted {
			continue
		}
		h := t.Helped[s.Instance]
		from, pause := c.Since, limits.Restart
		if h.Times > 0 {
			from, pause = h.At, min(limits.Restart<<min(h.Times, 10), max(maxPause, limits.Restart))
		}
		if now.Sub(from) < pause || !may(s.Instance) {
			continue
		}
		t.Helped[s.Instance] = help{now, h.Times + 1}
		names = append(names, s.Instance)
	}
	return names
}

// restarts counts those within the window.
func (t *Tracker) restarts(now time.Time, s Seen) uint32 {
	kept := t.Samples[s.Instance][:0]
	for _, p := range t.Samples[s.Instance] {
		if now.Sub(p.At) <= loopWindow && p.Restarts <= s.Restarts { // it was started by hand since
			kept = append(kept, p)
		}
	}
	t.Samples[s.Instance] = append(kept, sample{now, s.Restarts})
	return s.Restarts - t.Samples[s.Instance][0].Restarts
}

// look is one comparison under way.
type look struct {
	*Tracker
	now    time.Time
	still  map[string]bool
	events []Event
}

func key(kind Kind, instance string, what ...string) string {
	k := string(kind) + " " + instance
	for _, w := range what {
		k += " " + w
	}
	return k
}

// keep leaves what is known of an instance as it is.
func (l *look) keep(instance string) {
	for _, kind := range []Kind{Down, Unhealthy, CrashLoop} {
		l.still[key(kind, instance)] = true
	}
}

// lasts follows one condition.
func (l *look) lasts(kind Kind, instance string, is bool, patience time.Duration, begun, over string, what ...string) {
	k := key(kind, instance, what...)
	c, was := l.Conditions[k]
	tell := func(kind Kind, text string) {
		l.events = append(l.events, Event{Kind: kind, Instance: instance, Text: text, Time: l.now, Key: fmt.Sprintf("%s %s %d", kind, k, c.Since.UnixNano())})
	}
	if !is {
		if was && c.Told {
			tell(Recovered, over)
		}
		return
	}
	if !was {
		c = condition{Since: l.now}
	}
	if !c.Told && l.now.Sub(c.Since) >= patience {
		c.Told = true
		tell(kind, begun)
	}
	l.Conditions[k], l.still[k] = c, true
}
