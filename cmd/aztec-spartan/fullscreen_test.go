package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// move is what a person does at a terminal: they see something, and type.
type move struct{ sees, types string }

const (
	enter = "\r"
	erase = "\x15" // Ctrl-U
)

// fullScreen runs a command on a terminal of 80 columns, in the form that moves
// the cursor, and returns all that was ever drawn there.
func fullScreen(t *testing.T, args []string, moves []move) (drawn string, code int) {
	t.Helper()
	master, slave := fullTerminal(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	p := &person{more: make(chan struct{}, 1)}
	go p.read(master)
	done := make(chan int, 1)
	go func() { done <- run(ctx, args, slave, slave, slave) }()
	for _, m := range moves {
		if err := p.sees(ctx, m.sees); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(master, m.types); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case code = <-done:
	case <-ctx.Done():
		t.Fatalf("it does not end; on the screen: %q", p.seen())
	}
	return p.seen(), code
}

// The wizard from its first question to its last, among them all that
// aztec-spartan.sh asks for (network, ports, key, coinbase, address, where the
// data are): what is wrong is said while it is typed, no secret is ever drawn, and nothing is written before the
// difference was seen and agreed to.
func TestFullScreenWizard(t *testing.T) {
	services := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "203.0.113.7") }))
	defer services.Close()
	root := t.TempDir()
	put(t, filepath.Join(root, configFile), fmt.Sprintf("[network]\nip_services = [\"%[1]s/a\", \"%[1]s/b\"]\n", services.URL))
	toml := filepath.Join(root, instancePath("val1", "instance.toml"))
	const secret = "SECRETKEY1"
	moves := []move{
		{"Name of the instance", erase + "Val"},
		{`instance name "Val"`, erase + "val1" + enter}, // while it is typed
		{"Role", enter},    // the sequencer comes first
		{"Network", enter}, // mainnet
		{"Version", enter},
		{"must not be empty", "4.1.2" + enter},
		{"L1 execution node", "eth.example"},
		{"a URL starts with", erase + "https://eth.example/v3/" + secret + enter},
		{"L1 beacon node", "https://beacon.example" + enter},
		{"Public IP address", enter}, // the one that two services agree on
		{"RPC port", erase + "80"},
		{"80 is below 1024", erase + "8085" + enter},
		{"Admin port", enter},
		{"P2P port", enter},
		{"Directory of the data", erase + "srv"},
		{"is not an absolute path", erase + "/srv/val1" + enter},
		{"Private key of the attester", "0x" + someKey[:40]},
		{"64 hexadecimal digits are wanted", someKey[40:] + enter},
		{"Coinbase", "0x12"},
		{"40 hexadecimal digits are wanted", erase + "0x00000000000000000000000000000000000000c0" + enter},
	}
	sees := func(drawn string, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(drawn, w) {
				t.Errorf("%q was never drawn:\n%q", w, drawn)
			}
		}
	}
	args := []string{"config", "--root", root, "--no-pull"}
	for _, agreed := range []bool{false, true} {
		answer, want := "n", exitFailed
		if agreed {
			answer, want = "y", 0
		}
		drawn, code := fullScreen(t, args, append(moves, move{"Write val1", answer}))
		if code != want || exists(toml) != agreed {
			t.Fatalf("agreed %t: code %d, written %t:\n%q", agreed, code, exists(toml), drawn)
		}
		for i := 0; i+8 <= len(someKey); i++ {
			if strings.Contains(drawn, someKey[i:i+8]) {
				t.Fatal("eight digits of the key were drawn")
			}
		}
		if _, after, _ := strings.Cut(drawn, "L1 beacon node"); strings.Contains(after, secret) {
			t.Error("the secret of a URL is shown once it was typed")
		}
		before, _, _ := strings.Cut(drawn, "Write val1")
		sees(before, "+rpc = 8085", "+admin = 8880", "+ip = \"203.0.113.7\"", "+data_dir = \"/srv/val1\"")
		sees(drawn, "val1 (sequencer, mainnet, 4.1.2)")
	}
	text, err := os.ReadFile(toml)
	if err != nil || !strings.Contains(string(text), secret) || !strings.Contains(string(text), `coinbase = "0x00000000000000000000000000000000000000c0"`) {
		t.Errorf("%v:\n%s", err, text)
	}
	if key, err := os.ReadFile(filepath.Join(root, instancePath("val1", keystoreFile))); err != nil || !strings.Contains(string(key), someKey) {
		t.Errorf("the keystore: %v", err)
	}
	// Asked again, everything is proposed but secrets, and nothing is changed.
	drawn, code := fullScreen(t, append(args, "val1"), []move{
		{"[https://eth.example/...", enter},
		{"L1 beacon node", enter},
		{"Public IP address", enter},
		{"RPC port", enter},
		{"Admin port", enter},
		{"P2P port", enter},
		{"Directory of the data", enter},
		{"Private key of the attester", enter},
		{"Coinbase", enter},
	})
	if now, err := os.ReadFile(toml); code != 0 || err != nil || string(now) != string(text) || strings.Contains(drawn, secret) {
		t.Errorf("asked again: code %d, %v:\n%s\n%q", code, err, now, drawn)
	}
}
