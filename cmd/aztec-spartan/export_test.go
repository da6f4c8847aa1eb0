package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// call runs a verb on a tree.
func call(t *testing.T, root string, args ...string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), append(args, "--root", root), strings.NewReader(""), &out, &out)
	return code, out.String()
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What one host exports is on another one what it was, and the first does not
// start it again.
func TestExportImport(t *testing.T) {
	from, to, dir := doctorTree(t, fakeEthereum(t, 11155111)), t.TempDir(), t.TempDir()
	etc, data, dropIn := "etc/aztec-spartan/instances/val1/", "var/lib/aztec/val1/", "etc/systemd/system/aztec-sequencer@val1.service.d/"
	put(t, filepath.Join(from, etc, "local.env"), "P2P_MAX_PEERS=7\n")
	put(t, filepath.Join(from, data, "signing-protection/data.mdb"), "what was signed")
	put(t, filepath.Join(from, data, "p2p-private-key"), "who it is")
	put(t, filepath.Join(from, data, "archiver/data.mdb"), "what all have")
	policy := roll.State{
		Pin:     &roll.Pin{Version: "4.1.2", Until: time.Date(2199, 12, 24, 0, 0, 0, 0, time.UTC)},
		Skipped: []roll.Skip{{Version: "4.1.3", Digest: "sha256:" + strings.Repeat("a", 64), Reason: "exited\x1b[2J with code 1"}},
	}
	if err := (&app{root: from}).files().Save("val1", policy); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(from, dropIn, "override.conf"), "[Service]\nMemoryHigh=7G\n")
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	identity, file, words := filepath.Join(dir, "id"), filepath.Join(dir, "val1.age"), filepath.Join(dir, "words")
	put(t, identity, id.String()+"\n")
	put(t, words, "correct horse battery\n")

	for name, args := range map[string][]string{
		"not an age recipient":  {"--recipient", "age1x"},
		"no terminal":           {},
		"shorter than 10":       {"--passphrase-file", filepath.Join(from, etc, "../../none")},
		"exclude each other":    {"--recipient", id.Recipient().String(), "--passphrase-file", words},
		"is there already":      {"--recipient", id.Recipient().String()},
		"no such file or direc": {"--passphrase-file", "/not/there"},
	} {
		out := file
		if name == "is there already" {
			out = words
		}
		if name == "shorter than 10" {
			put(t, filepath.Join(from, etc, "../../none"), "short\n")
		}
		if code, said := call(t, from, append([]string{"export", "val1", out}, args...)...); code != exitUsage || !strings.Contains(said, name) {
			t.Errorf("%s: exit code %d: %s", name, code, said)
		}
	}
	if code, said := call(t, from, "export", "val1", file, "--recipient", id.Recipient().String(), "--move"); code != 0 {
		t.Fatalf("export: %d: %s", code, said)
	}
	if text := get(t, file); strings.Contains(text, someKey) || strings.Contains(text, "what was signed") {
		t.Error("the bundle can be read")
	}
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}

	// Who has not the identity gets nothing, and leaves nothing.
	if code, said := call(t, to, "import", file, "--passphrase-file", words); code != exitFailed || !strings.Contains(said, "not the one that it was made for") || exists(filepath.Join(to, "etc")) {
		t.Errorf("with a passphrase: %d: %s", code, said)
	}
	cut := filepath.Join(dir, "cut.age")
	put(t, cut, get(t, file)[:len(get(t, file))-30])
	if code, said := call(t, to, "import", cut, "--identity", identity); code != exitFailed || exists(filepath.Join(to, etc, "instance.toml")) || exists(filepath.Join(to, data)) || exists(filepath.Join(to, "var/lib/aztec/.import-val1")) {
		t.Errorf("a cut bundle: %d: %s", code, said)
	}
	if code, said := call(t, to, "import", file, "--identity", identity); code != 0 || !strings.Contains(said, "it is pinned to 4.1.2 until 2199-12-") || !strings.Contains(said, "aztec-spartan unskip val1 takes that back") {
		t.Fatalf("import: %d: %s", code, said)
	}
	if s, err := (&app{root: to}).files().Load("val1"); err != nil || s.Unit != someUnit || !s.Pin.Until.Equal(policy.Pin.Until) || len(s.Skipped) != 1 || s.Skipped[0].Digest != policy.Skipped[0].Digest || strings.Contains(s.Skipped[0].Reason, "\x1b") {
		t.Errorf("its pin and what it skips came as %+v, %+v, %v", s.Pin, s.Skipped, err)
	}
	for _, same := range []string{etc + "instance.toml", etc + "keystore.json", etc + "admin-api-key", etc + "local.env", data + "signing-protection/data.mdb", data + "p2p-private-key", dropIn + "override.conf"} {
		if !exists(filepath.Join(from, same)) && strings.HasSuffix(same, "admin-api-key") {
			continue
		}
		if get(t, filepath.Join(from, same)) != get(t, filepath.Join(to, same)) {
			t.Errorf("%s differs", same)
		}
	}
	if exists(filepath.Join(to, data, "archiver")) {
		t.Error("all data came without --data")
	}
	if code, said := call(t, to, "import", file, "--identity", identity); code != exitUsage || !strings.Contains(said, "there is an instance val1 here") {
		t.Errorf("a second import: %d: %s", code, said)
	}
	// Both refuse to start by systemd, whoever asks.
	for _, root := range []string{from, to} {
		if text := get(t, filepath.Join(root, dropIn, elsewhereDropIn)); !strings.Contains(text, "AssertPathExists=!/etc/aztec-spartan/instances/val1/elsewhere.json\n") || !exists(filepath.Join(root, etc, elsewhereFile)) {
			t.Errorf("%s: %s", root, text)
		}
	}
	// With a passphrase and all data, to a third host.
	all := filepath.Join(dir, "all.age")
	if code, said := call(t, from, "export", "val1", all, "--passphrase-file", words, "--data"); code != 0 {
		t.Fatalf("export: %d: %s", code, said)
	}
	third := t.TempDir()
	if code, said := call(t, third, "import", all, "--passphrase-file", words); code != 0 || get(t, filepath.Join(third, data, "archiver/data.mdb")) != "what all have" {
		t.Errorf("import: %d: %s", code, said)
	}
}

// When a node may start that moved, or came here.
func TestElsewhere(t *testing.T) {
	var nonce atomic.Uint64
	var signed atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		if strings.Contains(body.String(), "eth_getTransactionCount") {
			fmt.Fprintf(w, `{"result":"0x%x"}`, nonce.Load())
			return
		}
		// Of everybody, each slot of a day.
		history := strings.Repeat(`{"slot":"123456","status":"attestation-sent"},`, 50_000)
		fmt.Fprintf(w, `{"result":{"stats":{"%s":{"lastAttestation":{"timestamp":"%d"},"history":[%s{}]}}}}`, strings.ToLower("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"), signed.Load(), history)
	}))
	defer server.Close()
	root := doctorTree(t, server.URL)
	a := newApp(&bytes.Buffer{})
	a.err, a.root, a.in = &bytes.Buffer{}, root, strings.NewReader("")
	inst, err := a.loadInstance("val1")
	if err != nil {
		t.Fatal(err)
	}
	inst.Bootnode = server.URL
	address := "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
	hourAgo := time.Now().Add(-time.Hour)
	came := elsewhere{Why: cameHere, Since: hourAgo, Host: "old", Final: true, Nonces: map[string]uint64{address: 3}}
	short := startFlags{notElsewhere: true, dangerPeriod: time.Nanosecond}
	for name, test := range map[string]struct {
		e      elsewhere
		f      startFlags
		nonce  uint64
		signed time.Time
		want   string // part of the error; "": it may start
	}{
		"moved":                   {e: elsewhere{Why: movedAway, Since: hourAgo}, want: "must not run on two"},
		"moved, and nothing else": {e: elsewhere{Why: movedAway, Since: hourAgo}, f: startFlags{notElsewhere: true}, want: "must not run on two"},
		"moved, and here":         {e: elsewhere{Why: movedAway, Since: hourAgo}, f: startFlags{here: true}},
		"came, nothing said":      {e: came, nonce: 3, want: "its key must not run on both"},
		"came":                    {e: came, f: startFlags{notElsewhere: true}, nonce: 3, signed: hourAgo.Add(-time.Minute)},
		"the publisher is used":   {e: came, f: startFlags{notElsewhere: true}, nonce: 5, want: "has sent 2 transactions on L1"},
		"by me":                   {e: came, f: startFlags{notElsewhere: true, ignoreActivity: true}, nonce: 5},
		"the attester signs":      {e: came, f: startFlags{notElsewhere: true}, nonce: 3, signed: hourAgo.Add(time.Minute), want: "has signed on"},
		"a copy, shortened":       {e: elsewhere{Why: cameHere, Since: hourAgo, Host: "old"}, f: short, nonce: 9},
	} {
		nonce.Store(test.nonce)
		signed.Store(0)
		if !test.signed.IsZero() {
			signed.Store(test.signed.Unix())
		}
		if err := a.markElsewhere(t.Context(), inst, test.e); err != nil {
			t.Fatal(err)
		}
		err := a.settleElsewhere(t.Context(), inst, test.f)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if left := exists(a.path(instancePath("val1", elsewhereFile))); left != (test.want != "") {
			t.Errorf("%s: the marker is there: %v", name, left)
		}
	}
	if err := a.clearElsewhere(t.Context(), inst); err != nil {
		t.Fatal(err)
	}
	if err := a.settleElsewhere(t.Context(), inst, startFlags{}); err != nil {
		t.Errorf("an instance of this host: %v", err)
	}
	// Who may still run there is watched for an epoch: not done at once.
	if err := a.markElsewhere(t.Context(), inst, elsewhere{Why: cameHere, Since: hourAgo, Host: "old"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.settleElsewhere(ctx, inst, startFlags{notElsewhere: true}); err == nil || !exists(a.path(instancePath("val1", elsewhereFile))) {
		t.Errorf("a copy starts at once: %v", err)
	}
}

// On a terminal the first start asks whether the key runs elsewhere, and starts
// nothing unless somebody says that it does not.
func TestElsewhereIsAsked(t *testing.T) {
	root := doctorTree(t, fakeEthereum(t, 11155111))
	for answer, starts := range map[string]bool{"y": true, "n": false, "": false} {
		screen, code := asked(t, [][2]string{{"Does the key of val1 run anywhere else", answer}}, func(ctx context.Context, tty *os.File) int {
			a := newApp(tty)
			a.in, a.err, a.root = tty, tty, root
			inst, err := a.loadInstance("val1")
			if err == nil {
				err = a.markElsewhere(ctx, inst, elsewhere{Why: cameHere, Since: time.Now().Add(-time.Hour), Host: "old\x1bhost", Final: true})
			}
			if err == nil {
				err = a.settleElsewhere(ctx, inst, startFlags{})
			}
			return a.report(err)
		})
		if (code == 0) != starts || exists(filepath.Join(root, instancePath("val1", elsewhereFile))) == starts || strings.Contains(screen, "old\x1b") {
			t.Errorf("%q: code %d:\n%s", answer, code, screen)
		}
	}
}

// An instance that must not sign would on a host that does not know it.
func TestExportOfWhatMustNotSign(t *testing.T) {
	root, dir := doctorTree(t, fakeEthereum(t, 11155111)), t.TempDir()
	files := roll.Files{State: filepath.Join(root, stateDir)}
	s, err := files.Load("val1")
	if err != nil {
		t.Fatal(err)
	}
	s.NoSigning = &roll.NoSigning{Reason: "4.1.2 does not say that it knows what was signed"}
	if err := files.Save("val1", s); err != nil {
		t.Fatal(err)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "val1.age")
	code, said := call(t, root, "export", "val1", file, "--recipient", id.Recipient().String())
	if code != exitFailed || !strings.Contains(said, "4.1.2 does not say") || !strings.Contains(said, "start val1 --sign") || exists(file) {
		t.Errorf("exit code %d: %s", code, said)
	}
}

func TestCarriedIsChecked(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0", 64)
	for want, c := range map[string]carried{
		"":                               {Pin: &roll.Pin{Version: "4.1.2"}, Skipped: []roll.Skip{{Version: "4.1.3", Digest: digest}}},
		"its pin: reading version":       {Pin: &roll.Pin{Version: "newest"}},
		"what it skips: ../x is not a d": {Skipped: []roll.Skip{{Version: "4.1.3", Digest: "../x"}}},
		"it skips 1001 versions":         {Skipped: make([]roll.Skip, maxCarried+1)},
	} {
		if err := c.check(); want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
