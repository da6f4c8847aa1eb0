package probe

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const (
	aRollup  = "0x322813fd9a801c5507c9de605d63cea4f2ce6c44"
	mine     = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
	somebody = "0x00000000000000000000000000000000000000aa"
)

// fakeL1 has a proposer for each of the slots that run now and next.
type fakeL1 struct {
	proposers  []string
	standing   map[string]int // by address, in lower case
	checkpoint int
	word       string // every call is answered with it, if it is set
}

func (f *fakeL1) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	now := uint64(time.Now().Unix())
	var call struct {
		Method string
		Params []json.RawMessage
	}
	_ = json.Unmarshal(body, &call)
	var to struct{ To, Data string }
	if call.Method == "eth_call" {
		_ = json.Unmarshal(call.Params[0], &to)
	}
	word := f.word
	switch {
	case call.Method == "eth_getBlockByNumber":
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":{"timestamp":"0x%x"}}`, now-12)
		return
	case word != "":
	case to.To != aRollup:
		word = "0x"
	case to.Data == getSlotDuration:
		word = fmt.Sprintf("0x%064x", 72)
	case to.Data == getPendingCheckpoint:
		word = fmt.Sprintf("0x%064x", f.checkpoint)
	case strings.HasPrefix(to.Data, getStatus):
		word = fmt.Sprintf("0x%064x", f.standing["0x"+to.Data[len(to.Data)-40:]])
	case strings.HasPrefix(to.Data, getProposerAt):
		var at uint64
		fmt.Sscanf(to.Data[len(getProposerAt):], "%x", &at)
		slot := min(int(at-now+5)/72, len(f.proposers)-1)
		word = "0x" + strings.Repeat("0", 24) + strings.ToLower(f.proposers[slot][2:])
	}
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":%q}`, word)
}

func TestProposals(t *testing.T) {
	none := "0x" + strings.Repeat("0", 40)
	for name, c := range map[string]struct {
		l1     fakeL1
		rollup string
		ours   []string
		want   int
		fails  string
	}{
		"the slot that runs":  {fakeL1{proposers: []string{mine, none, none}}, aRollup, []string{mine}, 0, ""},
		"the next":            {fakeL1{proposers: []string{none, mine, none}}, aRollup, []string{somebody, strings.ToLower(mine)}, 1, ""},
		"the one after":       {fakeL1{proposers: []string{none, none, mine}}, aRollup, []string{mine}, 2, ""},
		"others":              {fakeL1{proposers: []string{somebody}}, aRollup, []string{mine}, -1, ""},
		"no committee":        {fakeL1{proposers: []string{none}}, aRollup, []string{mine}, -1, ""},
		"no keys":             {fakeL1{proposers: []string{mine}}, aRollup, nil, -1, ""},
		"no rollup is known":  {fakeL1{proposers: []string{mine}}, "", []string{mine}, -1, ""},
		"another contract":    {fakeL1{proposers: []string{mine}}, somebody, []string{mine}, -1, "something else than a word"},
		"slots of no length":  {fakeL1{word: fmt.Sprintf("0x%064x", 0)}, aRollup, []string{mine}, -1, "a slot has 0 s"},
		"numbers that are no": {fakeL1{word: "0x" + strings.Repeat("f", 64)}, aRollup, []string{mine}, -1, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(&c.l1)
			defer s.Close()
			got, err := Proposals(t.Context(), Client(), []string{"http://127.0.0.1:1/secret", s.URL + "/v2/key?a=b"}, c.rollup, c.ours)
			if got != c.want || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%d, %v, want %d, %q", got, err, c.want, c.fails)
			}
		})
	}
	if slot, err := Proposals(t.Context(), Client(), []string{"http://127.0.0.1:1/secret"}, aRollup, []string{mine}); slot != -1 || err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%d, %v", slot, err)
	}
}
