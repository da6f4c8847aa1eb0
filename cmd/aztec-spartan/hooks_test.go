package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/hook"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// script writes a hook and returns its path.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// runHook runs one as an operator's and returns what it said.
func runHook(t *testing.T, ctx context.Context, path string, u profiles.Update) ([]string, error) {
	t.Helper()
	var said []string
	out := roll.Outcome{Kind: roll.Update, From: "4.1.2", To: "4.1.3", Result: roll.RolledBack, Reason: "exited with code 1"}
	env := hookEnv("val1", roll.State{Unit: "aztec-sequencer@val1.service"}, roll.Generation{Digest: "sha256:a"}, roll.Generation{Digest: "sha256:b"}, out)
	err := newApp(&strings.Builder{}).hook(ctx, path, u, env, func(line string) { said = append(said, line) })
	return said, err
}

// A hook finds what it is about in its environment, and nothing else of ours.
func TestHookEnvironment(t *testing.T) {
	t.Setenv("SECRET", "x")
	said, err := runHook(t, t.Context(), script(t, "env | grep -v '^_=\\|^PWD=\\|^SHLVL=\\|^OLDPWD=' | sort; pwd"), profiles.Update{})
	want := []string{
		"AZTEC_SPARTAN_FROM=4.1.2", "AZTEC_SPARTAN_FROM_DIGEST=sha256:a", "AZTEC_SPARTAN_INSTANCE=val1", "AZTEC_SPARTAN_KIND=update",
		"AZTEC_SPARTAN_REASON=exited with code 1", "AZTEC_SPARTAN_RESULT=rolled-back", "AZTEC_SPARTAN_TO=4.1.3", "AZTEC_SPARTAN_TO_DIGEST=sha256:b",
		"AZTEC_SPARTAN_UNIT=aztec-sequencer@val1.service", "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "/",
	}
	for i := range want {
		want[i] = "hook: " + want[i]
	}
	if err != nil || !slices.Equal(said[1:], want) {
		t.Errorf("%v\n%s", err, strings.Join(said, "\n"))
	}
}

func TestHookFails(t *testing.T) {
	writable := script(t, "true")
	if err := os.Chmod(writable, 0o775); err != nil {
		t.Fatal(err)
	}
	plain := script(t, "true")
	if err := os.Chmod(plain, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ path, timeout, want string }{
		"its code":    {script(t, "echo no disk >&2; exit 7"), "", "exit status 7"},
		"its time":    {script(t, "exec sleep 1000"), "1s", "it took longer than 1s"},
		"writable":    {writable, "", "others than root may write it: chown root "},
		"not a hook":  {plain, "", "it cannot be run"},
		"a directory": {t.TempDir(), "", "it is no file"},
		"not there":   {"/nowhere/hook", "", "no such file"},
	} {
		if _, err := runHook(t, t.Context(), test.path, profiles.Update{HookTimeout: test.timeout}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

// What a hook prints drives no terminal, and a line without an end is no reason
// to wait.
func TestHookOutput(t *testing.T) {
	said, err := runHook(t, t.Context(), script(t, `printf 'a\033[2Jb\n'; head -c 200000 /dev/zero | tr '\0' x`), profiles.Update{})
	if err != nil || len(said) != 2 || said[1] != `hook: a\u001b[2Jb` && said[1] != "hook: a [2Jb" {
		t.Errorf("%v, %d lines, %.80q", err, len(said), said)
	}
}

// A stop of the roll's service ends a post-hook; the roll that a stop has
// cancelled has one still, for a short time.
func TestPostHookStopped(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "runs")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	a := newApp(&strings.Builder{})
	var said []string
	say := func(line string) { said = append(said, line) }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.postHook(ctx, profiles.Update{PostHook: script(t, "echo >"+pipe+"; sleep 1000")}, nil, say)
	}()
	if _, err := os.ReadFile(pipe); err != nil { // it runs
		t.Fatal(err)
	}
	began := time.Now()
	cancel()
	<-done
	if took := time.Since(began); took > hook.KillDelay+10*time.Second || !strings.Contains(said[len(said)-1], "failed: ") {
		t.Errorf("it took %s: %q", took, said)
	}
	said = nil
	a.postHook(ctx, profiles.Update{PostHook: script(t, "echo told")}, nil, say)
	if !slices.Contains(said, "hook: told") || len(said) != 2 {
		t.Errorf("after a roll that was cancelled: %q", said)
	}
}

// A stop cancels a roll, and does not wait for one that only has its post-hook
// to run, which may be what stops.
func TestStopUndecided(t *testing.T) {
	a := newApp(&strings.Builder{})
	a.root = t.TempDir()
	state := roll.State{Unit: "aztec-sequencer@val1.service", Intent: &roll.Intent{Kind: roll.Update, From: 1, To: 2}}
	put(t, a.path(filepath.Join(stateDir, "val1", "x")), "")
	if err := a.files().Save("val1", state); err != nil {
		t.Fatal(err)
	}
	if !a.undecided("val1") {
		t.Error("a roll without an outcome is not cancelled")
	}
	state.Intent, state.LastRoll = nil, &roll.Outcome{Result: roll.Done}
	if err := a.files().Save("val1", state); err != nil {
		t.Fatal(err)
	}
	if a.undecided("val1") {
		t.Error("a stop waits for the post-hook")
	}
	put(t, a.path(filepath.Join(stateDir, "val1", "state.json")), "{")
	if !a.undecided("val1") {
		t.Error("a roll of which nothing is known is not cancelled")
	}
}
