//go:build booted

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

type faultyKey struct{}

// faulty is a registry that does what a script tells it to.
type faulty struct {
	honest  http.Handler
	server  *httptest.Server
	fault   atomic.Value // string
	refused atomic.Bool  // the one answer that "busy" refuses
	stalled atomic.Value // chan struct{}, of the last "stall": an interrupted pull has several requests that stall, and none is one of the next pull
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, _ := f.fault.Load().(string)
	blob := strings.Contains(r.URL.Path, "/blobs/")
	switch {
	case kind == "moved":
		if before, ok := strings.CutSuffix(r.URL.Path, "/manifests/"+stubimage.Good); ok {
			r.URL.Path = before + "/manifests/" + stubimage.Newer
		}
	case kind == "deleted" && strings.HasSuffix(r.URL.Path, "/tags/list"):
		fmt.Fprintf(w, `{"tags":[%q]}`, stubimage.Good)
		return
	case kind == "private":
		w.Header().Set("WWW-Authenticate", `Basic realm="here"`)
		if user, password, _ := r.BasicAuth(); user != "operator" || password != "open sesame" {
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}`, http.StatusUnauthorized)
			return
		}
	case kind == "busy" && blob && !f.refused.Swap(true):
		w.Header().Set("Retry-After", "1")
		http.Error(w, "{}", http.StatusTooManyRequests)
		return
	case kind == "stall" && blob:
		w = &stalling{ResponseWriter: w, until: r.Context().Done(), stalled: f.stalled.Load().(chan struct{})}
	}
	f.honest.ServeHTTP(w, r)
}

// stalling sends a while, and then no more.
type stalling struct {
	http.ResponseWriter
	sent    int
	until   <-chan struct{}
	stalled chan<- struct{}
}

func (s *stalling) Write(p []byte) (int, error) {
	const enough = 256 << 10 // more than all layers but one have
	if s.sent += len(p); s.sent > enough {
		select {
		case s.stalled <- struct{}{}:
		default:
		}
		<-s.until
		return 0, http.ErrAbortHandler
	}
	return s.ResponseWriter.Write(p)
}

// spoil is the command "fault KIND": moved (4.1.2 is 4.1.3), deleted (all but 4.1.2), private, busy (once), stall, away, or none.
func spoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fault KIND")
	}
	f := ts.Value(faultyKey{}).(*faulty)
	if args[0] == "away" {
		f.server.Close()
		return
	}
	if args[0] == "stall" {
		f.stalled.Store(make(chan struct{}, 1))
	}
	f.fault.Store(args[0])
}

// await is the command "await stall", for a request that stalls, or "await DIR", for a process that has it as its root.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await stall|DIR")
	}
	if args[0] == "stall" {
		<-ts.Value(faultyKey{}).(*faulty).stalled.Load().(chan struct{})
		return
	}
	want, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(testhost.Wait(context.Background(), "a process in "+args[0], func() (bool, error) {
		roots, err := filepath.Glob("/proc/[0-9]*/root")
		for _, root := range roots {
			if is, err := os.Stat(root); err == nil && os.SameFile(is, want) {
				return true, nil
			}
		}
		return false, err
	}))
}

// compareJSON is the command "json PATH VALUE": PATH into the JSON of the last
// command's standard output, such as 0.damage.1.path, is VALUE; ">0" is any
// number above it, "n=N" any list of N, "absent" nothing.
func compareJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	out := ts.ReadFile("stdout")
	var v any
	dec := json.NewDecoder(strings.NewReader(out))
	dec.UseNumber()
	ts.Check(dec.Decode(&v))
	got := "absent"
	if v, ok := walk(v, strings.Split(args[0], ".")); ok {
		got = asText(v, args[1])
	}
	if (got == args[1]) == neg {
		ts.Fatalf("%s is %s, want %s, in\n%s", args[0], got, args[1], out)
	}
}

func walk(v any, path []string) (any, bool) {
	for _, key := range path {
		switch in := v.(type) {
		case map[string]any:
			var ok bool
			if v, ok = in[key]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(key)
			if key != "" && (err != nil || i >= len(in)) {
				return nil, false
			}
			if key != "" {
				v = in[i]
			}
		default:
			return nil, false
		}
	}
	return v, true
}

func asText(v any, want string) string {
	switch v := v.(type) {
	case []any:
		if strings.HasPrefix(want, "n=") {
			return fmt.Sprintf("n=%d", len(v))
		}
	case json.Number:
		if n, err := v.Float64(); err == nil && n > 0 && want == ">0" {
			return want
		}
	case string:
		return v
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(text.String())
}
