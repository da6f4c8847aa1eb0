package journal

import (
	"fmt"
	"strconv"
	"strings"
)

// Level is the weight of a log line, as the node's logger knows it
// (@aztec/foundation/log). A greater one is more talkative; the zero value is
// no level.
type Level int

// The levels of the node, from the gravest.
const (
	Fatal Level = iota + 1
	Error
	Warn
	Info
	Verbose
	Debug
	Trace
)

var levelNames = [...]string{"", "fatal", "error", "warn", "info", "verbose", "debug", "trace"}

// String is the name of a level, as ParseLevel takes it.
func (l Level) String() string {
	if l < 0 || int(l) >= len(levelNames) {
		return fmt.Sprintf("Level(%d)", int(l))
	}
	return levelNames[l]
}

// priorities are the names of the journal's (journalctl(1), --priority).
var priorities = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// ParseLevel reads the name of a level, or the name or number of a priority of
// the journal, which stands for the levels that have it.
func ParseLevel(name string) (Level, error) {
	for l := Fatal; l <= Trace; l++ {
		if strings.EqualFold(name, l.String()) {
			return l, nil
		}
	}
	for n, p := range priorities {
		if strings.EqualFold(name, p) || name == strconv.Itoa(n) {
			return levelOf(n), nil
		}
	}
	return 0, fmt.Errorf("level %q: none of error, warn, info, verbose, debug, trace", name)
}

// Priority is the journal's priority for a level (syslog(3)): 2 to 7.
func (l Level) Priority() int {
	switch l {
	case Fatal:
		return 2
	case Error:
		return 3
	case Warn:
		return 4
	case Verbose, Debug, Trace:
		return 7
	}
	return 6
}

// levelOf is the level for a priority of the journal.
func levelOf(priority int) Level {
	switch {
	case priority <= 2:
		return Fatal
	case priority == 3:
		return Error
	case priority == 4:
		return Warn
	case priority <= 6: // notice is what systemd says of an exit
		return Info
	}
	return Debug
}
