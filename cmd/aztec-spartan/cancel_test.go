package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// interrupted runs a verb on a terminal, and answers its question by Ctrl-C.
func interrupted(t *testing.T, question string, verb func(ctx context.Context, tty *os.File) error) error {
	t.Helper()
	return left(t, question, "\x03", verb)
}

// left runs a verb on a terminal that is asked a question and given an answer
// that is none, or SIGTERM for the empty one.
func left(t *testing.T, question, answer string, verb func(ctx context.Context, tty *os.File) error) error {
	t.Helper()
	master, slave := fullTerminal(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	p := &person{more: make(chan struct{}, 1)}
	go p.read(master)
	done := make(chan error, 1)
	go func() { done <- verb(ctx, slave) }()
	if err := p.answer(ctx, master, question, answer); err != nil {
		t.Fatal(err)
	}
	if answer == "" {
		if err := unix.Kill(os.Getpid(), unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	return <-done
}

// Ctrl-C at a question says what was changed until then, in the words of the
// verb that asked.
func TestCtrlC(t *testing.T) {
	const nothing = "cancelled, nothing was changed"
	bundle := filepath.Join(t.TempDir(), "val1.age")
	put(t, bundle, "of another host")
	for _, test := range []struct{ args, question, want string }{
		{"config", "Name of the instance", "config: " + nothing},
		{"config val2 --no-pull", "Role", "config: " + nothing},
		{"config val1 --no-pull", "L1 execution node", "config: " + nothing},
		{"keys val1 add", "Private key", "adding keys to val1: " + nothing},
		{"export val1 /tmp/never.age", "Passphrase", nothing},
		{"import " + bundle, "Passphrase", nothing},
		{"remove val1 --purge", "Delete all of this", "remove: " + nothing},
	} {
		h := newScriptHost(t)
		h.must(h.good("val1")...)
		var said string
		err := interrupted(t, test.question, func(ctx context.Context, tty *os.File) error {
			out, err := os.Create(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				return err
			}
			defer out.Close()
			a := newApp(out)
			a.in, a.err, a.root = tty, tty, h.root
			cmd := a.command()
			cmd.SetArgs(append(strings.Fields(test.args), "--root", h.root))
			return cmd.ExecuteContext(ctx)
		})
		if err != nil {
			said = err.Error()
		}
		if said != test.want {
			t.Errorf("%s: got %q, want %q", test.args, said, test.want)
		}
	}
}

// Of an adoption something was changed: the instance is there.
func TestCtrlCAtAdopt(t *testing.T) {
	b := newAdoptBench(t)
	r := b.prepared(t, adoptFlags{})
	err := interrupted(t, "Stop the container", func(ctx context.Context, tty *os.File) error {
		b.in, b.err = tty, tty
		return b.consent(ctx, adoptFlags{}, r)
	})
	if err == nil || err.Error() != "adopt: cancelled; the instance is configured, the container was not touched" {
		t.Errorf("got %v", err)
	}
}

// A signal answers no question: the default would be taken for the answer.
func TestTerminated(t *testing.T) {
	h := newScriptHost(t)
	err := left(t, "Name of the instance", "", func(ctx context.Context, tty *os.File) error {
		a := newApp(tty)
		a.in, a.err, a.root = tty, tty, h.root
		_, err := a.promptName(ctx)
		return err
	})
	if !errors.Is(err, errConfigCancelled) {
		t.Errorf("got %v", err)
	}
}
