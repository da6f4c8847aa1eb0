package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRounds lets shell commands stand for tools: what is measured is known.
func TestRounds(t *testing.T) {
	ready := func(context.Context) error { return nil }
	reg, err := start(t.Context(), "the registry", shell(context.Background(), "exec sleep 1000"), ready)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reg.stop)
	const megabyte = `mkdir "$STORE/$TAG"; head -c 1000000 /dev/urandom >"$STORE/$TAG/f"`
	b := &bench{
		options: options{rounds: 2, out: t.TempDir()},
		reg:     &images{daemon: reg, steps: []step{{name: stepPull, tag: "1", bytes: 500_000}, {name: stepUpdate, tag: "2"}, {name: stepRebuiltLayer, tag: "3"}}},
		tools: []tool{
			{key: ourKey, pull: megabyte, shares: true, goal: true},
			{key: "burns", pull: megabyte + `; for ((i = 0; i < 100000; i++)); do :; done`, goal: true},
			{key: "daemon", daemon: `exec sleep 1000`, ready: "true", pull: megabyte, shares: true, driver: "echo of a kind"},
			{key: "broken", pull: "echo no luck >&2; exit 3", goal: true},
			{key: "lies", pull: "true", goal: true},
		},
		result: &result{Rounds: 2, Places: []*place{{Path: "/x", Memory: true, dir: t.TempDir()}}},
	}
	for _, tool := range b.tools {
		b.result.Tools = append(b.result.Tools, &entrant{Key: tool.key, Shares: tool.shares, Drivers: map[string]string{}})
	}
	if err := b.rounds(t.Context()); err != nil {
		t.Fatal(err)
	}
	type row struct {
		Round      int
		Tool, Step string
	}
	var got []row
	for _, s := range b.result.Samples {
		got = append(got, row{s.Round, s.Tool, s.Step})
		if s.Added < 1_000_000 || s.Added > 1_100_000 || s.Seconds <= 0 || s.Peak <= 0 {
			t.Errorf("%+v", s)
		}
		if s.Tool == "burns" && (s.User < 0.02 || s.User > s.Seconds+0.1) {
			t.Errorf("%+v, want the CPU time of a loop", s)
		}
	}
	// The second round begins with the second tool, without the rebuilt image and
	// without those that have no goal.
	want := []row{
		{0, ourKey, stepPull},
		{0, ourKey, stepUpdate},
		{0, ourKey, stepRebuiltLayer},
		{0, "burns", stepPull},
		{0, "daemon", stepPull},
		{0, "daemon", stepUpdate},
		{1, "burns", stepPull},
		{1, ourKey, stepPull},
		{1, ourKey, stepUpdate},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	if len(b.result.Idle) != 1 || b.result.Idle[0].Empty <= 0 || b.result.Idle[0].After <= 0 || b.result.Tools[2].Drivers["/x"] != "of a kind" {
		t.Errorf("the daemon: %+v, %+v", b.result.Idle, b.result.Tools[2])
	}
	if f := b.result.Failures; len(f) != 2 || !strings.Contains(f[0].Error, "no luck") || !strings.Contains(f[1].Error, "only 0 MB") {
		t.Errorf("failures %+v, want one of each tool that does not work", f)
	}
	if left, err := os.ReadDir(b.result.Places[0].dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	b.tools[0].pull = "exit 3"
	if err := b.rounds(t.Context()); err == nil {
		t.Error("this program failed and the run went on")
	}
}
