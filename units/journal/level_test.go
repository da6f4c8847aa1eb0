package journal

import "testing"

func TestLevels(t *testing.T) {
	for name, want := range map[string]struct {
		level    Level
		priority int
	}{
		"fatal": {Fatal, 2}, "error": {Error, 3}, "warn": {Warn, 4}, "info": {Info, 6}, "verbose": {Verbose, 7}, "debug": {Debug, 7}, "TRACE": {Trace, 7},
		// As journalctl has them.
		"crit": {Fatal, 2}, "0": {Fatal, 2}, "err": {Error, 3}, "3": {Error, 3}, "WARNING": {Warn, 4}, "notice": {Info, 6}, "6": {Info, 6}, "7": {Debug, 7},
	} {
		got, err := ParseLevel(name)
		if err != nil || got != want.level || got.Priority() != want.priority {
			t.Errorf("%s: got %v, priority %d, %v", name, got, got.Priority(), err)
		}
	}
	for _, name := range []string{"", "silent", "8", "-1", "06", "Level(9)"} {
		if got, err := ParseLevel(name); err == nil {
			t.Errorf("%q: got %v", name, got)
		}
	}
	for priority, want := range []Level{Fatal, Fatal, Fatal, Error, Warn, Info, Info, Debug, Debug} {
		if got := levelOf(priority); got != want {
			t.Errorf("%d: got %v", priority, got)
		}
	}
	if got := Level(9).String() + Level(-1).String(); got != "Level(9)Level(-1)" {
		t.Errorf("got %s", got)
	}
}

func TestNodeLines(t *testing.T) {
	for _, c := range []struct {
		message string
		level   Level
		text    string
	}{
		{"[10:58:08.516] INFO: node Aztec Node version: 4.1.2", Info, "INFO: node Aztec Node version: 4.1.2"},
		{`[10:58:08.516] FATAL: cli x {"a":1}`, Fatal, `FATAL: cli x {"a":1}`},
		{"[10:58:08.516] \x1b[33mWARN\x1b[39m: \x1b[36mp2p\x1b[39m x", Warn, "WARN: p2p x"},
		{`{"level":30,"time":1795518048189,"pid":3099,"hostname":"vm","module":"telemetry:client","msg":"Using NoopTelemetryClient"}`, Info, "INFO: telemetry:client Using NoopTelemetryClient"},
		{`{"msg":"x","level":60,"b":{"c":[1]},"a":"\u001b"}`, Fatal, `FATAL: x {"a":"\u001b","b":{"c":[1]}}`},
		{`{"level":25,"module":7,"msg":"x"}`, Verbose, "VERBOSE: x"},
	} {
		got, ok := parseNode(c.message)
		if !ok || got.level != c.level || got.text != c.text {
			t.Errorf("%s: got %+v, %t", c.message, got, ok)
		}
	}
	for _, message := range []string{
		"", "[", "[10:58:08.516]", "[10:58:08] INFO: x", "[10:58:08.516] NOTICE: x", "[10:58:08.516] info: x", "x [10:58:08.516] INFO: x",
		"{", `{"level":30}`, `{"level":35,"msg":"x"}`, `{"level":"info","msg":"x"}`, `{"level":30,"msg":7}`, `{"msg":"\"level\":30"}`, `{"level":30,"msg":"x"`,
	} {
		if got, ok := parseNode(message); ok {
			t.Errorf("%q: got %+v", message, got)
		}
	}
}

func TestThrown(t *testing.T) {
	for message, want := range map[string]bool{
		"Error: listen EADDRINUSE: address already in use :::8080": true,
		"KeyStoreLoadError: Failed to load keystore from PATH":     true,
		"TypeError [ERR_INVALID_ARG_TYPE]: The argument":           true,
		"Uncaught Error: x":                true,
		"error: unknown option '--bogus'":  true,
		"    Error: x":                     false,
		"Errors: none":                     false,
		"an Error: x":                      false,
		"Node.js v24.21.0":                 false,
		"No module specified to start":     false,
		"aztec-spartan: pulling x: failed": false,
	} {
		if got := thrown.MatchString(message); got != want {
			t.Errorf("%q: got %t", message, got)
		}
	}
}

// A line of a stack begins nothing.
func TestBegins(t *testing.T) {
	for text, want := range map[string]bool{
		"[10:58:08.516] ERROR: node broken": true, "Error: broken": true, "    at run (file.js:1:2)": false, "}": false,
	} {
		if got := Begins(Entry{Priority: streamPriority, Message: text}); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
