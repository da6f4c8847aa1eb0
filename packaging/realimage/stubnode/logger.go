package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// levels and their numbers, as pino and @aztec/foundation/log know them. The
// last one silences everything.
var levels = map[string]int{
	"trace": 10, "debug": 20, "verbose": 25, "info": 30, "warn": 40, "error": 50, "fatal": 60, "silent": 99,
}

// logger writes lines in the two forms of the real node, both to stderr:
//
//	[10:58:08.516] INFO: node Aztec Node version: 4.1.2 {"key":"value"}
//	{"level":30,"time":1795518048189,"pid":1,"hostname":"h","module":"node","msg":"Aztec Node version: 4.1.2"}
//
// the first in local time, the second when LOG_JSON is 1 or true. Per-module
// filters of LOG_LEVEL ("info;debug:p2p") are accepted and not acted upon.
type logger struct {
	mu   sync.Mutex
	to   io.Writer
	json bool
	min  int
	host string
}

func newLogger(to io.Writer, level, asJSON string) (*logger, error) {
	level, _, _ = strings.Cut(level, ";")
	if level == "" {
		level = "info"
	}
	number, ok := levels[level]
	if !ok {
		return nil, fatal(fmt.Sprintf("Invalid log level: %s", level))
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return &logger{to: to, json: truthy(asJSON), min: number, host: host}, nil
}

// truthy is parseBooleanEnv of @aztec/foundation/config.
func truthy(v string) bool { return slices.Contains([]string{"1", "true", "TRUE"}, v) }

// field is one datum of a line; they keep their order.
type field struct {
	key   string
	value any
}

func (l *logger) log(level, module, msg string, data ...field) {
	if levels[level] < l.min {
		return
	}
	now := time.Now()
	var line string
	if l.json {
		all := []field{{"level", levels[level]}, {"time", now.UnixMilli()}, {"pid", os.Getpid()}, {"hostname", l.host}, {"module", module}}
		line = object(append(append(all, data...), field{"msg", msg}))
	} else {
		line = fmt.Sprintf("[%s] %s: %s %s", now.Format("15:04:05.000"), strings.ToUpper(level), module, msg)
		if len(data) > 0 {
			line += " " + object(data)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.to, line)
}

// object encodes fields as one JSON object in their order.
func object(fields []field) string {
	var b bytes.Buffer
	for i, f := range fields {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		b.WriteByte(sep)
		b.WriteString(quote(f.key))
		b.WriteByte(':')
		b.WriteString(quote(f.value))
	}
	b.WriteByte('}')
	return b.String()
}

func quote(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return `"` + err.Error() + `"`
	}
	return strings.TrimSuffix(b.String(), "\n")
}
