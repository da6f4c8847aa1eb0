package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is both ends of a pseudo terminal (pty(7)).
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// person answers questions by what they say. What is said before an answer is
// typed is all that is looked at for the next question.
type person struct {
	mu     sync.Mutex
	screen bytes.Buffer
	from   int
	more   chan struct{}
}

func (p *person) read(master *os.File) {
	buf := make([]byte, 4096)
	for {
		n, err := master.Read(buf)
		p.mu.Lock()
		p.screen.Write(buf[:n])
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (p *person) seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

// answer waits for a question and types an answer.
func (p *person) answer(ctx context.Context, master *os.File, question, text string) error {
	for {
		seen := p.seen()
		if i := strings.Index(seen[p.from:], question); i >= 0 {
			p.from += i + len(question)
			_, err := io.WriteString(master, text+"\n")
			return err
		}
		select {
		case <-p.more:
		case <-ctx.Done():
			return fmt.Errorf("%q was never asked; on the screen: %q", question, seen[p.from:])
		}
	}
}

// wizard runs config on a terminal with answers to its questions.
func wizard(t *testing.T, root string, args []string, answers [][2]string) (screen string, code int) {
	t.Helper()
	t.Setenv("ACCESSIBLE", "1")
	master, slave := terminal(t)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	p := &person{more: make(chan struct{}, 1)}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		p.read(master)
	}()
	done := make(chan int, 1)
	go func() { done <- run(ctx, append([]string{"--root", root}, args...), slave, slave, slave) }()
	for _, qa := range answers {
		if err := p.answer(ctx, master, qa[0], qa[1]); err != nil {
			cancel()
			t.Fatal(err)
		}
	}
	select {
	case code = <-done:
	case <-ctx.Done():
		t.Fatalf("config does not end; on the screen: %q", p.seen())
	}
	slave.Close() // the end of what is on the screen
	<-drained
	return p.seen(), code
}

func TestWizard(t *testing.T) {
	root := t.TempDir()
	toml := filepath.Join(root, instancePath("val1", "instance.toml"))
	answers := [][2]string{
		{"Role", "1"},
		{"L1 execution node", "eth.example"},
		{"a URL", "http://127.0.0.1:8545"}, // what is wrong is said at once, and asked again
		{"RPC port [8080]", ""},
		{"Admin port", "8990"},
		{"Directory of the data", ""},
		{"Private key of the attester", "0x" + someKey},
		{"Write val1", "n"},
	}
	args := []string{"config", "val1", "--network", "local", "--version", "4.1.2", "--no-pull"}
	screen, code := wizard(t, root, args, answers)
	if _, err := os.Stat(toml); err == nil || code != exitFailed || !strings.Contains(screen, "nothing was changed") {
		t.Errorf("cancelled: code %d, %v:\n%s", code, err, screen)
	}
	answers[len(answers)-1][1] = "y"
	screen, code = wizard(t, root, args, answers)
	data, err := os.ReadFile(toml)
	if err != nil || code != 0 || !strings.Contains(string(data), "admin = 8990") || !strings.Contains(string(data), "rpc = 8080") {
		t.Errorf("code %d, %v:\n%s\n%s", code, err, data, screen)
	}
	if strings.Contains(screen, someKey[:8]) {
		t.Error("the key is on the screen")
	}
	if !strings.Contains(screen, "+admin = 8990") {
		t.Errorf("no difference is shown before it is written:\n%s", screen)
	}
}
