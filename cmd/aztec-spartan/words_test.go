package main

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

const someKey = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"

func TestKeysAreRedacted(t *testing.T) {
	for text, want := range map[string]string{
		"bad port 0x" + someKey:       "bad port (64 digits not shown)",
		"k=" + someKey + ": no":       "k=(64 digits not shown): no",
		"pulling a@sha256:" + someKey: "pulling a@sha256:" + someKey,
		"image sha256-" + someKey:     "image sha256-" + someKey,
		// What the store and layouts call their files.
		"/images/sha256-" + someKey + "/layers/" + someKey + ": no": "/images/sha256-" + someKey + "/layers/" + someKey + ": no",
		"/images/.partial-sha256-" + someKey + "/layers/" + someKey: "/images/.partial-sha256-" + someKey + "/layers/" + someKey,
		"blobs/sha256/" + someKey:                                   "blobs/sha256/" + someKey,
		"/layers/" + someKey:                                        "/layers/(64 digits not shown)",
		"sha256-" + someKey + " " + someKey:                         "sha256-" + someKey + " (64 digits not shown)",
		"0x70997970C51812dc3A010C7d01b50e0d17dc79C8":                "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
	} {
		if got := redact.Keys(text); got != want {
			t.Errorf("redact.Keys(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestRepositoryOf(t *testing.T) {
	for ref, want := range map[string]string{
		"docker.io/aztecprotocol/aztec:4.1.2":    "docker.io/aztecprotocol/aztec",
		"127.0.0.1:5000/a/b:1@sha256:" + someKey: "127.0.0.1:5000/a/b",
		"127.0.0.1:5000/a/b":                     "127.0.0.1:5000/a/b",
		"127.0.0.1:5000/a/b@sha256:" + someKey:   "127.0.0.1:5000/a/b",
	} {
		if got := repositoryOf(ref); got != want {
			t.Errorf("repositoryOf(%q) = %q, want %q", ref, got, want)
		}
	}
}

func TestLongForm(t *testing.T) {
	got := longForm(strings.Fields("config -ip 192.0.2.1 -p2p=40401 -p 8081 -pk x -- -ip"))
	want := strings.Fields("config --ip 192.0.2.1 --p2p-port=40401 -p 8081 --p2p-id-private-key x -- -ip")
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPrevious(t *testing.T) {
	s := roll.State{Previous: 2, Generations: []roll.Generation{
		{Number: 1, Version: "4.1.1"}, {Number: 2, Version: "4.1.2"}, {Number: 3, Version: "4.1.2"}, {Number: 4, Version: "4.1.3"},
	}}
	for version, want := range map[string]int{"": 2, "4.1.1": 1, "4.1.2": 3} {
		if g, err := previous(s, 4, version); err != nil || g.Number != want {
			t.Errorf("previous(%q) = %d, %v, want %d", version, g.Number, err, want)
		}
	}
	for _, version := range []string{"4.1.3", "9.9.9"} {
		if g, err := previous(s, 4, version); err == nil {
			t.Errorf("previous(%q) = %d, want an error", version, g.Number)
		} else if codeOf(err) != exitUsage {
			t.Errorf("previous(%q): exit code %d", version, codeOf(err))
		}
	}
}

// What is shown of settings has no key of a provider in it.
func TestShown(t *testing.T) {
	inst := profiles.New("val1")
	inst.L1.RPC = []string{"https://user:pw@eth.example/v3/SECRET"}
	inst.Env = map[string]string{"ETHEREUM_DEBUG_HOSTS": "https://a.example/SECRET,https://b.example/?k=SECRET", "VALIDATOR_HA_DATABASE_URL": "postgres://user:pw@db.example/SECRET"}
	text := string(shown(inst))
	if strings.Contains(text, "SECRET") || strings.Contains(text, "pw") || !strings.Contains(text, "eth.example") {
		t.Errorf("shown:\n%s", text)
	}
}

// A keystore that config did not make is never replaced.
func TestOwnKeystoreIsKept(t *testing.T) {
	key, err := keystore.ParseKey(someKey)
	if err != nil {
		t.Fatal(err)
	}
	old := profiles.New("val1")
	changed := old
	changed.Coinbase = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
	var s secrets
	if _, _, err := s.setKeys(keystore.Plain{Attesters: []keystore.Key{key}}, nil, old); err != nil || !s.rekey {
		t.Fatalf("a first key: %v", err)
	}
	if err := s.setRecipients(&old, changed); err != nil || !strings.Contains(string(s.keystore), changed.Coinbase) {
		t.Errorf("a new coinbase: %v", err)
	}
	own := secrets{keystore: []byte(strings.Replace(string(s.keystore), `"schemaVersion"`, ` "schemaVersion"`, 1))}
	if _, _, err := own.setKeys(keystore.Plain{Attesters: []keystore.Key{key}}, &changed, changed); err == nil || own.rekey {
		t.Error("the operator's keystore was replaced")
	}
	if err := own.setRecipients(&changed, old); err == nil || own.rekey {
		t.Error("the operator's keystore was rewritten")
	}
}

// What is installed fits into a terminal, and the digest is one that verbs take.
func TestVersionLines(t *testing.T) {
	const digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	version := func(version, reference string, users ...string) installed {
		v := installed{ActiveFor: users, Pinned: true}
		v.Version, v.Digest, v.Reference = version, digest, reference
		return v
	}
	for name, c := range map[string]struct {
		list []installed
		want []string
	}{
		"none": {nil, nil},
		"narrow": {[]installed{version("4.1.2", "r/aztec:4.1.2")}, []string{
			"VERSION  DIGEST               REFERENCE      RUN BY  PINNED",
			"4.1.2    sha256:9f86d081884c  r/aztec:4.1.2  -       pinned",
		}},
		"as upstream's": {[]installed{version("4.1.2", "docker.io/aztecprotocol/aztec:4.1.2", "val1", "val2")}, []string{
			"VERSION  DIGEST        REFERENCE                            RUN BY      PINNED",
			"4.1.2    9f86d081884c  docker.io/aztecprotocol/aztec:4.1.2  val1, val2  pinned",
		}},
		"many": {[]installed{version("5.0.0-rc.1", "registry.example/a-mirror/aztecprotocol/aztec:5.0.0-rc.1", "val1", "val2", "val3")}, []string{
			"VERSION     DIGEST        REFERENCE                     RUN BY            PINNED",
			"5.0.0-rc.1  9f86d081884c  registry.example/a-mirror/a…  val1, val2, val3  pinned",
		}},
	} {
		if diff := cmp.Diff(c.want, versionLines(c.list, tableWidth)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	const reference = "registry.example/a-mirror/aztecprotocol/aztec:5.0.0-rc.1"
	if lines := versionLines([]installed{version("5.0.0-rc.1", reference, "val1", "val2", "val3")}, math.MaxInt); !strings.Contains(lines[1], "  "+reference+"  ") || !strings.Contains(lines[1], digest[:19]) {
		t.Errorf("what is not for a terminal is cut: %q", lines)
	}
}
