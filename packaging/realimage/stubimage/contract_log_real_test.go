//go:build real

package stubimage

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

func blank(s string) string { return secret.ReplaceAllString(s, "KEY") }

// lines checks that every line that is not the continuation of another has a
// form, and that there are some.
func lines(t *testing.T, log string, form *regexp.Regexp) {
	t.Helper()
	found := 0
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		if form.MatchString(line) {
			found++
		} else if strings.HasPrefix(line, "[") || strings.HasPrefix(line, "{") {
			t.Errorf("a line of another form: %s", line)
		}
	}
	if found == 0 {
		t.Errorf("no line of the form %s in\n%s", form, log)
	}
}

// TestContractJSONLog also covers an admin key from outside and SIGINT.
func TestContractJSONLog(t *testing.T) {
	const hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" // of "secret"
	both(t, func(t *testing.T, w *world, s subject) any {
		p := start(t, w, s, map[string]string{"LOG_JSON": "true", "AZTEC_ADMIN_API_KEY_HASH": hash, "GOVERNANCE_PROPOSER_PAYLOAD_ADDRESS": "0x" + strings.Repeat("0A", 20)}, sequencer...)
		p.up(t)
		seen := map[string]any{}
		admin := ask(t, p.admin, http.MethodPost, "/", `{"jsonrpc":"2.0","id":1,"method":"nodeAdmin_getConfig"}`, http.Header{"X-Api-Key": {"secret"}})
		seen["with key"] = admin.([]any)[:2]
		seen["payload"] = votes(t, p, "secret")
		p.cmd.Process.Signal(syscall.SIGINT)
		seen["SIGINT"] = p.exit(t)
		seen["stdout"] = p.stdout.String()
		seen["data"] = written(t, p.data)
		levels := map[string]any{}
		for line := range strings.Lines(p.stderr.String()) {
			var m map[string]any
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Errorf("not JSON: %s", line)
				continue
			}
			for _, name := range []string{"level", "time", "pid"} {
				if _, ok := m[name].(float64); !ok {
					t.Errorf("%s is no number in %s", name, line)
				}
			}
			if m["msg"] == "Shutting down..." {
				levels["stop"] = []any{m["level"], m["module"], m["exitCode"]}
			}
		}
		seen["levels"] = levels
		return seen
	})
}

// TestContractEarlySignal: before the ports are open, SIGTERM ends it with 0.
func TestContractEarlySignal(t *testing.T) {
	both(t, func(t *testing.T, w *world, s subject) any {
		p := start(t, w, s, nil, sequencer...)
		// It is past its parsing, and its handlers are in place, once it writes.
		p.until(t, "writing", func() bool {
			_, err := os.Stat(filepath.Join(p.data, "archiver"))
			return err == nil
		})
		p.cmd.Process.Signal(syscall.SIGTERM)
		return p.exit(t)
	})
}
