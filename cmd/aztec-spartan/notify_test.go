package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/notify"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// inbox is a webhook that keeps what it gets.
type inbox struct {
	mu   sync.Mutex
	got  []string
	code int
}

func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.code != 0 {
		w.WriteHeader(b.code)
		return
	}
	b.got = append(b.got, string(data))
	_, _ = io.WriteString(w, "{}")
}

func (b *inbox) messages() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

// notifyTree is a tree whose config.toml says that.
func notifyTree(t *testing.T, config string) *app {
	t.Helper()
	a := newApp(io.Discard)
	a.err, a.root = io.Discard, t.TempDir()
	path := a.path(configFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// A roll is told once, however often its engine says so.
func TestTellRoll(t *testing.T) {
	box := &inbox{}
	server := httptest.NewServer(box)
	defer server.Close()
	a := notifyTree(t, "[notify]\nurl = \""+server.URL+"/SECRET\"\nformat = \"ntfy\"\n")
	done := roll.Outcome{Kind: roll.Update, From: "4.1.2", To: "4.1.3", Result: roll.Done, Finished: time.Now()}
	back := roll.Outcome{Kind: roll.Update, From: "4.1.2", To: "4.1.3", Result: roll.RolledBack, Reason: "key 0x" + someKey + "\nat https://x.example/SECRET", Finished: time.Now()}
	for _, out := range []roll.Outcome{done, done, back, {Result: roll.Cancelled}, done} {
		a.tellRoll(t.Context(), "val1", out)
	}
	if len(box.messages()) != 0 {
		t.Error("a roll waited for a webhook")
	}
	var said bytes.Buffer
	for range 2 {
		if code := run(t.Context(), []string{"notify", "deliver", "--root", a.root}, strings.NewReader(""), &said, &said); code != 0 {
			t.Errorf("exit code %d: %s", code, said.String())
		}
	}
	got := box.messages()
	if len(got) != 2 || !strings.HasSuffix(got[0], " val1] roll-done: update 4.1.2 -> 4.1.3: done") || !strings.Contains(got[1], "rolled-back: ") {
		t.Errorf("got %q", got)
	}
	if all := strings.Join(got, "") + said.String(); strings.Contains(all, someKey) || strings.Contains(all, "SECRET") || strings.Contains(strings.Join(got, ""), "\n") {
		t.Errorf("got %q, said %s", got, said.String())
	}
	// A receiver that is away is for later: exit code 1, and systemd tries again.
	box.code = 503
	a.tell(t.Context(), notify.Waiting, "val1", "something else")
	if !a.spool().Waits() {
		t.Error("nothing waits")
	}
}

func TestNotifyVerb(t *testing.T) {
	box := &inbox{}
	server := httptest.NewServer(box)
	defer server.Close()
	call := func(a *app, args ...string) (code int, said string) {
		var out bytes.Buffer
		code = run(t.Context(), append(args, "--root", a.root), strings.NewReader(""), &out, &out)
		return code, out.String()
	}
	a := notifyTree(t, "[notify]\nurl_file = \"/etc/hook\"\nformat = \"slack\"\n")
	if err := os.WriteFile(a.path("/etc/hook"), []byte(server.URL+"/SECRET\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, said := call(a, "notify", "--test")
	if got := box.messages(); code != 0 || len(got) != 1 || !strings.Contains(got[0], `{"text":"[`) || !strings.Contains(said, "everybody on this host can read the URL") {
		t.Errorf("exit code %d, %s, got %q", code, said, got)
	}
	if code, said = call(a, "notify"); code != 0 || !strings.Contains(said, "events go to http://127.0.0.1") || strings.Contains(said, "SECRET") {
		t.Errorf("exit code %d, %s", code, said)
	}
	box.code = 404
	if code, said = call(a, "notify", "--test"); code != exitFailed || !strings.Contains(said, "answers 404") || strings.Contains(said, "SECRET") {
		t.Errorf("exit code %d, %s", code, said)
	}
	for config, want := range map[string]string{
		"":                                     "nobody is to be told",
		"[notify]\nurl = \"ftp://x/SECRET\"\n": "notify.url: it is neither an http or https URL nor that of a service: bark, ",
		"[notify]\nurl = \"https://x:99999/SECRET\"\n":                 "notify.url: it is not an http or https URL",
		"[notify]\nurl = \"https://x/SECRET\"\ncommand = [\"/bin/x\"]": "exclude each other",
		"[notify]\ncommand = [\"x\"]\n":                                "not an absolute path",
		"[notify]\nformat = \"irc\"\n":                                 "none of json",
		"[notify]\nevents = [\"rolled\"]\n":                            `"rolled" is none of [roll-done`,
		"[notify]\nunhealthy_after = \"0s\"\n":                         "more than zero",
	} {
		code, said := call(notifyTree(t, config), "notify", "--test")
		if code != exitUsage || !strings.Contains(said, want) || strings.Contains(said, "SECRET") {
			t.Errorf("%q: exit code %d, %s", config, code, said)
		}
	}
	for _, args := range [][]string{{"notify", "off"}, {"notify", "enable", "--test"}, {"notify", "enable", "disable"}} {
		if code, said := call(a, args...); code != exitUsage {
			t.Errorf("%q: exit code %d, %s", args, code, said)
		}
	}
}

// Services that the library brings are called through the proxy, too, those
// among them that make a transport of their own; and what is shown of their URLs
// lets nobody in.
func TestNotifyServices(t *testing.T) {
	box := &inbox{}
	proxy := httptest.NewServer(box)
	defer proxy.Close()
	for url, name := range map[string]string{
		"http://ntfy.sh/SECRETSECRET":                                 "http://ntfy.sh/...",
		"ntfy://user:SECRETSECRET@ntfy.example/topic?scheme=http":     "ntfy",
		"mattermost://SECRETUSER@chat.example/SECRETS?disabletls=yes": "mattermost",
	} {
		a := notifyTree(t, "[notify]\nurl = \""+url+"\"\n")
		for _, verb := range []string{"notify", "notify --test"} {
			cmd := exec.Command("aztec-spartan", append(strings.Fields(verb), "--root", a.root)...)
			cmd.Env = append(os.Environ(), "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL)
			out, err := cmd.CombinedOutput()
			told := box.messages()
			if err != nil || strings.Contains(string(out), "SECRET") || verb == "notify" && !strings.Contains(string(out), "events go to "+name+"\n") {
				t.Errorf("%s of %s: %v, %s", verb, url, err, out)
			}
			if verb != "notify" && (len(told) != 1 || !strings.Contains(told[0], "this is a test")) {
				t.Errorf("%s: the proxy got %q", url, told)
			}
		}
		box.mu.Lock()
		box.got = nil
		box.mu.Unlock()
		if words := strings.Join(a.notifySecrets(), " "); !strings.Contains(words, "SECRET") {
			t.Errorf("%s: a report would take out %q", url, words)
		}
	}
	a := notifyTree(t, "[notify]\nurl = \"pushbullet://SECRETSECRETSECRETSECRETSECRETSECR\"\n")
	if words := a.notifySecrets(); !slices.Contains(words, "SECRETSECRETSECRETSECRETSECRETSECR") {
		t.Errorf("a report would take out %q", words)
	}
}

// Only what was asked for is told.
func TestNotifyEvents(t *testing.T) {
	a := notifyTree(t, "[notify]\ncommand = [\"/bin/true\"]\nevents = [\"down\"]\n")
	a.tell(t.Context(), notify.RollDone, "val1", "x")
	if a.spool().Waits() {
		t.Error("a roll is told")
	}
	a.tell(t.Context(), notify.Down, "val1", "x")
	if !a.spool().Waits() {
		t.Error("a node that is down is not")
	}
}

func TestSeenOf(t *testing.T) {
	for name, test := range map[string]struct {
		s    status
		want notify.Seen
	}{
		"well":          {status{ActiveState: "active", Enabled: true, Health: "healthy"}, notify.Seen{Wanted: true}},
		"syncing":       {status{ActiveState: "active", Enabled: true, Health: "syncing"}, notify.Seen{Wanted: true}},
		"down":          {status{ActiveState: "failed", Enabled: true, Health: "unhealthy"}, notify.Seen{Wanted: true, Down: true}},
		"stopped":       {status{ActiveState: "inactive", Health: "stopped"}, notify.Seen{Down: true}},
		"not enabled":   {status{ActiveState: "active", Health: "unhealthy"}, notify.Seen{Wanted: true, Sick: true, Stuck: true}},
		"rolling":       {status{ActiveState: "deactivating", Enabled: true, Health: "unhealthy", Roll: rollRunning}, notify.Seen{Wanted: true, Sick: true, Rolling: true}},
		"never started": {status{Health: "stopped"}, notify.Seen{}},
	} {
		if got := seenOf([]status{test.s}); len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// The command runs as root, so it is not run if others could change it.
func TestNotifyCommandOfOthers(t *testing.T) {
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	tool := filepath.Join(dir, "in", "tell")
	write(t, tool, "#!/bin/sh\ntouch "+ran+"\n", 0o755)
	a := notifyTree(t, "[notify]\ncommand = [\""+tool+"\"]\n")
	a.tell(t.Context(), notify.Down, "val1", "x")
	for mode, code := range map[os.FileMode]int{0o777: exitFailed, 0o755: 0} {
		if err := os.Chmod(filepath.Dir(tool), mode); err != nil {
			t.Fatal(err)
		}
		for _, verb := range [][]string{{"notify", "--test"}, {"notify", "deliver"}} {
			_ = os.Remove(ran)
			var said bytes.Buffer
			got := run(t.Context(), append(verb, "--root", a.root), strings.NewReader(""), &said, &said)
			if got != code || code != 0 && (exists(ran) || !a.spool().Waits() || !strings.Contains(said.String(), "others than root decide what is there")) {
				t.Errorf("%v: %v: exit code %d: %s", mode, verb, got, said.String())
			}
			if code == 0 && !exists(ran) {
				t.Errorf("%v: %v: it did not run", mode, verb)
			}
		}
		a.tell(t.Context(), notify.Down, "val1", "y")
	}
}

// brokenRoll is a tree with a roll that an engine has begun, whose data are
// away: it cannot be taken back.
func brokenRoll(t *testing.T) *app {
	t.Helper()
	a := notifyTree(t, "[notify]\ncommand = [\"/bin/true\"]\n")
	s := roll.State{Unit: someUnit}
	for n, version := range []string{"4.1.2", "4.1.3"} {
		unit := fmt.Sprintf("[X-AztecSpartan]\nSchema=1\nGeneration=%d\nInstance=val1\nVersion=%s\n", n+1, version)
		g := roll.Generation{Number: n + 1, Version: version, Image: "sha256-" + version, Digest: "sha256:" + version}
		if err := a.files().Add("val1", &s, g, roll.Content{Unit: []byte(unit), Instance: []byte("schema = 1\n")}); err != nil {
			t.Fatal(err)
		}
	}
	s.Intent = &roll.Intent{
		Kind: roll.Update, From: 1, To: 2, Begun: true, WasActive: true, Requested: time.Now().UTC(), Gate: roll.DefaultGate,
		Data: roll.DataPlan{Method: roll.DataCopy},
	}
	if err := errors.Join(os.MkdirAll(a.path(systemdDir), 0o755), a.files().Activate("val1", someUnit, 1), a.files().Save("val1", s)); err != nil {
		t.Fatal(err)
	}
	put(t, a.path(filepath.Join(systemdDir, "var-lib-aztec-val1.mount")), "What=/srv/val1\n")
	return a
}

// spooled are the events that wait, as kind and text.
func spooled(t *testing.T, a *app) []string {
	t.Helper()
	files, err := filepath.Glob(a.path(filepath.Join(spoolDir, "*.json")))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, path := range files {
		var e notify.Event
		data, err := os.ReadFile(path)
		if err := errors.Join(err, json.Unmarshal(data, &e)); err != nil {
			t.Fatal(err)
		}
		list = append(list, string(e.Kind)+" "+e.Text)
	}
	return list
}

// A way back that is tried again is not told; the one that is given up is, with
// what is in place.
func TestGivenUpIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := brokenRoll(t)
		for try := range 4 {
			if told := spooled(t, a); len(told) != 0 {
				t.Fatalf("told before it is given up: %q", told)
			}
			out, err := a.runEngine(t.Context(), "val1", a.engine(offline{}, func(string) {}))
			if given := try == 3; errors.Is(err, roll.ErrGivenUp) != given || errors.Is(err, roll.ErrUnfinished) == given || out.Situation == "" {
				t.Fatalf("try %d: %+v, %v", try, out, err)
			}
		}
		if told := spooled(t, a); len(told) != 1 || !strings.HasPrefix(told[0], "roll-failed update 4.1.2 -> 4.1.3: failed: the roll was interrupted; ") || !strings.Contains(told[0], "looking for the data of val1") {
			t.Errorf("told: %q", told)
		}
		// Who asks for it by hand has put something right: all tries are there again.
		_, err := a.rollOne(t.Context(), "rollback", "val1", updateFlags{}, a.prepareRollback)
		s, lerr := a.files().Load("val1")
		if !errors.Is(err, roll.ErrUnfinished) || lerr != nil || s.Intent == nil || s.Intent.Tries != 1 {
			t.Errorf("by hand: %v; %+v, %v", err, s.Intent, lerr)
		}
	})
}

// An engine that cannot even begin, or record what it did, is told with the
// error; one for which there is nothing to do is not.
func TestEngineErrorsAreTold(t *testing.T) {
	a := brokenRoll(t)
	s, err := a.files().Load("val1")
	if err != nil {
		t.Fatal(err)
	}
	s.Generations = s.Generations[:1]
	if err := a.files().Save("val1", s); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for range 2 {
		if _, err := a.runEngine(t.Context(), "val1", a.engine(offline{}, func(string) {})); err == nil {
			t.Fatal("no error")
		}
	}
	told := spooled(t, a)
	if len(told) != 2 || told[0] != told[1] || told[0] != "roll-failed update 4.1.2 -> : failed: rolling val1: generation 1 or 2 is not known" {
		t.Errorf("told: %q", told)
	}
	files, err := filepath.Glob(a.path(filepath.Join(spoolDir, "*.json")))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		var e notify.Event
		data, err := os.ReadFile(path)
		if err := errors.Join(err, json.Unmarshal(data, &e), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, e.Key)
	}
	if keys[0] != keys[1] {
		t.Errorf("one error of one roll has the keys %q", keys)
	}
	s.Intent = nil
	if err := a.files().Save("val1", s); err != nil {
		t.Fatal(err)
	}
	if _, err := a.runEngine(t.Context(), "val1", a.engine(offline{}, func(string) {})); !errors.Is(err, roll.ErrNothingToDo) || len(spooled(t, a)) != 0 {
		t.Errorf("%v, told %q", err, spooled(t, a))
	}
}
