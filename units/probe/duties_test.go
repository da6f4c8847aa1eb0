package probe

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAttesters(t *testing.T) {
	const mine, other, none = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC", "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
	stats := `{"stats":{
		"` + strings.ToLower(mine) + `":{"totalSlots":40,"lastAttestation":{"timestamp":"1795518048","slot":"900","date":"x"},"lastProposal":{"timestamp":1795518000,"slot":"898","date":"x"},
			"missedAttestations":{"currentStreak":2,"rate":0.05,"count":2,"total":38},"missedProposals":{"currentStreak":0,"count":1,"total":2},"history":[` + strings.Repeat(`{"slot":"900","status":"attestation-sent"},`, 50_000) + `{}]},
		"` + other + `":{"totalSlots":1,"missedAttestations":{"currentStreak":1,"count":1},"missedProposals":{"currentStreak":0,"count":0},"lastAttestation":{"timestamp":"99999999999999"}}},
		"lastProcessedSlot":"901","slotWindow":1152}`
	at := func(s int64) *time.Time { v := time.Unix(s, 0).UTC(); return &v }
	want := []Duties{
		{Attester: mine, Seen: true, Committee: true, Slots: 40, LastAttestation: at(1795518048), LastProposal: at(1795518000), MissedAttestations: 2, MissedInARow: 2, MissedProposals: 1},
		{Attester: none, Seen: true},
		{Attester: other, Seen: true, Committee: true, Slots: 1, MissedAttestations: 1, MissedInARow: 1},
	}
	for _, c := range []struct{ namespace, method string }{{"node", "node_getValidatorsStats"}, {"", "node_getValidatorsStats"}, {"aztec", "aztec_getValidatorsStats"}} {
		server := httptest.NewServer(fake{200, map[string]string{c.method: stats}, nil})
		got, err := Attesters(t.Context(), Client(), Target{Namespace: c.namespace, URL: server.URL}, []string{mine, none, other})
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v\n-want +got:\n%s", c.namespace, err, d)
		}
		server.Close()
	}
	for name, answer := range map[string]string{"no sentinel": `{"stats":{}}`, "another form": `[]`, "boom": `error {"code":-32000,"message":"boom"}`} {
		server := httptest.NewServer(fake{200, map[string]string{"node_getValidatorsStats": answer}, nil})
		got, err := Attesters(t.Context(), Client(), Target{URL: server.URL}, []string{mine})
		if (err == nil) != (name == "no sentinel") || err == nil && (len(got) != 1 || got[0].Committee) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		server.Close()
	}
}
