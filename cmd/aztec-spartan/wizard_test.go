package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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
	// Not closed: the form library asks for its size in a goroutine that nobody waits for.
	return master, slave
}

// fullTerminal is a terminal of 80 columns, for forms that move the cursor.
func fullTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	t.Setenv("TERM", "xterm")
	t.Setenv("ACCESSIBLE", "")
	master, slave = terminal(t)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
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

// unechoed waits until what is typed is not echoed. A person, too, sees a
// question before it is.
func unechoed(ctx context.Context, master *os.File) error {
	for {
		// Of either end, they are those of the terminal (ioctl_tty(2)).
		t, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS)
		if err != nil || t.Lflag&unix.ECHO == 0 {
			return err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("what is typed is still echoed: %w", ctx.Err())
		}
	}
}

// answer waits for a question and types an answer.
func (p *person) answer(ctx context.Context, master *os.File, question, text string) error {
	if err := p.sees(ctx, question); err != nil {
		return err
	}
	if strings.HasPrefix(question, "Private key") {
		if err := unechoed(ctx, master); err != nil {
			return err
		}
	}
	_, err := io.WriteString(master, text+"\n")
	return err
}

// sees waits until something is on the screen, behind what was seen before.
func (p *person) sees(ctx context.Context, words string) error {
	for {
		seen := p.seen()
		if i := strings.Index(seen[p.from:], words); i >= 0 {
			p.from += i + len(words)
			return nil
		}
		select {
		case <-p.more:
		case <-ctx.Done():
			return fmt.Errorf("%q was never seen; on the screen: %q", words, seen[p.from:])
		}
	}
}

// wizard runs config on a terminal with answers to its questions.
func wizard(t *testing.T, root string, args []string, answers [][2]string) (screen string, code int) {
	t.Helper()
	return asked(t, answers, func(ctx context.Context, tty *os.File) int {
		return run(ctx, append([]string{"--root", root}, args...), tty, tty, tty)
	})
}

// asked has a person at the terminal of do, who answers its questions.
func asked(t *testing.T, answers [][2]string, do func(ctx context.Context, tty *os.File) int) (screen string, code int) {
	t.Helper()
	t.Setenv("ACCESSIBLE", "1")
	master, slave := terminal(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	p := &person{more: make(chan struct{}, 1)}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		p.read(master)
	}()
	done := make(chan int, 1)
	go func() { done <- do(ctx, slave) }()
	for _, qa := range answers {
		if err := p.answer(ctx, master, qa[0], qa[1]); err != nil {
			cancel()
			t.Fatal(err)
		}
	}
	select {
	case code = <-done:
	case <-ctx.Done():
		t.Fatalf("it does not end; on the screen: %q", p.seen())
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
		{"Coinbase", "0x12"},
		{"Coinbase", ""}, // that of the key
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
	// What would keep it from running is said before anybody agrees.
	if found := strings.Index(screen, "127.0.0.1:8545: it does not answer"); found < 0 || found > strings.Index(screen, "Write val1") {
		t.Errorf("L1 was not looked at:\n%s", screen)
	}
	if !strings.Contains(screen, "+admin = 8990") {
		t.Errorf("no difference is shown before it is written:\n%s", screen)
	}
}

// Asked again, an instance keeps what is not answered anew, shows nothing that
// is secret, and is not asked what would make it another one.
func TestWizardAgain(t *testing.T) {
	h := newScriptHost(t)
	const url = "https://eth.example/v3/SECRETKEY1"
	h.must(h.good("val1", "--ethereum-host", url, "--coinbase", "0x70997970c51812dc3a010c7d01b50e0d17dc79c8", "--set", "P2P_MAX_PEERS=50", "--allow", "10.0.0.0/8")...)
	file := strings.TrimPrefix(instancePath("val1", "instance.toml"), "/")
	before, keys := h.read(file), h.read(strings.TrimPrefix(instancePath("val1", keystoreFile), "/"))
	questions := [][2]string{
		{"L1 execution node [http://127.0.0.1:8545,https://eth.example/...]", ""},
		{"RPC port [8080]", ""},
		{"Admin port [8880]", ""},
		{"Directory of the data [/var/lib/aztec/val1]", ""},
		{"Private key of the attester [0x70997970C51812dc3A010C7d01b50e0d17dc79C8]", ""},
		{"Coinbase [0x70997970c51812dc3a010c7d01b50e0d17dc79c8]", ""},
	}
	screen, code := wizard(t, h.root, []string{"config", "val1", "--no-pull"}, questions)
	if code != 0 || h.read(file) != before || h.read(strings.TrimPrefix(instancePath("val1", keystoreFile), "/")) != keys {
		t.Errorf("nothing was asked for: code %d:\n%s", code, screen)
	}
	for _, word := range []string{"SECRETKEY1", "Role", "Network", "Version", "Write val1"} {
		if strings.Contains(screen, word) {
			t.Errorf("%q is on the screen:\n%s", word, screen)
		}
	}

	questions[1][1] = "8085"
	questions = append(questions, [2]string{"Write val1", "y"})
	screen, code = wizard(t, h.root, []string{"config", "val1", "--no-pull"}, questions)
	if want := strings.Replace(before, "rpc = 8080", "rpc = 8085", 1); code != 0 || h.read(file) != want || want == before {
		t.Errorf("another port: code %d:\n%s\n%s", code, h.read(file), screen)
	}

	// Another key, and other URLs, are taken as any answer.
	questions[0][1], questions[1], questions[4][1] = "http://127.0.0.1:8547", [2]string{"RPC port [8085]", ""}, "0x"+otherKey
	screen, code = wizard(t, h.root, []string{"config", "val1", "--no-pull"}, questions)
	if text := h.read(file); code != 0 || !strings.Contains(text, `["http://127.0.0.1:8547"]`) || strings.Contains(text, "SECRETKEY1") || !strings.Contains(text, "P2P_MAX_PEERS") {
		t.Errorf("other answers: code %d:\n%s\n%s", code, text, screen)
	}
	if text := h.read(strings.TrimPrefix(instancePath("val1", keystoreFile), "/")); !strings.Contains(text, strings.TrimPrefix(otherKey, "0x")) || strings.Contains(screen, strings.TrimPrefix(otherKey, "0x")[:8]) {
		t.Errorf("the key is not taken, or on the screen")
	}

	// What finds its address by itself is not given one.
	text := strings.Replace(h.read(file), "enabled = false", "enabled = true\nquery_ip = true", 1)
	if err := os.WriteFile(filepath.Join(h.root, file), []byte(text), 0o640); err != nil || !strings.Contains(text, "query_ip") {
		t.Fatalf("%v:\n%s", err, text)
	}
	asked := [][2]string{{"L1 execution node [http://127.0.0.1:8547]", ""}, {"RPC port", ""}, {"Admin port", ""}, {"P2P port", ""}, {"Directory", ""}, {"Private key", ""}, {"Coinbase", ""}}
	if screen, code = wizard(t, h.root, []string{"config", "val1", "--no-pull"}, asked); code != 0 || h.read(file) != text {
		t.Errorf("an address of its own: code %d:\n%s\n%s", code, h.read(file), screen)
	}

	// A flag says what to change: nothing is asked.
	if screen, code = wizard(t, h.root, []string{"config", "val1", "--no-pull", "--port", "8086"}, nil); code != 0 || !strings.Contains(h.read(file), "rpc = 8086") {
		t.Errorf("a flag: code %d:\n%s", code, screen)
	}
}

// Of a network that is not known here, a node of it is asked, or else what that
// would have said.
func TestWizardBootnode(t *testing.T) {
	root, url := t.TempDir(), bootnodeServer(t, 200, goodNodeInfo)
	args := []string{"config", "val1", "--role", "sequencer", "--network", "custom", "--version", "0.67.1", "--no-pull", "--no-p2p"}
	rest := [][2]string{{"L1 execution node", "http://127.0.0.1:8545"}, {"RPC port", ""}, {"Admin port", ""}, {"Directory", ""}, {"Private key", "0x" + someKey}, {"Coinbase", ""}, {"Write val1", "y"}}
	screen, code := wizard(t, root, args, slices.Concat([][2]string{{"Bootnode", "eth.example"}, {"a URL", url}}, rest))
	text, err := os.ReadFile(filepath.Join(root, instancePath("val1", "instance.toml")))
	if err != nil || code != 0 || !strings.Contains(string(text), "chain_id = 31337") || !strings.Contains(string(text), `registry_address = "0x0000000000000000000000000000000000000001"`) || strings.Contains(screen, "Chain ID") {
		t.Errorf("asked a bootnode: code %d, %v:\n%s\n%s", code, err, text, screen)
	}
	root = t.TempDir()
	screen, code = wizard(t, root, args, slices.Concat([][2]string{{"Bootnode", ""}}, rest[:1], [][2]string{{"Chain ID of L1", "31337"}}, rest[1:]))
	if text, err = os.ReadFile(filepath.Join(root, instancePath("val1", "instance.toml"))); err != nil || code != 0 || !strings.Contains(string(text), "chain_id = 31337") {
		t.Errorf("without a bootnode: code %d, %v:\n%s\n%s", code, err, text, screen)
	}
}
