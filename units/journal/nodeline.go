package journal

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// nodeLine is a line of the node's logger (@aztec/foundation/log, which is
// pino), in one of two forms:
//
//	[10:58:08.516] INFO: node Aztec Node version: 4.1.2 {"key":"value"}
//	{"level":30,"time":1795518048189,"pid":1,"hostname":"h","module":"node","msg":"Aztec Node version: 4.1.2"}
//
// The second one is for LOG_JSON=true.
type nodeLine struct {
	level Level
	text  string // without the time: INFO: node Aztec Node version: 4.1.2 {"key":"value"}
}

var (
	textForm = regexp.MustCompile(`^\[\d\d:\d\d:\d\d\.\d{3}\] ((FATAL|ERROR|WARN|INFO|VERBOSE|DEBUG|TRACE): )`)
	// thrown is how Node.js begins what it says of an exception that nobody
	// caught, and commander what it says of a wrong command line.
	thrown = regexp.MustCompile(`^(?:Uncaught )?(?:[A-Za-z]*(?:Error|Exception)(?: \[[A-Z_]+\])?|error): `)
)

// parseNode reads a line of the node, if it is one.
func parseNode(message string) (nodeLine, bool) {
	if strings.HasPrefix(message, "{") {
		return parseNodeJSON(message)
	}
	if !strings.HasPrefix(message, "[") {
		return nodeLine{}, false
	}
	// Colours, where the node was told to use them, are around the level.
	message = withoutColours(message)
	found := textForm.FindStringSubmatchIndex(message)
	if found == nil {
		return nodeLine{}, false
	}
	level, err := ParseLevel(message[found[4]:found[5]])
	return nodeLine{level: level, text: message[found[2]:]}, err == nil
}

// pinoLevels are the numbers of the levels.
var pinoLevels = map[string]Level{"60": Fatal, "50": Error, "40": Warn, "30": Info, "25": Verbose, "20": Debug, "10": Trace}

func parseNodeJSON(message string) (nodeLine, bool) {
	var all map[string]json.RawMessage
	if !strings.Contains(message, `"level":`) || json.Unmarshal([]byte(message), &all) != nil {
		return nodeLine{}, false
	}
	level, ok := pinoLevels[string(all["level"])]
	if !ok {
		return nodeLine{}, false
	}
	var module, msg string
	if json.Unmarshal(all["msg"], &msg) != nil {
		return nodeLine{}, false
	}
	_ = json.Unmarshal(all["module"], &module) // may be absent
	line := strings.ToUpper(level.String()) + ": "
	if module != "" {
		line += module + " "
	}
	line += msg
	for _, known := range []string{"level", "time", "pid", "hostname", "module", "msg"} {
		delete(all, known)
	}
	return nodeLine{level: level, text: line + rest(all)}, true
}

// rest is the data of a line, as the text form shows it.
func rest(data map[string]json.RawMessage) string {
	if len(data) == 0 {
		return ""
	}
	keys := make([]string, 0, len(data))
	for k := range data {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b bytes.Buffer
	for i, k := range keys {
		b.WriteString([]string{" {", ","}[min(i, 1)])
		name, err := json.Marshal(k)
		if err != nil {
			continue // a string always encodes
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(data[k])
	}
	b.WriteByte('}')
	return b.String()
}

// Begins reports whether an entry says something by itself, and does not go on
// with the line before it, as those of a stack do.
func Begins(e Entry) bool {
	_, ok := own(e)
	return ok
}

// own is the level that an entry has by itself. Without one it goes with the
// line before it.
func own(e Entry) (Level, bool) {
	if e.fromManager() || e.Priority != streamPriority {
		return levelOf(e.Priority), true
	}
	if n, ok := parseNode(e.Message); ok {
		return n.level, true
	}
	if thrown.MatchString(e.Message) {
		return Error, true
	}
	return 0, false
}

// streamPriority is what a line of standard output gets where it asks for no
// other (SyslogLevel= in systemd.exec(5)).
const streamPriority = 6

// source is where lines follow each other.
type source struct {
	invocation string
	pid        int
}

// levels gives entries their level, in the order of the journal.
type levels struct {
	last map[string]head // by unit
}

type head struct {
	source
	level Level
}

func (l *levels) of(e Entry) Level {
	level, ok := own(e)
	from := source{e.Invocation, e.PID}
	switch {
	case ok && e.fromManager():
		return level
	case ok:
		if l.last == nil {
			l.last = map[string]head{}
		}
		l.last[e.Unit] = head{from, level}
		return level
	}
	if h := l.last[e.Unit]; h.source == from && h.level != 0 {
		return h.level
	}
	return levelOf(e.Priority)
}
