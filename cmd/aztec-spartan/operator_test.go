package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRequest(t *testing.T) {
	for _, test := range []struct {
		verb, names, flags string
		want, args         string
	}{
		{"start", "", "", "start", "start"},
		{"stop", "", "all", "stop:.all", "stop --all"},
		{"restart", "val1 agent-2", "", "restart:val1:agent-2", "restart val1 agent-2"},
		{"status", "val1", "json", "status:val1:.json", "status --json val1"},
		{"disk", "", "json", "disk:.json", "disk --json"},
	} {
		got := request(test.verb, strings.Fields(test.names), strings.Fields(test.flags))
		if got != test.want {
			t.Errorf("%s %s %s: %q, want %q", test.verb, test.names, test.flags, got, test.want)
		}
		if args, err := requestArgs(got); err != nil || strings.Join(args, " ") != test.args {
			t.Errorf("%s: %q, %v, want %q", got, args, err, test.args)
		}
	}
}

// refusedRequests are what no member may have root do.
var refusedRequests = []string{
	"", "config:val1", "keys:val1", "run:val1", "operator:start", "start val1", "start:", "start::val1", "start:-h", "start:--sign", "start:.sign", "start:.here",
	"status:.json:val1", "status:.root=x", "start:val1\n", "start:../val1", "start:" + strings.Repeat("a", 25), "start:VAL1", "status:.",
}

func TestRequestRefused(t *testing.T) {
	for _, r := range refusedRequests {
		if args, err := requestArgs(r); err == nil || codeOf(err) != exitUsage {
			t.Errorf("%q: %q, %v", r, args, err)
		}
	}
}

// Whatever is asked for is a verb of the list with names of instances and with
// flags of the other list.
func FuzzRequest(f *testing.F) {
	for _, r := range append([]string{"start:val1", "status:val1:.json", "stop:.all"}, refusedRequests...) {
		f.Add(r)
	}
	name := regexp.MustCompile(`^[a-z][a-z0-9-]{0,23}$`)
	f.Fuzz(func(t *testing.T, r string) {
		args, err := requestArgs(r)
		if err != nil {
			return
		}
		if !slices.Contains(operatorVerbs, args[0]) {
			t.Errorf("%q: %q", r, args)
		}
		for _, arg := range args[1:] {
			if arg != "--all" && arg != "--json" && !name.MatchString(arg) {
				t.Errorf("%q: %q", r, args)
			}
		}
	})
}

// What polkit lets members start is what root does for them.
func TestOperatorRules(t *testing.T) {
	text, err := os.ReadFile("../../packaging/polkit/50-aztec-spartan.rules")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`/(\^aztec-operator@.*\$)/\.test`).FindSubmatch(text)
	if m == nil {
		t.Fatal("the rules lack it")
	}
	form := regexp.MustCompile(string(m[1]))
	for _, verb := range operatorVerbs {
		if !form.MatchString("aztec-operator@" + request(verb, []string{"val1", "agent-2"}, operatorFlags) + ".service") {
			t.Errorf("%s may not be asked for", verb)
		}
	}
	for _, r := range refusedRequests {
		if form.MatchString("aztec-operator@" + r + ".service") {
			t.Errorf("%q is let through", r)
		}
	}
}

// What root says is heard while it is said, on the same streams, and how it ended.
func TestAnswer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "operator")
	var out, errs, journal bytes.Buffer
	if err := hear(dir, "status", &out, &errs).more(true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing was said: %v", err)
	}
	for _, want := range []int{0, exitUnhealthy} {
		out.Reset()
		errs.Reset()
		journal.Reset()
		h := hear(dir, "status", &out, &errs) // the second time there is the first answer
		if err := h.more(false); err != nil || out.Len() != 0 {
			t.Errorf("nothing was said yet: %v, %q", err, out.String())
		}
		a, err := newAnswer(dir, "status", os.Getgid())
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, a.stream(false, &journal), "val1 \"is\"\n")
		if err := h.more(false); err != nil || out.String() != "val1 \"is\"\n" {
			t.Errorf("while it is said: %v, %q", err, out.String())
		}
		mustWrite(t, a.stream(true, &journal), "warning\n")
		mustWrite(t, a.stream(false, &journal), "healthy\n")
		if err := a.end(want); err != nil {
			t.Fatal(err)
		}
		if err := h.more(true); err != nil || h.code != want || out.String() != "val1 \"is\"\nhealthy\n" || errs.String() != "warning\n" {
			t.Errorf("at last: %v, code %d, %q and %q", err, h.code, out.String(), errs.String())
		}
		if journal.String() != "val1 \"is\"\nwarning\nhealthy\n" {
			t.Errorf("the journal has %q", journal.String())
		}
	}
	// Who asks what somebody else has just asked hears the same.
	out.Reset()
	h := hear(dir, "status", &out, &errs)
	if err := h.more(true); err != nil || h.code != exitUnhealthy || out.String() != "val1 \"is\"\nhealthy\n" {
		t.Errorf("of the same time: %v, %q", err, out.String())
	}
	if info, err := os.Stat(answerPath(dir, "status")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("%v, %v", info, err)
	}

	// One that breaks off is not taken for the end, and old ones go.
	broken, err := newAnswer(dir, "disk", os.Getgid())
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, broken.stream(false, &journal), "half")
	if err := hear(dir, "disk", &out, &errs).more(true); !errors.Is(err, errNoAnswer) {
		t.Errorf("it broke off: %v", err)
	}
	long := time.Now().Add(-2 * operatorKept)
	if err := os.Chtimes(answerPath(dir, "disk"), long, long); err != nil {
		t.Fatal(err)
	}
	if _, err := newAnswer(dir, "status", os.Getgid()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "status" {
		t.Errorf("left: %v, %v", left, err)
	}
}

func mustWrite(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// Between the end of an answer and its first line somebody else may have begun to
// ask the same: theirs is heard out, and one that has broken off is not waited for.
func TestAnswerOfTheNext(t *testing.T) {
	const unit = "aztec-operator@status.service"
	for name, ends := range map[string]bool{"ends": true, "breaks off": false} {
		synctest.Test(t, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "operator")
			var out bytes.Buffer
			h := hear(dir, "status", &out, &out)
			next, err := newAnswer(dir, "status", os.Getgid())
			if err != nil {
				t.Fatal(err)
			}
			mustWrite(t, next.stream(false, io.Discard), "val1 ")
			began := time.Now()
			time.AfterFunc(900*time.Millisecond, func() { // before its unit is over
				mustWrite(t, next.stream(false, io.Discard), "runs\n")
				if ends {
					err = next.end(exitUnhealthy)
				}
			})
			a := newApp(io.Discard)
			got := a.hearOut(t.Context(), queued{unit: began.Add(time.Second)}, unit, h)
			synctest.Wait() // for what has ended it
			if out.String() != "val1 runs\n" || err != nil || time.Since(began) > time.Second+2*hearEvery {
				t.Errorf("%s: %q after %s, %v", name, out.String(), time.Since(began), err)
			}
			if ends && (got != nil || h.code != exitUnhealthy) || !ends && !errors.Is(got, errNoAnswer) {
				t.Errorf("%s: %v, code %d", name, got, h.code)
			}
		})
	}
}
