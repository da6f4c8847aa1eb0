package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles/policy"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/notify"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// A webhook gets one message for each thing that happens, however often it is
// said, or seen to last. What only a boot can cause is tested on a booted host.
func TestOneMessageForEach(t *testing.T) {
	box := &inbox{}
	server := httptest.NewServer(box)
	defer server.Close()
	a := notifyTree(t, "[notify]\nurl = \""+server.URL+"\"\nformat = \"ntfy\"\n")
	put(t, a.path(stateDir+"/val1/state.json"), "{}")
	put(t, a.path(watchFile), "")
	ctx := t.Context()

	for result := range map[string]bool{roll.Done: true, roll.RolledBack: true, roll.Failed: true} {
		out := roll.Outcome{Kind: roll.Update, From: "4.1.2", To: "4.1.3", Result: result, Finished: time.Now()}
		a.tellRoll(ctx, "val1", out)
		a.tellRoll(ctx, "val1", out)
	}
	runs := units.Meta{Version: "4.1.2", Reference: "r.example/aztec:4.1.2"}
	waits := func(rule policy.Rule, text string, rejected ...policy.Rejection) {
		for range 2 {
			a.tellDecision(ctx, "val1", runs, goal{tag: "4.1.3", decision: policy.Decision{Tag: "4.1.3", Waits: []policy.Reason{{Rule: rule, Text: text}}, Rejected: rejected}})
			text += ", still" // it says how long
		}
	}
	waits(policy.Closed, "the window is closed")
	waits(policy.Notify, "its mode is notify",
		policy.Rejection{Tag: "4.1.4", Reason: policy.Reason{Rule: policy.Moved, Text: "the tag has moved"}},
		policy.Rejection{Tag: "4.1.2", Reason: policy.Reason{Rule: policy.Deleted, Text: "is not in the registry"}},
		policy.Rejection{Tag: "4.1.1", Reason: policy.Reason{Rule: policy.Deleted, Text: "is not in the registry"}}) // not the one that runs

	// One look a minute, each of which remembers what the one before saw.
	began := time.Now().UTC()
	limits := notify.Limits{Unhealthy: 10 * time.Minute, Restart: 20 * time.Minute}
	down := notify.Seen{Instance: "val1", Wanted: true, Down: true, Reason: "it exited"}
	sick := notify.Seen{Instance: "val2", Wanted: true, Sick: true, Stuck: true, Reason: "no peers"}
	loop := notify.Seen{Instance: "val3", Wanted: true, Reason: "it exited"}
	for minute := range 60 {
		low := int64(100)
		if minute >= 30 { // all is well again
			down.Down, sick.Sick, sick.Stuck, low = false, false, false, 1
		} else if minute < 5 {
			loop.Restarts++
		}
		tracker, err := notify.LoadTracker(a.path(watchFile))
		if err != nil {
			t.Fatal(err)
		}
		now := began.Add(time.Duration(minute) * time.Minute)
		seen := []notify.Seen{down, sick, loop}
		a.tellSeen(ctx, tracker.Look(now, seen, []notify.Room{{Dir: "/data", Free: 50, Low: low}}, limits))
		for _, name := range tracker.Overdue(now, seen, limits, func(string) bool { return true }) {
			a.tellSeen(ctx, []notify.Event{restartEvent(name, now, []status{{Name: name, Reason: "no peers"}})})
		}
		if err := tracker.Save(a.path(watchFile)); err != nil {
			t.Fatal(err)
		}
	}
	if code := run(ctx, []string{"notify", "deliver", "--root", a.root}, strings.NewReader(""), a.out, a.err); code != 0 {
		t.Fatalf("exit code %d", code)
	}

	want := map[string]int{
		"val1] roll-done: ": 1, "val1] rolled-back: ": 1, "val1] roll-failed: ": 1,
		"val1] waiting: ": 1, "val1] update-available: ": 1, "val1] tag-moved: 4.1.4 ": 1, "val1] tag-moved: 4.1.2 ": 1, "val1] tag-moved: 4.1.1 ": 0,
		"val1] down: ": 1, "val2] unhealthy: ": 1, "val2] restarted: ": 1, "val3] crash-loop: ": 1, "] disk-low: /data ": 1,
		"val1] recovered: ": 1, "val2] recovered: ": 1, "val3] recovered: ": 1, "] recovered: /data ": 1,
	}
	got := box.messages()
	total := 0
	for words, n := range want {
		found := strings.Count(strings.Join(got, "\n"), words)
		if total += n; found != n {
			t.Errorf("%q was told %d times", words, found)
		}
	}
	if len(got) != total {
		t.Errorf("told:\n%s", strings.Join(got, "\n"))
	}
}
