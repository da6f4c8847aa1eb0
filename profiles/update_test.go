package profiles

import (
	"strings"
	"testing"
	"time"
)

func TestUpdateOver(t *testing.T) {
	host := Update{Constraint: "~> 4.1", Channel: RC, MinAge: "48h", Window: "Mon..Thu 02:00", Keep: 5, PreHook: "/bin/true"}
	for name, test := range map[string]struct{ mine, want Update }{
		"nothing":   {Update{}, host},
		"one":       {Update{Channel: Stable}, Update{Constraint: "~> 4.1", Channel: Stable, MinAge: "48h", Window: "Mon..Thu 02:00", Keep: 5, PreHook: "/bin/true"}},
		"none":      {Update{Window: "none", PreHook: "none", MinAge: "0", Keep: 3}, Update{Constraint: "~> 4.1", Channel: RC, MinAge: "0", Keep: 3}},
		"none here": {Update{Splay: "none"}, host},
	} {
		if got := test.mine.Over(host); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
	if got := (Update{}).Over(Update{}); got != (Update{Keep: DefaultKeep}) {
		t.Errorf("nothing at all: got %+v", got)
	}
}

func TestUpdateCheck(t *testing.T) {
	good := Update{
		Constraint: ">= 5, < 6", Channel: Nightly, HoldUntil: "2026-12-24", MinAge: "7d", Window: "Mon..Thu *-*-* 02..04:00:00 Europe/Berlin",
		WindowLength: "90m", Splay: "6h", Keep: 3, Mode: NotifyMode, PreHook: "/usr/local/sbin/before", PostHook: "none", HookTimeout: "30s",
	}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for want, u := range map[string]Update{
		`update.constraint: reading the constraint`:                       {Constraint: "roughly 4"},
		`update.channel: "beta" is none of stable, rc, nightly`:           {Channel: "beta"},
		`update.hold_until: "24.12." is neither a date`:                   {HoldUntil: "24.12."},
		`update.min_age: "-1h" is not a time`:                             {MinAge: "-1h"},
		`update.min_age: "9999999d" is not a time`:                        {MinAge: "9999999d"},
		`update.splay: "soon" is not a time`:                              {Splay: "soon"},
		`update.window: "--version" is not a calendar event`:              {Window: "--version"},
		`update.window: "02:00; reboot" is not a calendar event`:          {Window: "02:00; reboot"},
		`update.window_length: 10m is less than an hour`:                  {WindowLength: "10m"},
		`update.keep: 1 is not between 2 and 100`:                         {Keep: 1},
		`update.mode: "ask" is none of apply, notify`:                     {Mode: "ask"},
		`update.pre_hook: "before" is not an absolute path`:               {PreHook: "before"},
		`update.resume_signing: "soon" is none of by-hand, when-safe`:     {ResumeSigning: "soon"},
		`update.hook_timeout: 2h is not between 1s and 1h`:                {HookTimeout: "2h"},
		`update.channel: "x" is none of stable, rc, nightly; update.mode`: {Channel: "x", Mode: "y"},
	} {
		if err := u.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestUpdateSet(t *testing.T) {
	var u Update
	for _, word := range []string{"constraint=>= 5, < 6", "window=Mon..Thu 02:00", "splay=none", "keep=3", "channel=rc", "mode=notify", "min_age=7d"} {
		if err := u.Set(word); err != nil {
			t.Errorf("%s: %v", word, err)
		}
	}
	want := Update{Constraint: ">= 5, < 6", Window: "Mon..Thu 02:00", Splay: "none", Keep: 3, Channel: RC, Mode: NotifyMode, MinAge: "7d"}
	if u != want {
		t.Errorf("got %+v", u)
	}
	for word, reason := range map[string]string{
		"channel": "it wants KEY=VALUE", "chanel=rc": `unknown setting "chanel"`, "channel=beta": `update.channel: "beta" is none of`,
		"keep=1": "update.keep: 1 is not between", "keep=none": `update.keep: "none" is not a number`, "window=02:00; reboot": "update.window: ",
		"pre_hook=before.sh": "update.pre_hook: ", "mode=": "",
	} {
		err := u.Set(word)
		if reason == "" && err != nil || reason != "" && (err == nil || !strings.HasPrefix(err.Error(), reason)) {
			t.Errorf("%s: got %v, want %s", word, err, reason)
		}
	}
	for _, key := range []string{"constraint", "window", "splay", "keep", "channel", "min_age"} {
		if err := u.Set(key + "="); err != nil {
			t.Error(err)
		}
	}
	if u != (Update{}) {
		t.Errorf("all taken back: %+v", u)
	}
}

func TestParseAge(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "90s": 90 * time.Second, "48h": 48 * time.Hour, "7d": 7 * 24 * time.Hour} {
		if got, err := ParseAge(text); err != nil || got != want {
			t.Errorf("%s: got %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "d", "-1d", "1.5d", "+1d", "5000d", "1h1"} {
		if got, err := ParseAge(text); err == nil {
			t.Errorf("%q is %s, want an error", text, got)
		}
	}
}

// What is written is read back, and an instance without settings has no table.
func TestUpdateInTOML(t *testing.T) {
	i := New("val1")
	if text := string(i.Encode()); strings.Contains(text, "[update]") {
		t.Errorf("a table of nothing:\n%s", text)
	}
	i.Update = Update{Constraint: "~> 4.1", Keep: 3}
	back, err := ParseInstance("val1", i.Encode())
	if err != nil || back.Update != i.Update {
		t.Errorf("got %+v, %v", back.Update, err)
	}
	if _, err := ParseInstance("val1", append(i.Encode(), "windows = \"x\"\n"...)); err == nil || !strings.Contains(err.Error(), "update.window") {
		t.Errorf("got %v", err)
	}
}
