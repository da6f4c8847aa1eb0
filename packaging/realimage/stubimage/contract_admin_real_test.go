//go:build real

package stubimage

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// votes changes the governance payload of a node that runs, and says what it
// answered and votes for after each change. Of the rest of its configuration
// the stub has next to nothing.
func votes(t *testing.T, p *process, key string) (seen []string) {
	t.Helper()
	for _, call := range []string{
		`"nodeAdmin_getConfig"`,
		`"nodeAdmin_setConfig","params":[{"governanceProposerPayload":"0xabcdef0123456789abcdef0123456789abcdef01"}]`,
		`"nodeAdmin_setConfig","params":[{"governanceProposerPayload":"ABCDEF0123456789ABCDEF0123456789ABCDEF02"}]`,
		`"nodeAdmin_setConfig","params":[{}]`,
		`"nodeAdmin_setConfig","params":[{"governanceProposerPayload":null}]`,
		`"nodeAdmin_setConfig","params":[{"governanceProposerPayload":"0x12"}]`,
		`"nodeAdmin_setConfig","params":[]`,
		`"nodeAdmin_setConfig","params":[{"nope":1}]`,
		`"nodeAdmin_setConfig","params":[{},{}]`,
		`"aztecAdmin_setConfig","params":[{}]`,
		`"nodeAdmin_setConfig","params":[{"governanceProposerPayload":"0x0000000000000000000000000000000000000000"}]`,
	} {
		var config struct {
			Result map[string]any `json:"result"`
		}
		answer := admin(t, p.admin, key, call)
		if strings.Contains(call, "getConfig") {
			answer = ""
		}
		_, now, _ := strings.Cut(admin(t, p.admin, key, `"nodeAdmin_getConfig"`), " ")
		if err := json.Unmarshal([]byte(now), &config); err != nil || config.Result == nil {
			t.Fatalf("no configuration: %v", err)
		}
		seen = append(seen, fmt.Sprintf("%s: %s, then %v", call, answer, config.Result["governanceProposerPayload"]))
	}
	return append(seen, admin(t, p.admin, "", `"nodeAdmin_setConfig","params":[{}]`))
}

// admin calls a method of the admin API and returns the whole answer.
func admin(t *testing.T, port int, key, call string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/", port), strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":`+call+`}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Api-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}
