package journal

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	const at = `"__REALTIME_TIMESTAMP":"1795520133471116",`
	for _, c := range []struct {
		name, line string
		want       Entry // the time apart
	}{
		{"text", `{` + at + `"MESSAGE":"hi","_PID":"12","PRIORITY":"4"}`, Entry{Message: "hi", PID: 12, Priority: 4}},
		{"bytes", `{` + at + `"MESSAGE":[104,105,32,27,91,51,49,109,114,101,100,27,91,48,109]}`, Entry{Message: "hi \x1b[31mred\x1b[0m", Priority: 6}},
		{"not UTF-8", `{` + at + `"MESSAGE":[98,32,255,1]}`, Entry{Message: "b \uFFFD\x01", Priority: 6}},
		{"no bytes", `{` + at + `"MESSAGE":[]}`, Entry{Priority: 6}},
		{"null", `{` + at + `"MESSAGE":null}`, Entry{Priority: 6}},
		{"several", `{` + at + `"MESSAGE":["one","two"],"_PID":["3","4"]}`, Entry{Message: "one", PID: 3, Priority: 6}},
		{"several, bytes", `{` + at + `"MESSAGE":[[104,105],"two"]}`, Entry{Message: "hi", Priority: 6}},
		{"several, null", `{` + at + `"MESSAGE":[null,"two"]}`, Entry{Priority: 6}},
		{"numbers that are none", `{` + at + `"_PID":"-1","PRIORITY":"x"}`, Entry{Priority: 6}},
		{"a huge number", `{` + at + `"_PID":"99999999999999999999"}`, Entry{Priority: 6}},
		{"half a surrogate", `{` + at + `"MESSAGE":"a\ud800b"}`, Entry{Message: "a\uFFFDb", Priority: 6}},
		{"PID 1 about a unit", `{` + at + `"_PID":"1","_UID":"0","UNIT":"a.service","_SYSTEMD_UNIT":"init.scope","INVOCATION_ID":"ff","_SYSTEMD_INVOCATION_ID":"00"}`, Entry{Unit: "a.service", PID: 1, Priority: 6, Invocation: "ff"}},
		{"a liar about a unit", `{` + at + `"_PID":"7","_UID":"990","UNIT":"a.service","OBJECT_SYSTEMD_UNIT":"a.service","COREDUMP_UNIT":"a.service","_SYSTEMD_UNIT":"b.service","INVOCATION_ID":"ff"}`, Entry{Unit: "b.service", PID: 7, Priority: 6}},
		{"root about an object", `{` + at + `"_PID":"7","_UID":"0","OBJECT_SYSTEMD_UNIT":"a.service","_SYSTEMD_UNIT":"b.service"}`, Entry{Unit: "a.service", PID: 7, Priority: 6}},
		{"a core dump", `{` + at + `"_PID":"7","_UID":"0","COREDUMP_UNIT":"a.service","_SYSTEMD_UNIT":"systemd-coredump@1.service"}`, Entry{Unit: "a.service", PID: 7, Priority: 6}},
	} {
		got, err := parse([]byte(c.line))
		if got.Time.UnixMicro() != 1795520133471116 {
			t.Errorf("%s: at %s", c.name, got.Time)
		}
		c.want.Time = got.Time
		if err != nil || got != c.want {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", c.name, got, err, c.want)
		}
	}
	for _, line := range []string{
		``, `[]`, `null`, `{}`, `{"__REALTIME_TIMESTAMP":"now"}`, `{"__REALTIME_TIMESTAMP":5}`, `{` + at + `"MESSAGE":{}}`, `{` + at + `"MESSAGE":7}`,
		`{` + at + `"MESSAGE":[1.5]}`, `{` + at + `"MESSAGE":[-1]}`, `{` + at + `"MESSAGE":[[["deep"]]]}`, `{` + at + `"MESSAGE":"a"`,
	} {
		if e, err := parse([]byte(line)); err == nil {
			t.Errorf("%s: got %+v", line, e)
		}
	}
}

func TestInstance(t *testing.T) {
	for unit, want := range map[string]string{
		node: "val1", "aztec-roll@val1.service": "val1", "aztec.target": "aztec", "aztec-x@.service": "aztec-x@", "": "", "a@b@c.d.service": "b@c.d",
	} {
		if got := (Entry{Unit: unit}).Instance(); got != want {
			t.Errorf("%s: got %s", unit, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range strings.SplitAfter(story(), "\n") {
		f.Add([]byte(line))
	}
	f.Add([]byte(`{"__REALTIME_TIMESTAMP":"1","MESSAGE":[27,91,51,49,109]}`))
	f.Add([]byte(`{"__REALTIME_TIMESTAMP":"-1","MESSAGE":[[1],null]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := parse(line)
		if err != nil {
			return
		}
		for _, s := range []string{e.Unit, e.Identifier, e.Message, e.Cursor, e.Invocation} {
			if !utf8.ValidString(s) {
				t.Errorf("%q is not UTF-8", s)
			}
		}
		if e.PID < 0 || e.Priority < 0 {
			t.Errorf("got %+v", e)
		}
		var l levels
		e.Level = l.of(e)
		if e.Level < Fatal || e.Level > Trace {
			t.Errorf("level %d", e.Level)
		}
		for _, format := range []string{"short", "cat", "json"} {
			checkWritten(t, format, e)
		}
	})
}
