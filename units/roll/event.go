package roll

import (
	"fmt"
	"maps"
	"strconv"
	"time"
)

// Event is a line that an engine says and that machines find: by the number
// of its kind, which the journal's catalog explains, and by its fields.
type Event struct {
	ID     string // MESSAGE_ID: 128 bits in hex
	Line   string // for people
	Bad    bool   // worth a warning
	Fields map[string]string
}

// Numbers of events. packaging/catalog has a text for each.
const (
	EventBegun      = "243e110eb4b3e943759b0a5f9d5af159"
	EventPhase      = "0d414f02aece65c10ca0ab0781779e11" // a phase of the gate is passed, or need not be
	EventPhaseFell  = "99e8a621c1977a7e7ac2d7b8fd5426fd"
	EventDone       = "61c39c1a879f4a02b9f1b875ff1d533f"
	EventRolledBack = "577aa9ced6df106dc683cf4147ec0393"
	EventFailed     = "6fbdb754c75917b07db3bddd5efc8344"
	EventCancelled  = "83ae6022f0ea58695114922bbb04e5b8"
	EventRecovered  = "d880d02ce5f7ef16873bbaf52b2b0ef1" // at boot: the files are those of the old version again
)

// eventOf is the number of an outcome.
var eventOf = map[string]string{
	Done: EventDone, Waiting: EventDone, RolledBack: EventRolledBack, Failed: EventFailed, Cancelled: EventCancelled, Busy: EventCancelled,
}

// note tells an event; its line is evidence.
func (r *run) note(e Event) {
	fields := map[string]string{
		"AZTEC_INSTANCE": r.instance, "AZTEC_UNIT": r.state.Unit, "AZTEC_KIND": r.out.Kind, "AZTEC_FROM": r.from.Version, "AZTEC_TO": r.to.Version,
	}
	maps.Copy(fields, e.Fields)
	e.Fields = fields
	r.evidence = append(r.evidence, e.Line)
	if r.Note == nil {
		r.Say(e.Line)
		return
	}
	r.Note(e)
}

func (r *run) begun() {
	r.note(Event{ID: EventBegun, Line: fmt.Sprintf("%s of %s: %s -> %s", r.out.Kind, r.instance, r.from.Version, r.to.Version)})
}

// phase records what became of a phase of the gate.
func (r *run) phase(name, result, evidence string) {
	took := time.Since(r.started)
	// What does not end must not fill the state file: the last are kept.
	const most = 32
	if n := len(r.out.Phases); n >= most {
		r.out.Phases = r.out.Phases[n-most+1:]
	}
	version := r.from.Version
	if meta, err := r.Files.Active(r.state.Unit); err == nil {
		version = meta.Version
	}
	r.out.Phases = append(r.out.Phases, Phase{Version: version, Name: name, Result: result, Evidence: evidence, Seconds: took.Seconds()})
	e := Event{ID: EventPhase, Line: evidence, Fields: map[string]string{
		"AZTEC_PHASE": name, "AZTEC_RESULT": result, "AZTEC_VERSION": version, "AZTEC_SECONDS": strconv.FormatFloat(took.Seconds(), 'f', 1, 64),
	}}
	if result == Fell {
		e.ID, e.Bad, e.Line = EventPhaseFell, true, fmt.Sprintf("gate, %s: %s", name, evidence)
	}
	r.note(e)
}

// ended is the event of the outcome.
func (r *run) ended() Event {
	o := r.out
	return Event{
		ID: eventOf[o.Result], Line: o.String(), Bad: o.Result == RolledBack || o.Result == Failed,
		Fields: map[string]string{"AZTEC_RESULT": o.Result, "AZTEC_REASON": o.Reason, "AZTEC_STEP": o.FailedStep},
	}
}
