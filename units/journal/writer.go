package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Writer writes entries for people or programs.
type Writer struct {
	out     io.Writer
	format  func(Entry) ([]byte, error)
	colours bool
	zone    *time.Location
}

// NewWriter returns a writer of one of three formats: short (time, instance,
// message), cat (the message alone) and json (one object a line: time,
// instance, unit, level, priority, message, pid). Colours are for short only.
func NewWriter(out io.Writer, format string, colours bool) (*Writer, error) {
	w := &Writer{out: out, colours: colours, zone: time.Local}
	switch format {
	case "short":
		w.format = w.short
	case "cat":
		w.format = cat
	case "json":
		w.format = asJSON
	default:
		return nil, fmt.Errorf("output format %q: none of short, cat, json", format)
	}
	return w, nil
}

// Write writes one entry, as one call to the underlying writer.
func (w *Writer) Write(e Entry) error {
	b, err := w.format(e)
	if err != nil {
		return err
	}
	_, err = w.out.Write(b)
	return err
}

func cat(e Entry) ([]byte, error) { return []byte(harmless(e.Message) + "\n"), nil }

// stamp has no zone: it is that of the terminal.
const stamp = "2006-01-02 15:04:05.000"

func (w *Writer) short(e Entry) ([]byte, error) {
	message, node := e.Message, false
	var n nodeLine
	if !e.fromManager() {
		if n, node = parseNode(message); node {
			message = n.text // the journal's time is before it already
		}
	}
	// A node writes under the name of its unit: no need to say so.
	if !node && e.Identifier != strings.TrimSuffix(e.Unit, ".service") && e.Identifier != "" {
		message = e.Identifier + ": " + message
	}
	// A message of several lines cannot pass for several entries.
	message = strings.ReplaceAll(strings.TrimRight(harmless(message), "\n"), "\n", "\n    ")
	at, name := e.Time.In(w.zone).Format(stamp), harmless(e.Instance())
	if w.colours {
		at, name = paint("2", at), paint("36", name)
		message = paint(colourOf(e.Level), message)
	}
	return []byte(at + " " + name + " " + message + "\n"), nil
}

func paint(sgr, s string) string {
	if sgr == "" {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

func colourOf(l Level) string {
	switch l {
	case Fatal:
		return "1;31"
	case Error:
		return "31"
	case Warn:
		return "33"
	case Verbose, Debug, Trace:
		return "2"
	}
	return ""
}

type line struct {
	Time     string `json:"time"` // RFC 3339, UTC
	Instance string `json:"instance"`
	Unit     string `json:"unit"`
	Level    string `json:"level"`
	Priority int    `json:"priority"` // of the journal, for the level
	Message  string `json:"message"`
	PID      int    `json:"pid"`
}

func asJSON(e Entry) ([]byte, error) {
	level := e.Level
	if level == 0 {
		level = levelOf(e.Priority)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(line{e.Time.UTC().Format(time.RFC3339Nano), e.Instance(), e.Unit, level.String(), level.Priority(), e.Message, e.PID})
	if err != nil {
		return nil, fmt.Errorf("encoding an entry: %w", err)
	}
	return escaped(b.Bytes()), nil
}

// escaped spells out what encoding/json leaves as it is although a terminal
// acts upon it. Such characters are only ever inside of strings.
func escaped(encoded []byte) []byte {
	body, end := encoded[:len(encoded)-1], encoded[len(encoded)-1:]
	if bytes.IndexFunc(body, acts) < 0 {
		return encoded
	}
	var b bytes.Buffer
	for _, r := range string(body) {
		if acts(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	b.Write(end)
	return b.Bytes()
}
