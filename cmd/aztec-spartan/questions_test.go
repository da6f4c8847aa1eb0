package main

import (
	"errors"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// What config refuses is refused where it is typed, not after the last question.
func TestAnswersAreJudgedAtOnce(t *testing.T) {
	catalog := profiles.BuiltIn()
	inst := profiles.Instance{Name: "val1", Role: "sequencer", Network: "mainnet", Ports: profiles.Ports{RPC: 8080, Admin: 8880, P2P: 40400}}
	q := &questions{inst: &inst, flags: &configFlags{changed: func(string) bool { return false }}, catalog: catalog, proposed: map[*string]string{}}
	var err1, err2 error
	q.network, err1 = catalog.Network(inst.Network)
	q.role, err2 = catalog.Role(inst.Role)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	q.askAddress(func() (string, error) { return "", errors.New("no internet") })
	q.askPorts(false)
	q.askDataDir()
	answers := [][2]string{{"10.0.0.1", "203.0.113.7"}, {"8880", "8081"}, {"8080", "8881"}, {"8080", "40401"}, {"/etc", "/srv/val1"}}
	if len(q.fields) != len(answers) {
		t.Fatalf("%d questions", len(q.fields))
	}
	for i, answer := range answers {
		check := q.fields[i].(*typedField).check
		if check(answer[0]) == nil || check(answer[1]) != nil {
			t.Errorf("question %d: %s: %v; %s: %v", i, answer[0], check(answer[0]), answer[1], check(answer[1]))
		}
	}
}
