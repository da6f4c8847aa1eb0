package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Entry is one entry of the journal.
type Entry struct {
	Time       time.Time
	Unit       string // the unit that it is of, or about
	Identifier string // SYSLOG_IDENTIFIER: who wrote it
	PID        int
	Priority   int    // 0 (emergency) to 7 (debug), as the journal has it
	Level      Level  // from the line itself where it has one
	Message    string // valid UTF-8, otherwise as it was written
	Cursor     string // place in the journal, for Query.Cursor
	Invocation string // of the unit: 32 hex digits
}

// Instance is the instance in the name of the unit: val1 of
// aztec-sequencer@val1.service. A unit without one is itself.
func (e Entry) Instance() string {
	name := e.Unit
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name = name[:i]
	}
	if _, instance, ok := strings.Cut(name, "@"); ok && instance != "" {
		return instance
	}
	return name
}

// fromManager reports whether systemd wrote it about the unit.
func (e Entry) fromManager() bool { return e.Identifier == "systemd" && e.PID == 1 }

// record is an entry in journalctl's JSON.
type record struct {
	Cursor      text `json:"__CURSOR"`
	Realtime    text `json:"__REALTIME_TIMESTAMP"` // microseconds since the epoch
	Message     text `json:"MESSAGE"`
	Priority    text `json:"PRIORITY"`
	Identifier  text `json:"SYSLOG_IDENTIFIER"`
	PID         text `json:"_PID"`
	UID         text `json:"_UID"`
	Unit        text `json:"_SYSTEMD_UNIT"`
	About       text `json:"UNIT"`
	Object      text `json:"OBJECT_SYSTEMD_UNIT"`
	Coredump    text `json:"COREDUMP_UNIT"`
	Invocation  text `json:"_SYSTEMD_INVOCATION_ID"`
	Invocation1 text `json:"INVOCATION_ID"` // of the unit that PID 1 writes about
}

// text is the value of a field. In JSON it is a string; an array of numbers
// where it is not text in UTF-8, or has control characters; null where it is
// too long; and an array of those where the entry has the field several times.
// The first one counts.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' && !numbers(b) {
		var several []json.RawMessage
		if err := json.Unmarshal(b, &several); err != nil {
			return err
		}
		if len(several) == 0 {
			return nil
		}
		b = several[0]
	}
	switch {
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	case len(b) > 0 && b[0] == '[':
		var numbers []uint8OrMore
		if err := json.Unmarshal(b, &numbers); err != nil {
			return err
		}
		raw := make([]byte, len(numbers))
		for i, n := range numbers {
			raw[i] = byte(n)
		}
		*t = text(raw)
		return nil
	case string(b) == "null":
		*t = ""
		return nil
	}
	return fmt.Errorf("a field is neither text nor bytes: %.20q", b)
}

// numbers reports whether an array is one of bytes.
func numbers(b []byte) bool {
	b = bytes.TrimLeft(b[1:], " ")
	return len(b) > 0 && (b[0] >= '0' && b[0] <= '9' || b[0] == ']')
}

// uint8OrMore is a byte in an array; encoding/json reads []uint8 as base64.
type uint8OrMore uint16

// parse reads one line of journalctl's JSON.
func parse(line []byte) (Entry, error) {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return Entry{}, fmt.Errorf("reading an entry: %w", err)
	}
	usec, err := strconv.ParseInt(string(r.Realtime), 10, 64)
	if err != nil {
		return Entry{}, fmt.Errorf("reading an entry: __REALTIME_TIMESTAMP: %w", err)
	}
	e := Entry{
		Time: time.UnixMicro(usec), Unit: r.unit(), Identifier: valid(r.Identifier), PID: number(r.PID, 0),
		Priority: number(r.Priority, 6), Message: valid(r.Message), Cursor: valid(r.Cursor), Invocation: valid(r.Invocation),
	}
	if r.PID == "1" && r.Invocation1 != "" {
		e.Invocation = valid(r.Invocation1)
	}
	return e, nil
}

// unit is the unit that the entry is about. Any process can claim to write
// about another unit, so it counts only where journalctl -u believes it too:
// from PID 1, and from root for the rest.
func (r record) unit() string {
	switch {
	case r.PID == "1" && r.About != "":
		return valid(r.About)
	case r.UID == "0" && r.Object != "":
		return valid(r.Object)
	case r.UID == "0" && r.Coredump != "":
		return valid(r.Coredump)
	}
	return valid(r.Unit)
}

func valid(t text) string { return strings.ToValidUTF8(string(t), "\uFFFD") }

func number(t text, otherwise int) int {
	n, err := strconv.ParseUint(string(t), 10, 31)
	if err != nil {
		return otherwise
	}
	return int(n)
}
