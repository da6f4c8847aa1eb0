package extract_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract"
)

// childVariable makes this binary do one thing to a store instead of testing: what the variable says, in fields.
const childVariable = "EXTRACT_TEST_CHILD"

func TestMain(m *testing.M) {
	if do := os.Getenv(childVariable); do != "" {
		os.Exit(child(strings.Fields(do)))
	}
	os.Exit(m.Run())
}

// Exit codes of a child that are not the runtime's.
const (
	childFailed  = 40
	childNoSpace = 41
)

func child(do []string) int {
	debug.SetGCPercent(25) // as the program does
	s, id := &extract.Store{Dir: do[1]}, do[2]
	o := impatient
	var err error
	switch do[0] {
	case "pull":
		_, _, err = s.Pull(context.Background(), id, o)
	case "remove":
		err = s.Remove(id)
	case "collect":
		_, err = s.Collect(func(*extract.Image) string { return "" }, false)
	case "repair":
		_, err = s.Repair(context.Background(), id, o, func(extract.Damage) {})
	}
	fmt.Println(peak())
	switch {
	case errors.Is(err, extract.ErrSpace):
		fmt.Fprintln(os.Stderr, err)
		return childNoSpace
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return childFailed
	}
	return 0
}

// peak is the most memory that this process had, as /proc says. Its rusage would begin with what its parent had.
func peak() string {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// inChild runs a child with args before its own command line, such as a tracer, and returns its exit code, -1 if a signal ended it.
func inChild(t *testing.T, args []string, do ...string) (code int, output string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	args = append(append([]string{}, args...), exe)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childVariable+"="+strings.Join(do, " "))
	raw, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%q: %v, %v: %s", args, err, ctx.Err(), raw)
	}
	return cmd.ProcessState.ExitCode(), string(raw)
}
