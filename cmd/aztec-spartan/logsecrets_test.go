package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// secretive is an instance with a secret in every place where there can be one.
func secretive(t *testing.T) (a *app, said *bytes.Buffer, hidden []string) {
	t.Helper()
	inst := profiles.New("val1")
	inst.Network, inst.P2P.IP = "mainnet", "203.0.113.7"
	inst.Image = "docker.io/aztecprotocol/aztec:4.1.2"
	inst.L1.RPC = []string{"https://eth.example/v3/URLPATHKEY1", "https://user:URLPASSWORD@b.example"}
	inst.L1.Consensus = []string{"https://beacon.example/?apikey=URLQUERY1"}
	inst.Env = map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.example/OTELTOKEN1"}
	data, err := keystore.New([]keystore.Key{testKey(t, someKey)}, keystore.Options{Publishers: []keystore.Key{testKey(t, otherKey)}})
	if err != nil {
		t.Fatal(err)
	}
	kept := func(key string) string {
		data, err := keystore.New([]keystore.Key{testKey(t, key)}, keystore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	const oldKey = "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"
	admin, p2p := strings.Repeat("ab12", 16), strings.Repeat("0c3d", 16)
	said = &bytes.Buffer{}
	a = &app{root: t.TempDir(), out: said, err: said}
	if err := os.MkdirAll(a.path(instancePath("val1", "")), 0o750); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"instance.toml": string(inst.Encode()), keystoreFile: string(data), adminKeyFile: admin + "\n",
		keystoreFile + ".old": kept("47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a"), keystoreFile + ".old.2": kept(oldKey), keystoreFile + ".old.3": "{",
		p2pKeyFile: secp256k1Key + p2p, "local.env": "VALIDATOR_HA_DATABASE_URL=postgresql://u:HAPASSWORD@db.example/ha\nSOME_PASSWORD=LOCALPASSWORD\n",
	} {
		if err := os.WriteFile(a.path(instancePath("val1", file)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a, said, []string{
		strings.TrimPrefix(someKey, "0x"), otherKey, strings.ToUpper(otherKey), oldKey, "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a", admin, p2p,
		"URLPATHKEY1", "URLPASSWORD", "URLQUERY1", "OTELTOKEN1", "HAPASSWORD", "LOCALPASSWORD",
	}
}

func TestJournalShowsNoSecrets(t *testing.T) {
	a, said, hidden := secretive(t)
	words := a.journalSecrets(t.Context(), []string{"val1"})
	for _, s := range hidden {
		if got := words.Text("before 0x" + s + ", after"); strings.Contains(got, s) {
			t.Errorf("%.4s... is shown", s)
		}
	}
	hash := "0x" + strings.Repeat("9f", 32)
	if line := "block " + hash + " from https://eth.example and /v3/ of db.example"; words.Text(line) != line {
		t.Errorf("what is no secret is hidden: %s", words.Text(line))
	}
	if said.Len() > 0 {
		t.Errorf("said: %s", said)
	}
}

// A broken keystore hides no journal, and shows no other secret.
func TestJournalOfBrokenInstance(t *testing.T) {
	a, said, hidden := secretive(t)
	sealed := a.path(instancePath("val1", keystoreFile+sealedSuffix))
	if err := os.WriteFile(sealed, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	words := a.journalSecrets(t.Context(), []string{"val1"})
	for _, s := range hidden {
		if strings.Contains(words.Text(s), s) {
			t.Errorf("%.4s... is shown", s)
		}
	}
	if !strings.Contains(said.String(), "warning: what is secret of val1") || strings.Contains(said.String(), filepath.Base(otherKey)) {
		t.Errorf("said: %s", said)
	}
}

// Hiding is no reason for logs to be slower than 10,000 lines a second.
func TestHidingIsFast(t *testing.T) {
	a, _, _ := secretive(t)
	words := a.journalSecrets(t.Context(), []string{"val1"})
	line := strings.Repeat("[12:00:00.000] INFO: sequencer Published checkpoint 0x"+strings.Repeat("9f", 32)+" ", 3)
	// So few lines at a time that some get through while the machine does nothing else.
	const lines, rounds, most = 20, 1000, 2 * time.Millisecond
	best := time.Hour
	for range rounds {
		begin := time.Now()
		for range lines {
			if words.Text(line) != line {
				t.Fatal("a line changed")
			}
		}
		best = min(best, time.Since(begin))
	}
	if t.Logf("%d lines took %s", lines, best); best > most {
		t.Errorf("%d lines took %s", lines, best)
	}
}
