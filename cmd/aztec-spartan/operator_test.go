package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/answer"
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
			h := answer.Hear(dir, "status", &out, &out)
			next, err := answer.New(dir, "status", os.Getgid())
			if err != nil {
				t.Fatal(err)
			}
			mustWrite(t, next.Stream(false, io.Discard), "val1 ")
			began := time.Now()
			time.AfterFunc(900*time.Millisecond, func() { // before its unit is over
				mustWrite(t, next.Stream(false, io.Discard), "runs\n")
				if ends {
					err = next.End(exitUnhealthy)
				}
			})
			a := newApp(io.Discard)
			got := a.hearOut(t.Context(), queued{unit: began.Add(time.Second)}, unit, h)
			synctest.Wait() // for what has ended it
			if out.String() != "val1 runs\n" || err != nil || time.Since(began) > time.Second+2*hearEvery {
				t.Errorf("%s: %q after %s, %v", name, out.String(), time.Since(began), err)
			}
			if ends && (got != nil || h.Code() != exitUnhealthy) || !ends && !errors.Is(got, answer.ErrNoEnd) {
				t.Errorf("%s: %v, code %d", name, got, h.Code())
			}
		})
	}
}
