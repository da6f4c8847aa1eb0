package notify

import (
	"fmt"
	"time"
)

// Kind is what an event is about.
type Kind string

// The kinds.
const (
	RollDone        Kind = "roll-done"
	RolledBack      Kind = "rolled-back"
	RollFailed      Kind = "roll-failed"
	Waiting         Kind = "waiting" // an update is there, and not the time for it
	UpdateAvailable Kind = "update-available"
	TagMoved        Kind = "tag-moved"       // or is not offered any more
	SigningResumed  Kind = "signing-resumed" // by policy, after a way back
	Down            Kind = "down"
	Unhealthy       Kind = "unhealthy"
	CrashLoop       Kind = "crash-loop"
	DiskLow         Kind = "disk-low"
	AddressChanged  Kind = "address-changed"
	Restarted       Kind = "restarted"        // an unhealthy node, by the watchdog
	Recovered       Kind = "recovered"        // one of the four above is over
	BootRecovery    Kind = "recovery-at-boot" // a roll was found interrupted, and its files were put right
	Test            Kind = "test"
)

// Kinds are all that can be chosen in config.toml.
var Kinds = []Kind{RollDone, RolledBack, RollFailed, Waiting, UpdateAvailable, TagMoved, SigningResumed, Down, Unhealthy, CrashLoop, DiskLow, AddressChanged, Restarted, Recovered, BootRecovery}

// Event is what commands get on standard input, and webhooks of no known
// service as their body, in JSON.
type Event struct {
	Kind     Kind      `json:"kind"`
	Host     string    `json:"host"`
	Instance string    `json:"instance,omitempty"` // "": the host
	Text     string    `json:"text"`               // one line, printable, no secret in it
	Time     time.Time `json:"time"`
	Key      string    `json:"key"` // events of one key are told once a week at most
}

// Line is the event in words, for people who see nothing else of it.
func (e Event) Line() string { return e.title() + ": " + e.Text }

// title says what the event is, and of whom.
func (e Event) title() string {
	who := e.Host
	if e.Instance != "" {
		who += " " + e.Instance
	}
	return fmt.Sprintf("[%s] %s", who, e.Kind)
}
