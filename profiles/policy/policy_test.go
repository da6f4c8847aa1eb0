package policy

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// now is a Saturday.
var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

const day24 = 24 * time.Hour

// tags is what a registry has, in an order of its own.
var tags = []string{
	"latest", "4.1.2", "4.1.3", "4.1.10", "4.1.11-rc.2", "4.1.11-rc.10", "4.2.0-nightly.20261120", "4.1.3-amd64", "4.1.3-arm64",
	"4.0.9", "5.2.0", "6.0.0-rc.1", "4.1.12-devnet.6-patch.1", "0.0.1-commit.abc", "v4.1.9", "staging", "bad\x1b[2J",
}

// releases says of a tag what it is: made three days ago and never seen,
// unless a case has something else.
func releases(other map[string]Release) func(string) (Release, error) {
	return func(tag string) (Release, error) {
		if r, ok := other[tag]; ok {
			return r, nil
		}
		if strings.HasPrefix(tag, "4.9") {
			return Release{Unfit: "there is no image for linux/amd64"}, nil
		}
		return Release{Digest: "sha256:" + tag, Created: ago(3 * day24)}, nil
	}
}

func TestDecide(t *testing.T) {
	for name, change := range map[string]func(*Question){
		"newest":           func(*Question) {},
		"nothing newer":    func(q *Question) { q.Current = "4.1.10" },
		"of a candidate":   func(q *Question) { q.Current = "4.1.11-rc.2" },
		"unnamed":          func(q *Question) { q.Offered = nil },
		"channel rc":       func(q *Question) { q.Settings.Channel = profiles.RC },
		"channel nightly":  func(q *Question) { q.Settings.Channel = profiles.Nightly },
		"constraint":       func(q *Question) { q.Settings.Constraint = "< 4.1.10" },
		"other major":      func(q *Question) { q.Settings.Constraint = ">= 4, < 6" },
		"other candidates": func(q *Question) { q.Settings.Constraint, q.Settings.Channel = ">= 5", profiles.RC },
		"never unattended": func(q *Question) { q.Settings.Constraint, q.Unattended = ">= 4, < 6", true },
		"pinned":           func(q *Question) { q.Pin = &Pin{Version: "4.1.2"} },
		"pinned until":     func(q *Question) { q.Pin = &Pin{"4.1.3", now.Add(time.Hour)} },
		"pin has ended":    func(q *Question) { q.Pin = &Pin{"4.1.2", ago(time.Second)} },
		"pinned to newer":  func(q *Question) { q.Pin = &Pin{Version: "v4.1.12-devnet.6-patch.1"} },
		"skipped by name":  func(q *Question) { q.Skipped = []Skip{{"4.1.10", "sha256:x", "exited with code 1"}} },
		"skipped by digest": func(q *Question) {
			q.Skipped = []Skip{{"4.1.10-other", "sha256:4.1.10", "rolled back by hand"}}
		},
		"too young": func(q *Question) {
			q.Settings.MinAge = "2d"
			q.Look = releases(map[string]Release{"4.1.10": {Digest: "sha256:4.1.10", Created: ago(day24), Seen: &Seen{"sha256:4.1.10", ago(time.Hour)}}})
		},
		"too young, no time": func(q *Question) {
			q.Settings.MinAge = "2d"
			q.Look = releases(map[string]Release{
				"4.1.10": {Digest: "sha256:a", Seen: &Seen{"sha256:a", ago(day24)}},
				"v4.1.9": {Digest: "sha256:b"},
				"4.1.3":  {Digest: "sha256:c", Created: time.Unix(0, 0), Seen: &Seen{"sha256:c", ago(2 * day24)}},
			})
		},
		"from the future": func(q *Question) {
			q.Settings.MinAge = "1h"
			q.Look = releases(map[string]Release{"4.1.10": {Digest: "sha256:a", Created: now.Add(day24)}})
		},
		"moved": func(q *Question) {
			q.Look = releases(map[string]Release{"4.1.10": {Digest: "sha256:b", Created: ago(30 * day24), Seen: &Seen{"sha256:a", ago(day24)}}})
		},
		"unfit": func(q *Question) { q.Offered = append([]string{"4.9.0"}, q.Offered...) },
		"deleted": func(q *Question) {
			q.Gone = map[string]Seen{"4.1.4": {"sha256:4.1.4", ago(day24)}, "4.1.1": {"sha256:4.1.1", ago(9 * day24)}}
		},
		"held":           func(q *Question) { q.Settings.HoldUntil = "2026-12-24T18:00:00Z" },
		"hold is over":   func(q *Question) { q.Settings.HoldUntil = "2026-11-28T12:00:00Z" },
		"window":         func(q *Question) { q.Settings.Window, q.Window = "Mon 02:00", Window{Next: now.Add(38 * time.Hour)} },
		"never a window": func(q *Question) { q.Settings.Window = "2020-01-01" },
		"in the window":  func(q *Question) { q.Settings.Window, q.Window = "Sat 12:00", Window{Open: true} },
		"notify":         func(q *Question) { q.Settings.Mode, q.Unattended = profiles.NotifyMode, true },
		"notify, asked":  func(q *Question) { q.Settings.Mode = profiles.NotifyMode },
		"waits for all": func(q *Question) {
			q.Settings = profiles.Update{HoldUntil: "2027-01-01T00:00:00Z", Window: "Mon", Mode: profiles.NotifyMode}
			q.Unattended = true
		},
		"both failed": func(q *Question) { q.Unattended, q.Both = true, &Both{Version: "v4.1.10", At: ago(20 * time.Minute)} },
		"both failed before": func(q *Question) {
			q.Unattended, q.Both = true, &Both{Version: "4.1.10", At: ago(time.Hour)}
		},
		"both failed in this window": func(q *Question) {
			q.Unattended, q.Both = true, &Both{"4.1.10", ago(2 * time.Hour), now.Add(7*day24 - 4*time.Hour)}
			q.Settings.Window, q.Window.Open = "Sat 08:00", true
		},
		"both failed in the last window": func(q *Question) {
			q.Unattended, q.Both = true, &Both{"4.1.10", ago(20 * time.Minute), ago(15 * time.Minute)}
			q.Settings.Window, q.Window.Open = "*:0/15", true
		},
		"both failed, another version": func(q *Question) { q.Unattended, q.Both = true, &Both{Version: "4.1.9", At: ago(time.Minute)} },
		"both failed, asked":           func(q *Question) { q.Both = &Both{Version: "4.1.10", At: ago(time.Minute)} },
		"both failed, in the future":   func(q *Question) { q.Unattended, q.Both = true, &Both{Version: "4.1.10", At: now.Add(day24)} },
		"splay":                        func(q *Question) { q.Settings.Splay, q.Settings.MinAge = "14d", "1d" },
	} {
		t.Run(name, func(t *testing.T) {
			q := Question{Instance: "val1", Current: "4.1.2", Tag: "4.1.2", Offered: tags, Now: now, Host: "host", Look: releases(nil)}
			change(&q)
			d, err := Decide(q)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, text(d))
		})
	}
}

func text(d Decision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "take %q %s\n", d.Tag, d.Digest)
	for _, r := range d.Waits {
		fmt.Fprintf(&b, "wait: %s: %s%s\n", r.Rule, r.Text, until(r))
	}
	for _, r := range d.Rejected {
		fmt.Fprintf(&b, "%q: %s: %s%s\n", r.Tag, r.Rule, r.Text, until(r.Reason))
	}
	return b.String()
}

func until(r Reason) string {
	if r.Until == nil {
		return ""
	}
	return " [until " + r.Until.UTC().Format(time.RFC3339) + "]"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", strings.NewReplacer(" ", "-", ",", "").Replace(name)+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("-golden +now:\n%s", d)
	}
}

// Every tag that is offered is taken or rejected, once.
func TestEveryTagHasAReason(t *testing.T) {
	d, err := Decide(Question{Instance: "val1", Current: "4.1.2", Offered: tags, Now: now, Look: releases(nil)})
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{d.Tag: 1}
	for _, r := range d.Rejected {
		if times[r.Tag]++; r.Rule == "" || r.Text == "" {
			t.Errorf("%q has no reason", r.Tag)
		}
	}
	for _, tag := range tags {
		if times[tag] != 1 {
			t.Errorf("%q is there %d times", tag, times[tag])
		}
	}
}

// A registry has thousands of tags: only what could be taken is asked for.
func TestLooksAtFew(t *testing.T) {
	q := Question{Instance: "val1", Current: "4.1.2", Now: now}
	for n := range 3000 {
		q.Offered = append(q.Offered, fmt.Sprintf("4.%d.0", n))
	}
	asked := 0
	q.Look = func(tag string) (Release, error) { asked++; return Release{Digest: "sha256:" + tag}, nil }
	if d, err := Decide(q); err != nil || d.Tag != "4.2999.0" || asked != 1 {
		t.Errorf("%q, %v, after %d questions", d.Tag, err, asked)
	}
}

// A registry that is away is no reason to take something older.
func TestRegistryAway(t *testing.T) {
	away := errors.New("asking for the manifest: connection refused")
	q := Question{Instance: "val1", Current: "4.1.2", Offered: tags, Now: now}
	q.Look = func(string) (Release, error) { return Release{}, away }
	if d, err := Decide(q); !errors.Is(err, away) {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestNoRelease(t *testing.T) {
	for _, current := range []string{"", "latest", "0.0.1-commit.abc"} {
		if d, err := Decide(Question{Current: current, Offered: tags, Look: releases(nil)}); err == nil {
			t.Errorf("%q: %+v", current, d)
		}
	}
}

// Hosts are spread over all of the splay, and each keeps its moment.
func TestSplay(t *testing.T) {
	moments := map[int]int{} // by quarter of the splay
	for n := range 400 {
		q := Question{Instance: "val1", Current: "4.1.2", Offered: []string{"4.1.3"}, Now: now, Host: fmt.Sprint(n), Settings: profiles.Update{Splay: "4h"}}
		q.Look = releases(map[string]Release{"4.1.3": {Digest: "sha256:3", Created: now}})
		d, err := Decide(q)
		if err != nil {
			t.Fatal(err)
		}
		if d.Tag != "" {
			moments[0]++
			continue
		}
		at := *d.Rejected[0].Until
		moments[int(at.Sub(now)/time.Hour)]++
		q.Now = at
		if d, err = Decide(q); err != nil || d.Tag != "4.1.3" {
			t.Fatalf("host %d does not take it at %s: %+v, %v", n, at, d, err)
		}
	}
	for quarter := range 4 {
		if n := moments[quarter]; n < 60 || n > 140 {
			t.Errorf("%d of 400 hosts in hour %d", n, quarter)
		}
	}
}

func TestOverrides(t *testing.T) {
	q := Question{
		Instance: "val1", Current: "4.1.2", Now: now, Host: "host", Window: Window{Next: now.Add(time.Hour)},
		Pin: &Pin{Version: "4.1.2"}, Skipped: []Skip{{"4.1.3", "sha256:3", "exited with code 1"}}, Unattended: true,
		Settings: profiles.Update{Constraint: "~> 4.0.0", MinAge: "2d", Splay: "30d", Window: "Mon 02:00", HoldUntil: "2027-01-01T00:00:00Z", Mode: profiles.NotifyMode},
	}
	young := Release{Digest: "sha256:3", Created: ago(time.Hour), Seen: &Seen{"sha256:2", ago(time.Hour)}}
	for name, test := range map[string]struct {
		tag     string
		release Release
		want    string
	}{
		"a version":   {"4.1.3", young, "constraint pin moved skip age splay hold window"},
		"a candidate": {"4.1.4-rc.1", Release{}, "constraint channel pin hold window"},
		"a digest":    {"", Release{Digest: "sha256:9", Created: ago(90 * day24)}, "pin hold window"},
		"the pin":     {"4.1.2", Release{}, "constraint hold window"},
		"by its name": {"v4.1.3", Release{}, "constraint pin skip hold window"},
	} {
		var got []string
		for _, r := range q.Overrides(test.tag, test.release) {
			got = append(got, string(r.Rule))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
