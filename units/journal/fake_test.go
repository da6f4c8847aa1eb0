package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake is a journalctl that prints what the test wants. It knows --reverse,
// --after-cursor (then it prints the file "new") and --follow (then it stays).
type fake struct {
	dir string
}

const script = `#!/bin/sh
cd "${0%/*}" || exit 9
printf '%s\n' "$@" -- >>args
echo $$ >pid
from=out; order=cat; stay=
for a; do
	case $a in
	--reverse) order=tac ;;
	--after-cursor=*) from=new ;;
	--follow) stay=yes ;;
	esac
done
if [ "$stay" ]; then sleep 1000 & echo $! >child; fi
if [ -e stderr ]; then cat stderr >&2; fi
if [ -e $from ]; then $order $from; fi
if [ -e code ]; then exit "$(cat code)"; fi
if [ "$stay" ]; then wait; fi
`

// journalctl makes a fake with the files that it is given.
func journalctl(t *testing.T, files map[string]string) fake {
	t.Helper()
	f := fake{t.TempDir()}
	for name, text := range files {
		f.write(t, name, text, 0o600)
	}
	f.write(t, "journalctl", script, 0o700)
	return f
}

func (f fake) write(t *testing.T, name, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func (f fake) query(q Query) Query {
	q.Command = filepath.Join(f.dir, "journalctl")
	if q.Units == nil {
		q.Units = []string{node}
	}
	return q
}

// runs returns the arguments of each run, those that always are apart.
func (f fake) runs(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "args"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	const end = "\n--\n" // what follows the last one is being written
	last := strings.LastIndex(string(text), end)
	if last < 0 {
		return nil
	}
	const always = "--output=json\n--all\n--no-pager\n--output-fields=" + fields + "\n"
	var all []string
	for _, run := range strings.Split(string(text[:last]), end) {
		rest, ok := strings.CutPrefix(run, always)
		if !ok {
			t.Errorf("arguments %q", run)
		}
		all = append(all, strings.ReplaceAll(rest, "\n", " "))
	}
	return all
}

const node = "aztec-sequencer@val1.service"

// entryOf is one line of journalctl's JSON.
func entryOf(cursor int, unit, message string, more ...string) string {
	m := map[string]any{
		"__CURSOR": fmt.Sprintf("c%d", cursor), "__REALTIME_TIMESTAMP": fmt.Sprint(1_795_520_133_000_000 + cursor*1000),
		"MESSAGE": message, "PRIORITY": "6", "SYSLOG_IDENTIFIER": strings.TrimSuffix(unit, ".service"),
		"_PID": "4711", "_UID": "990", "_SYSTEMD_UNIT": unit, "_SYSTEMD_INVOCATION_ID": "0123456789abcdef0123456789abcdef",
	}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b) + "\n"
}

// byManager is one line of systemd about a unit.
func byManager(cursor int, unit, message string, more ...string) string {
	return entryOf(cursor, "init.scope", message, append([]string{
		"SYSLOG_IDENTIFIER", "systemd", "_PID", "1", "_UID", "0", "UNIT", unit,
		"INVOCATION_ID", "0123456789abcdef0123456789abcdef", "_SYSTEMD_INVOCATION_ID", "",
	}, more...)...)
}

// story is a node's life with everything in it that is awkward.
func story() string {
	return strings.Join([]string{
		byManager(1, node, "Starting "+node+"..."),
		entryOf(2, node, "[10:58:08.516] INFO: node Aztec Node version: 4.1.2"),
		entryOf(3, node, `[10:58:09.001] VERBOSE: p2p Dialing {"peer":"a"}`),
		entryOf(4, node, "[10:58:09.002] DEBUG: p2p details"),
		entryOf(5, node, "  more details"),
		entryOf(6, node, "[10:58:10.000] WARN: node:blob-client Failed to fetch"),
		entryOf(7, node, "    and why"),
		byManager(8, node, "about to be reloaded"),
		entryOf(9, node, "    and where"),
		entryOf(10, "aztec-roll@val1.service", "rolling 4.1.2 -> 4.1.3", "SYSLOG_IDENTIFIER", "aztec-spartan", "_PID", "99"),
		entryOf(11, node, `{"level":50,"time":1795518048189,"pid":3,"hostname":"vm","module":"cli","code":7,"msg":"bad"}`),
		entryOf(12, node, "    at main"),
		entryOf(13, node, "[10:58:11.000] INFO: node again"),
		entryOf(14, node, "Error: listen EADDRINUSE: address already in use :::8080"),
		entryOf(15, node, "    at Server.setupListenHandle"),
		byManager(16, node, node+": Main process exited, code=exited, status=1/FAILURE", "PRIORITY", "5"),
		byManager(17, node, node+": Failed with result 'exit-code'.", "PRIORITY", "4"),
		entryOf(18, node, "    of the next process", "_PID", "4712"),
	}, "")
}
