package main

import (
	"errors"
	"net"
	"os"
	"os/user"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

const somePayload = "0xabababababababababababababababababababab"

func TestVotesOnly(t *testing.T) {
	was := profiles.New("val1")
	was.Coinbase, was.Payload = somePayload, somePayload
	unit := "EnvironmentFile=/var/lib/aztec-spartan/instances/val1/%/env\n[X-AztecSpartan]\nGeneration=%\n"
	generation := func(number, env string, change func(*profiles.Instance)) *rendered {
		inst := was
		change(&inst)
		r := &rendered{unit: "u"}
		r.Number = int(number[0] - '0')
		r.Unit, r.Env, r.Instance = []byte(strings.ReplaceAll(unit, "%", number)), []byte(env), inst.Encode()
		return r
	}
	before := generation("1", "A=1\n"+payloadVariable+"="+somePayload+"\nB=2\n", func(*profiles.Instance) {}).Content
	for _, c := range []struct {
		name, env string
		change    func(*profiles.Instance)
		want      bool
	}{
		{"none", "A=1\nB=2\n", func(i *profiles.Instance) { i.Payload = profiles.NoPayload }, true},
		{"another", "A=1\n" + payloadVariable + "=0x1\nB=2\n", func(i *profiles.Instance) { i.Payload = "0x1" }, true},
		{"a variable", "A=1\nB=3\n", func(i *profiles.Instance) { i.Payload = profiles.NoPayload }, false},
		{"a setting", "A=1\nB=2\n", func(i *profiles.Instance) { i.Payload, i.Coinbase = profiles.NoPayload, "" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := generation("2", c.env, c.change)
			inst, err := profiles.ParseInstance("val1", r.Instance)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.votesOnly(before, 1, inst); got != c.want {
				t.Errorf("%t", got)
			}
			r.Unit = append(r.Unit, "Nice=1\n"...)
			if r.votesOnly(before, 1, inst) {
				t.Error("another unit is only another vote")
			}
		})
	}
}

// What an instance starts with is said where the node cannot be asked: the
// last that sets it holds.
func TestVotes(t *testing.T) {
	a := newApp(t.Output())
	a.root = t.TempDir()
	dir := a.path(instancePath("val1", ""))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	inst := profiles.New("val1")
	inst.Role = "sequencer"
	votes := func(want ballot) {
		t.Helper()
		got, err := a.votes(t.Context(), inst, units.Meta{}, &probe.Report{NodeVersion: "4.1.2"})
		if err != nil || got == nil || *got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	votes(ballot{Payload: "none", From: fromSettings, Next: "none"})
	inst.Payload = strings.ToUpper(somePayload[:10]) + somePayload[10:]
	votes(ballot{Payload: somePayload, From: fromSettings, Next: somePayload})
	if err := os.WriteFile(dir+"/local.env", []byte(payloadVariable+"="+probe.ZeroAddress+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	votes(ballot{Payload: "none", From: fromSettings, Next: "none"})
	inst.Role = "prover-node"
	if got, err := a.votes(t.Context(), inst, units.Meta{}, nil); err != nil || got != nil {
		t.Errorf("a prover node votes for %v, %v", got, err)
	}
	for b, want := range map[ballot]string{
		{"none", fromNode, "none", ""}:            "none, as the node says",
		{"none", fromNode, somePayload, ""}:       "none, as the node says; after its next start for " + somePayload,
		{"none", fromSettings, "none", ""}:        "none, as the settings say",
		{"none", fromSettings, "none", "refused"}: "none, as the settings say; the node could not be asked: refused",
	} {
		if b.String() != want {
			t.Errorf("%q, want %q", b, want)
		}
	}
}

func TestCaughtUp(t *testing.T) {
	a := newApp(t.Output())
	a.root = t.TempDir()
	u := manager.UnitState{InvocationID: "c0ffee"}
	if a.caughtUp("val1", u, 2) {
		t.Error("nothing was told")
	}
	if err := os.MkdirAll(a.path(lockDir), 0o755); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		`{"schema":1,"invocation":"c0ffee","generation":2}`: true,
		`{"schema":1,"invocation":"c0ffee","generation":1}`: false,
		`{"schema":1,"invocation":"tea","generation":2}`:    false,
		`{"schema":2,"invocation":"c0ffee","generation":2}`: false,
		`{`: false,
	} {
		if err := os.WriteFile(a.path(caughtPath("val1")), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := a.caughtUp("val1", u, 2); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

// The key of the admin API goes to nobody but the node.
func TestListensAs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if err := listensAs(port, me.Username); err != nil {
		t.Error(err)
	}
	other := "nobody"
	if me.Username == other {
		other = "root"
	}
	if err := listensAs(port, other); !errors.Is(err, errOtherListener) {
		t.Errorf("a port of %s: %v", me.Username, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := listensAs(port, me.Username); err == nil {
		t.Error("a closed port has a listener")
	}
	if _, err := listeners("  0: nonsense:zz 00000000:0000 0A 0:0 00:0 0 7 0\n", port); err == nil {
		t.Error("nonsense is an address")
	}
}
