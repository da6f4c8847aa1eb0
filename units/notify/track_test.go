package notify

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestTracker(t *testing.T) {
	up := Seen{Instance: "val1", Wanted: true, Reason: "fine"}
	down := Seen{Instance: "val1", Wanted: true, Down: true, Reason: "it exited"}
	sick := Seen{Instance: "val1", Wanted: true, Sick: true, Reason: "no peers"}
	rolling := Seen{Instance: "val1", Wanted: true, Rolling: true, Down: true}
	stopped := Seen{Instance: "val1"}
	restarts := func(n uint32) Seen { return Seen{Instance: "val1", Wanted: true, Restarts: n, Reason: "it exited"} }
	room := func(free int64) []Room { return []Room{{"/data", free, 100}} }
	type step struct {
		minute int
		seen   []Seen
		rooms  []Room
		want   []Kind
	}
	for name, steps := range map[string][]step{
		"well":                      {{minute: 0, seen: []Seen{up}}, {minute: 60, seen: []Seen{up}, rooms: room(200)}},
		"a restart is not told":     {{0, []Seen{down}, nil, nil}, {1, []Seen{up}, nil, nil}, {9, []Seen{up}, nil, nil}},
		"down, told once, and over": {{0, []Seen{down}, nil, nil}, {2, []Seen{down}, nil, []Kind{Down}}, {3, []Seen{down}, nil, nil}, {90, []Seen{down}, nil, nil}, {91, []Seen{up}, nil, []Kind{Recovered}}, {92, []Seen{up}, nil, nil}},
		"down twice":                {{0, []Seen{down}, nil, nil}, {2, []Seen{down}, nil, []Kind{Down}}, {3, []Seen{up}, nil, []Kind{Recovered}}, {4, []Seen{down}, nil, nil}, {6, []Seen{down}, nil, []Kind{Down}}},
		"unhealthy for 10 minutes":  {{0, []Seen{sick}, nil, nil}, {9, []Seen{sick}, nil, nil}, {10, []Seen{sick}, nil, []Kind{Unhealthy}}, {11, []Seen{up}, nil, []Kind{Recovered}}},
		"stopped on purpose":        {{0, []Seen{stopped}, nil, nil}, {30, []Seen{stopped}, nil, nil}},
		"stopped while it is told":  {{0, []Seen{down}, nil, nil}, {2, []Seen{down}, nil, []Kind{Down}}, {3, []Seen{stopped}, nil, nil}, {4, []Seen{up}, nil, []Kind{Recovered}}},
		"a roll":                    {{0, []Seen{up}, nil, nil}, {1, []Seen{rolling}, nil, nil}, {20, []Seen{rolling}, nil, nil}, {21, []Seen{up}, nil, nil}},
		"a crash loop":              {{0, []Seen{restarts(0)}, nil, nil}, {1, []Seen{restarts(2)}, nil, nil}, {2, []Seen{restarts(4)}, nil, []Kind{CrashLoop}}, {3, []Seen{restarts(6)}, nil, nil}, {19, []Seen{restarts(6)}, nil, []Kind{Recovered}}},
		"slow restarts":             {{0, []Seen{restarts(0)}, nil, nil}, {16, []Seen{restarts(2)}, nil, nil}, {32, []Seen{restarts(4)}, nil, nil}},
		"started by hand":           {{0, []Seen{restarts(9)}, nil, nil}, {1, []Seen{restarts(0)}, nil, nil}, {2, []Seen{restarts(1)}, nil, nil}},
		"a disk":                    {{0, nil, room(99), []Kind{DiskLow}}, {1, nil, room(10), nil}, {2, nil, room(200), []Kind{Recovered}}, {3, nil, room(99), []Kind{DiskLow}}},
		"removed":                   {{0, []Seen{down}, nil, nil}, {2, []Seen{down}, nil, []Kind{Down}}, {3, nil, nil, nil}, {4, []Seen{up}, nil, nil}},
	} {
		path := filepath.Join(t.TempDir(), "watch.json")
		keys := map[string]bool{}
		for _, s := range steps {
			tracker, err := LoadTracker(path) // as each look is a run of its own
			if err != nil {
				t.Fatal(err)
			}
			var got []Kind
			for _, e := range tracker.Look(at(s.minute), s.seen, s.rooms, Limits{Unhealthy: 10 * time.Minute}) {
				got = append(got, e.Kind)
				if keys[e.Key] || e.Text == "" {
					t.Errorf("%s: %+v: its key was there", name, e)
				}
				keys[e.Key] = true
			}
			if !slices.Equal(got, s.want) {
				t.Errorf("%s, minute %d: %v, want %v", name, s.minute, got, s.want)
			}
			if err := tracker.Save(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A node that is unhealthy for long is restarted, at ever longer intervals,
// until it is well; and only one that a restart can help.
func TestOverdue(t *testing.T) {
	sick := Seen{Instance: "val1", Wanted: true, Sick: true, Stuck: true, Reason: "no tips"}
	well, rolling, unknown, stopped := sick, sick, sick, sick
	well.Sick, well.Stuck = false, false
	rolling.Rolling = true
	unknown.Stuck = false
	stopped.Wanted = false
	limits := Limits{Unhealthy: 10 * time.Minute, Restart: 30 * time.Minute}
	type span struct {
		minutes int
		seen    Seen
	}
	busy := sick
	busy.Instance = "busy"
	for name, c := range map[string]struct {
		limits Limits
		every  int // minutes from look to look
		spans  []span
		want   []int // minutes
	}{
		"reported only":         {Limits{Unhealthy: 10 * time.Minute}, 10, []span{{300, sick}}, nil},
		"doubling":              {limits, 10, []span{{500, sick}}, []int{30, 90, 210, 450}},
		"well in between":       {limits, 10, []span{{40, sick}, {10, well}, {40, sick}}, []int{30, 80}},
		"healthy in time":       {limits, 10, []span{{30, sick}, {10, well}, {30, sick}}, nil},
		"a roll is not touched": {limits, 10, []span{{30, sick}, {30, rolling}, {10, sick}}, []int{60}},
		"not known how it is":   {limits, 10, []span{{120, unknown}}, nil},
		"stopped":               {limits, 10, []span{{20, sick}, {60, stopped}}, nil},
		"not now":               {limits, 10, []span{{120, busy}}, []int{60}},
		"once a day at most":    {Limits{Unhealthy: time.Minute, Restart: 20 * time.Hour}, 240, []span{{4 * 24 * 60, sick}}, []int{1200, 2640, 4080, 5520}},
	} {
		path := filepath.Join(t.TempDir(), "watch.json")
		var got []int
		minute := 0
		for _, s := range c.spans {
			for range s.minutes / c.every {
				tracker, err := LoadTracker(path)
				if err != nil {
					t.Fatal(err)
				}
				tracker.Look(at(minute), []Seen{s.seen}, nil, c.limits)
				may := func(instance string) bool { return instance != busy.Instance || minute >= 60 }
				if len(tracker.Overdue(at(minute), []Seen{s.seen}, c.limits, may)) > 0 {
					got = append(got, minute)
				}
				if err := tracker.Save(path); err != nil {
					t.Fatal(err)
				}
				minute += c.every
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: restarted at minutes %v, want %v", name, got, c.want)
		}
	}
}

// Whatever is in its file, a tracker works.
func TestTrackerFile(t *testing.T) {
	for i, text := range []string{"", "{", "[]", `{"schema":9,"conditions":{"x":{}}}`, `{"schema":1}`, `{"schema":1,"samples":{"val1":null}}`} {
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		write(t, path, text)
		tracker, err := LoadTracker(path)
		if err != nil {
			t.Fatal(err)
		}
		tracker.Look(at(0), []Seen{{Instance: "val1", Wanted: true}}, nil, Limits{})
		if len(tracker.Conditions) != 0 {
			t.Errorf("%q: %v", text, tracker.Conditions)
		}
	}
}
