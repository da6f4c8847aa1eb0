package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/units/firewall"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

// fakeUnits is a service manager in which every unit runs, unless it is listed.
type fakeUnits map[string]manager.UnitState

func (f fakeUnits) State(_ context.Context, unit string) (manager.UnitState, error) {
	if u, ok := f[unit]; ok {
		return u, nil
	}
	return manager.UnitState{
		Unit: unit, ActiveState: "active", SubState: "running", UnitFileState: "enabled", MainPID: 4711,
		ActiveEnter: time.Now().Add(-time.Hour), MemoryCurrent: 1 << 30, CPUUsageNSec: 90_000_000_000,
	}, nil
}

// stubNode answers like a node that is well, slowly.
func stubNode(t *testing.T, wait time.Duration) (port int) {
	t.Helper()
	answers := map[string]string{
		"node_getNodeInfo":             `{"nodeVersion":"4.1.2","l1ChainId":31337,"rollupVersion":1,"l1ContractAddresses":{}}`,
		"node_isReady":                 `true`,
		"node_getWorldStateSyncStatus": `{"latestBlockNumber":7,"treesAreSynched":true}`,
		"node_getL2Tips":               `{"proposed":{"number":7},"proven":{"block":{"number":5}}}`,
		"p2p_getPeers":                 `[{},{}]`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body [4096]byte
		n, _ := r.Body.Read(body[:])
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
		}
		for method, result := range answers {
			if strings.Contains(string(body[:n]), `"`+method+`"`) {
				fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":%s}`, result)
				return
			}
		}
		if r.URL.Path != "/status" {
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).Port
}

// settled writes an instance that runs, as start leaves it.
func settled(t *testing.T, a *app, name string, port int) {
	t.Helper()
	unit := "aztec-full-node@" + name + ".service"
	write(t, a.path(instancePath(name, "instance.toml")), fmt.Sprintf("schema = 1\nrole = \"full-node\"\nnetwork = \"local\"\nimage = \"r/aztec:4.1.2\"\n[l1]\nrpc = [\"http://127.0.0.1:1\"]\n[ports]\nrpc = %d\nadmin = 8880\np2p = 40400\n", port), 0o640)
	write(t, a.path(filepath.Join(systemdDir, unit)), fmt.Sprintf("[X-AztecSpartan]\nSchema=1\nInstance=%s\nRole=full-node\nNetwork=local\nGeneration=1\nImage=sha256-1\nReference=r/aztec:4.1.2\nDigest=sha256:1\nVersion=4.1.2\nRPCPort=%d\nNamespace=node\nChainID=31337\nP2P=true\n", name, port), 0o644)
	write(t, a.path(filepath.Join(stateDir, name, "state.json")), fmt.Sprintf(`{"schema":1,"unit":%q,"generations":[{"number":1,"version":"4.1.2","image":"sha256-1"}]}`, unit), 0o600)
}

// Fifty instances are shown within a second, in the order of their names, in 80
// columns. The machine may do much else: what is measured is the processor time
// of this process, and that nodes which take 200 ms for each answer, half a
// minute one after the other, are waited for together.
func TestStatusOfFifty(t *testing.T) {
	var out bytes.Buffer
	a := newApp(&out)
	a.root = t.TempDir()
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("validator-of-a-name-%02d", i))
		settled(t, a, names[i], stubNode(t, 200*time.Millisecond))
	}
	next := time.Date(2026, 11, 29, 4, 0, 0, 0, time.UTC)
	const most, together = 3 * time.Second, 10 * time.Second // a quarter of a second, and three times that with the race detector
	began, computed := time.Now(), processorTime(t)
	all, err := a.statuses(t.Context(), fakeUnits{updateTimer: {ActiveState: "active", NextElapse: next}}, names, false)
	if err != nil {
		t.Fatal(err)
	}
	if took, cost := time.Since(began), processorTime(t)-computed; took > together || cost > most {
		t.Errorf("it took %s, and %s of a processor", took, cost)
	}
	for i, s := range all {
		if s.Name != names[i] || s.Health != string(probe.Healthy) || s.CPUSeconds != 90 || s.NextCheck == nil || !s.NextCheck.Equal(next) {
			t.Fatalf("%s: %+v", names[i], s)
		}
	}
	if err := a.statusTable(all); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 51 || !strings.HasPrefix(lines[1], names[0]+" ") || !strings.Contains(lines[50], " healthy ") {
		t.Errorf("%d lines:\n%s", len(lines), out.String())
	}
	for _, l := range lines {
		if n := utf8.RuneCountInString(l); n > 80 {
			t.Errorf("%d columns: %s", n, l)
		}
	}
}

// processorTime is what this process has used until now.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// One that cannot be read does not hide the others.
func TestStatusOfABrokenOne(t *testing.T) {
	a := newApp(&bytes.Buffer{})
	a.root = t.TempDir()
	port := stubNode(t, 0)
	settled(t, a, "good", port)
	settled(t, a, "broken", port)
	write(t, a.path(filepath.Join(stateDir, "broken", "state.json")), "{", 0o600)
	all, err := a.statuses(t.Context(), fakeUnits{}, []string{"broken", "good"}, false)
	if err != nil || all[0].Health != healthUnknown || all[0].Reason == "" || all[0].Role != "full-node" || all[1].Health != string(probe.Healthy) {
		t.Errorf("%v: %+v", err, all)
	}
	// As somebody leaves it who wants it masked.
	settled(t, a, "masked", port)
	write(t, a.path(filepath.Join(systemdDir, "aztec-full-node@masked.service")), "", 0o644)
	all, err = a.statuses(t.Context(), fakeUnits{}, []string{"masked"}, false)
	if want := "reading aztec-full-node@masked.service: it has no section [X-AztecSpartan], so it is not one of ours"; err != nil || all[0].Reason != want || all[0].Role != "full-node" {
		t.Errorf("%v: %+v, want %q", err, all, want)
	}
	if _, err := a.statuses(t.Context(), fakeUnits{}, []string{"good", "none"}, false); err == nil {
		t.Error("an instance that is not there")
	}
}

// A node whose unit file somebody has removed is not stopped.
func TestStatusWithoutUnit(t *testing.T) {
	a := newApp(&bytes.Buffer{})
	a.root = t.TempDir()
	settled(t, a, "val1", 1)
	const unit = "aztec-full-node@val1.service"
	if err := os.Remove(a.path(filepath.Join(systemdDir, unit))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		units          fakeUnits
		health, reason string
	}{
		{fakeUnits{}, healthUnknown, "its node runs, and its unit file is gone: aztec-spartan restart val1 writes it again"},
		{fakeUnits{unit: {ActiveState: "inactive"}}, healthStopped, "its image was not fetched yet: aztec-spartan start val1"},
	} {
		all, err := a.statuses(t.Context(), c.units, []string{"val1"}, false)
		if err != nil || all[0].Health != c.health || all[0].Reason != c.reason || (all[0].MainPID != 0) != (c.health == healthUnknown) {
			t.Errorf("%v: %+v, want %s", err, all, c.reason)
		}
	}
}

// A node that wanted another version is seen to until somebody stops it.
func TestStatusOfTheOutdated(t *testing.T) {
	a := newApp(&bytes.Buffer{})
	a.root = t.TempDir()
	settled(t, a, "val1", stubNode(t, 0))
	const unit = "aztec-full-node@val1.service"
	node := manager.UnitState{Unit: unit, ActiveState: "failed", UnitFileState: "enabled", Restart: "always", ExecMainCode: cldExited, ExecMainStatus: exitVersionUpgrade}
	for _, c := range []struct {
		failure        manager.UnitState
		health, reason string
	}{
		{manager.UnitState{ActiveState: "activating"}, string(probe.Unhealthy), "its version is out of date; aztec-failure@"},
		{manager.UnitState{ActiveState: "inactive"}, healthStopped, "it is stopped"},
	} {
		all, err := a.statuses(t.Context(), fakeUnits{unit: node, failureUnit(unit): c.failure}, []string{"val1"}, false)
		if err != nil || all[0].Health != c.health || !strings.Contains(all[0].Reason, c.reason) || all[0].ActiveState != "failed" {
			t.Errorf("%+v: %v: %+v", c.failure, err, all)
		}
	}
}

func TestVerdict(t *testing.T) {
	a := newApp(&bytes.Buffer{})
	a.root = t.TempDir()
	port := stubNode(t, 0)
	settled(t, a, "val1", port)
	meta, err := a.files().Active("aztec-full-node@val1.service")
	if err != nil {
		t.Fatal(err)
	}
	again := &restarted{Times: 5, Minutes: 3}
	for _, c := range []struct {
		unit     manager.UnitState
		again    *restarted
		want     string
		asked    bool
		obstacle error
	}{
		{manager.UnitState{ActiveState: "inactive"}, nil, "stopped: it is stopped", false, nil},
		{manager.UnitState{ActiveState: "inactive", Unmet: true}, nil, "stopped: it is stopped: a condition of its unit did not hold at its last start", false, nil},
		{manager.UnitState{ActiveState: "inactive", Job: true}, nil, "unhealthy: its start waits for other units: systemctl list-jobs", false, nil},
		{
			manager.UnitState{ActiveState: "inactive", Job: true, NRestarts: 3, ExecMainCode: cldExited, ExecMainStatus: 1},
			nil,
			"unhealthy: the node exited with code 1; systemd starts it again (restart 3)", false, nil,
		},
		{manager.UnitState{ActiveState: "inactive"}, nil, "unhealthy: it was not started: its disk is away", false, errors.New("its disk is away")},
		{
			manager.UnitState{ActiveState: "activating", SubState: "auto-restart", NRestarts: 2, ExecMainCode: cldExited, ExecMainStatus: exitCredentials},
			nil,
			"unhealthy: the node was not given its keys (exit code 243, CREDENTIALS); systemd starts it again (restart 2): it is encrypted for another TPM", false,
			errors.New("it is encrypted for another TPM"),
		},
		{
			manager.UnitState{ActiveState: "activating", SubState: "auto-restart", ExecMainCode: cldExited, ExecMainStatus: 1},
			nil,
			"unhealthy: the node exited with code 1; systemd starts it again (for the first time)", false, nil,
		},
		{manager.UnitState{ActiveState: "failed", Result: "exit-code"}, nil, "unhealthy: the unit failed: exit-code", false, nil},
		{
			manager.UnitState{ActiveState: "activating", SubState: "auto-restart-queued", NRestarts: 9, ExecMainCode: cldExited, ExecMainStatus: 1},
			again,
			"unhealthy: the node exited with code 1; systemd starts it again (restarted 5 times in 3 minutes)", false, nil,
		},
		{
			manager.UnitState{ActiveState: "activating", SubState: "auto-restart", NRestarts: 9},
			nil,
			"unhealthy: the node stopped; systemd starts it again (restart 9)", false, nil,
		},
		{manager.UnitState{ActiveState: "active"}, nil, "healthy: answers as version 4.1.2 at block 7, proven 5, 2 peers", true, nil},
		{
			manager.UnitState{ActiveState: "active"},
			&restarted{Times: 1, Minutes: 1},
			"healthy: answers as version 4.1.2 at block 7, proven 5, 2 peers; it was restarted 1 time in 1 minute", true, nil,
		},
	} {
		r, asked := verdict(t.Context(), c.unit, meta, c.again, c.obstacle)
		if got := string(r.Health) + ": " + r.Reason; got != c.want || asked != c.asked {
			t.Errorf("got %s (asked %v), want %s", got, asked, c.want)
		}
	}
}

// A node that has opened no port yet syncs, as long as it is not started again
// and again.
func TestVerdictOnAClosedPort(t *testing.T) {
	a := newApp(&bytes.Buffer{})
	a.root = t.TempDir()
	port := stubNode(t, 0)
	settled(t, a, "val1", port)
	meta, err := a.files().Active("aztec-full-node@val1.service")
	if err != nil {
		t.Fatal(err)
	}
	meta.RPCPort = 1 // one that was free a moment ago is given to whoever asks next
	at := time.Now().Add(-30 * time.Minute)
	for _, c := range []struct {
		unit  manager.UnitState
		again *restarted
		want  string
	}{
		{manager.UnitState{ActiveState: "active", ActiveEnter: at}, nil, "syncing: opens no port yet, 30m0s after its start"},
		{manager.UnitState{ActiveState: "activating", SubState: "start-post", StateChange: time.Now()}, nil, "syncing: opens no port yet, 0s after its start"},
		{manager.UnitState{ActiveState: "active", ActiveEnter: at}, &restarted{Times: 2, Minutes: 40}, "unhealthy: RPC does not answer"},
		{manager.UnitState{ActiveState: "deactivating", ActiveEnter: at}, nil, "unhealthy: RPC does not answer"},
	} {
		r, asked := verdict(t.Context(), c.unit, meta, c.again, nil)
		if got := string(r.Health) + ": " + r.Reason; !strings.HasPrefix(got, c.want) || !asked {
			t.Errorf("%s: got %s", c.unit.ActiveState, got)
		}
	}
}

func TestStatusPage(t *testing.T) {
	since := time.Now().Add(-100 * time.Second)
	behind, peers, checkpoint := int64(12), 9, uint64(51)
	last := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	s := status{
		Name: "val1", Role: "sequencer", Network: "mainnet", Version: "5.2.0", Generation: 3, Unit: "aztec-sequencer@val1.service",
		ActiveState: "active", SubState: "running", MainPID: 7, Since: &since, Restarts: 2, Restarted: &restarted{2, 4}, Health: "healthy", Reason: "fine",
		MemoryBytes: 1 << 30, CPUSeconds: 50, DiskBytes: 2 << 30, RootfsBytes: 3 << 30, NextCheck: &last,
		Node: &probe.Report{NodeVersion: "5.2.0", Block: 100, Proven: 90, Checkpoint: 50, Peers: &peers},
		details: details{
			L1:         &l1State{Block: 1000, Time: last, BehindSeconds: &behind, Checkpoint: &checkpoint},
			Publishers: []publisher{{Address: "0xP", Wei: "1", ETH: "0.0000"}, {Address: "0xQ"}},
			Attesters:  []probe.Duties{{Attester: "0xA", Standing: probe.Validating, Seen: true, Committee: true, Slots: 40, MissedAttestations: 3, MissedInARow: 2, LastAttestation: &last}, {Attester: "0xB", Seen: true}, {Attester: "0xC", Standing: probe.NotInSet}},
			LastError:  &errorLine{last, "ERROR: p2p broken"}, Unknown: []string{"attestations: boom"},
		},
	}
	var out bytes.Buffer
	newApp(&out).statusPage(s)
	for _, want := range []string{
		"2 restarts, restarted 2 times in 4 minutes", "chain:       block 100, proven 90, checkpoint 50\n", "peers:       9\n", "L1:          block 1000 of ", "up to 12s before; checkpoint 51 is there, the node has 50\n",
		"0xA is in the validator set; missed 3 attestations and 0 proposals in 40 slots, the last 2 in a row, last attested ", "0xB was in no committee that the node has seen\n", "0xC is not in the validator set, and may wait in its queue\n", "publisher:   0xP 0.0000 ETH", "0xQ ? ETH",
		"memory:      1.0 GiB\n", "cpu:         50s since its start, 50 % of a core\n", "rootfs:      3.0 GiB\n", "next check:  ", "last error:  ", "ERROR: p2p broken\n", "not known:   attestations: boom\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the page does not say %q:\n%s", want, out.String())
		}
	}
}

// Every field of status --json is in README's table, and none that is not.
func TestStatusJSONIsDocumented(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(readme), "\n### The state as JSON\n")
	if !ok {
		t.Fatal("README has no section of it")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	fields := map[string]bool{}
	var walk func(of reflect.Type)
	walk = func(of reflect.Type) {
		for f := range of.NumField() {
			if of.Field(f).Anonymous {
				walk(of.Field(f).Type)
				continue
			}
			name, _, _ := strings.Cut(of.Field(f).Tag.Get("json"), ",")
			fields[name] = true
		}
	}
	walk(reflect.TypeFor[status]())
	for name := range fields {
		if !strings.Contains(section, "`"+name+"`") {
			t.Errorf("%s is not described", name)
		}
	}
	for line := range strings.Lines(section) {
		cell, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		if !ok || !strings.HasPrefix(cell, "`") {
			continue
		}
		for name := range strings.SplitSeq(cell, ", ") {
			if name = strings.Trim(name, "`"); !fields[name] {
				t.Errorf("%s is described and is not there", name)
			}
		}
	}
}

func TestFit(t *testing.T) {
	rows := [][]string{{"NAME", "ROLE", "VERSION", "STATE"}, {"a", "sequencer", "0.0.1-commit.0123456789abcdef", "active"}, {"långt-namn", "x", "1", "y"}}
	for _, c := range []struct {
		width int
		first string
	}{
		{80, "a           sequencer  0.0.1-commit.0123456789abcdef  active"},
		{54, "a           sequencer  0.0.1-commit.0123456789abcdef"},
		{40, "a           sequencer  0.0.1-commit.012…"},
		{10, "a           sequenc…  0.0.1-c…"}, // no narrower: a name is never cut
	} {
		lines := fit(rows, c.width, []column{3}, []column{2, 1})
		if lines[1] != c.first {
			t.Errorf("%d: %q, want %q", c.width, lines[1], c.first)
		}
	}
}

func TestFrame(t *testing.T) {
	if got := string(frame("a\nb\n")); got != "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J" {
		t.Errorf("%q", got)
	}
	a := newApp(&bytes.Buffer{})
	a.in = strings.NewReader("")
	if err := a.watchStatus(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "wants a terminal") {
		t.Errorf("without a terminal: %v", err)
	}
}

// Ports that are open to others though they are to be closed are told of nodes
// that run, unless config.toml leaves them to the operator.
func TestStatusOfTheExposed(t *testing.T) {
	var out, said bytes.Buffer
	a := newApp(&out)
	a.root, a.err = t.TempDir(), &said
	settled(t, a, "runs", stubNode(t, 0))
	settled(t, a, "stopped", 1)
	a.table = func(context.Context) error { return firewall.ErrNotLoaded }
	look := func() []status {
		t.Helper()
		all, err := a.statuses(t.Context(), fakeUnits{"aztec-full-node@stopped.service": {ActiveState: "inactive"}}, []string{"runs", "stopped"}, false)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	all := look()
	if all[0].Exposed != firewall.ErrNotLoaded.Error() || all[1].Exposed != "" {
		t.Errorf("%+v", all)
	}
	if err := a.statusTable(all); err != nil || !strings.Contains(said.String(), "warning: RPC and admin ports are open to other machines: the table inet aztec_spartan is not loaded; systemctl start aztec-firewall.service ") {
		t.Errorf("%v: %s", err, said.String())
	}
	if a.statusPage(all[0]); !strings.Contains(out.String(), "\nfirewall:    RPC and admin ports are open to other machines: the table inet aztec_spartan is not loaded\n             systemctl start aztec-firewall.service ") {
		t.Errorf("the page:\n%s", out.String())
	}
	write(t, a.path(configFile), "[network]\nfirewall = false\n", 0o644)
	if all := look(); all[0].Exposed != "" {
		t.Errorf("with firewall = false: %s", all[0].Exposed)
	}
}

// A picture that is larger than the screen begins with its first line, and says
// that there is more.
func TestCropped(t *testing.T) {
	for _, c := range []struct {
		text          string
		width, height int
		want          string
	}{
		{"a\nb\nc\n", 80, 4, "a\nb\nc\n"},
		{"a\nb\nc\nd\n", 80, 4, "a\nb\n... 2 lines more, on a taller terminal\n"},
		{"a\n0123456789\nc\nd\n", 9, 6, "a\n0123456789\nc\nd\n"},
		{"a\n0123456789\nc\nd\n", 9, 5, "a\n0123456789\n... 2 lines more, on a taller terminal\n"},
		{"a\n0123456789\nc\nd\n", 9, 4, "a\n... 3 lines more, on a taller terminal\n"},
		{"a\nb\n", 80, 2, "... 2 lines more, on a taller terminal\n"},
		{"a\nb\n", 80, 1, "a\nb\n"}, // nothing is seen there anyhow
		{"a\nb\n", 0, 0, "a\nb\n"},  // the terminal does not say
		{"", 80, 24, ""},
	} {
		if got := cropped(c.text, c.width, c.height); got != c.want {
			t.Errorf("%q in %d columns and %d rows: %q, want %q", c.text, c.width, c.height, got, c.want)
		}
	}
}

// Fifty instances on a terminal of 24 rows: the first of them are there, and
// stay there.
func TestWatchOnASmallScreen(t *testing.T) {
	root := t.TempDir()
	a := &app{root: root}
	for i := range 50 {
		settled(t, a, fmt.Sprintf("node%02d", i), 8080)
	}
	p, ctx, end := watched(t, root)
	for range 2 {
		if err := p.sees(ctx, toTop+"NAME"); err != nil {
			t.Fatal(err)
		}
		if err := p.sees(ctx, "... 29 lines more, on a taller terminal"+clearRight+"\r\n"+clearBelow); err != nil {
			t.Fatal(err)
		}
	}
	end()
	if n := strings.Count(p.seen(), "\n"); n%23 != 0 {
		t.Errorf("%d lines were drawn on 24 rows:\n%s", n, p.seen())
	}
}

// watched begins status --watch on a terminal; end is Ctrl-C, which is no error.
func watched(t *testing.T, root string) (p *person, ctx context.Context, end func()) {
	master, slave := fullTerminal(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	p = &person{more: make(chan struct{}, 1)}
	go p.read(master)
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"status", "--watch", "--root", root}, slave, slave, slave) }()
	return p, ctx, func() {
		t.Helper()
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}

// What is noted beside the status is a part of the picture: the next one would be
// drawn over it.
func TestWatchDrawsNotes(t *testing.T) {
	root := t.TempDir()
	p, ctx, end := watched(t, root)
	if err := p.sees(ctx, toTop+"there is no instance on this host"); err != nil {
		t.Error(err)
	}
	end()
}

// What the details ask is answered by L1 and the node; what is not answered is
// said.
func TestDetails(t *testing.T) {
	a := newApp(&bytes.Buffer{})
	a.root = t.TempDir()
	port := stubNode(t, 0)
	settled(t, a, "val1", port)
	all, err := a.statuses(t.Context(), fakeUnits{
		"aztec-full-node@val1.service": {Unit: "aztec-full-node@val1.service", ActiveState: "active", CPUUsageNSec: math.MaxUint64},
	}, []string{"val1"}, true)
	if err != nil {
		t.Fatal(err)
	}
	s := all[0]
	if s.L1 != nil || s.Publishers != nil || s.CPUSeconds != 0 || !strings.Contains(strings.Join(s.Unknown, "\n"), "L1: ") {
		t.Errorf("with an L1 that is away: %+v", s.details)
	}
}

// gatheredUnits answers nobody before all have asked.
type gatheredUnits struct {
	fakeUnits
	all *sync.WaitGroup
}

func (g gatheredUnits) State(ctx context.Context, unit string) (manager.UnitState, error) {
	if unit == updateTimer {
		return manager.UnitState{}, nil
	}
	g.all.Done()
	gathered := make(chan struct{})
	go func() {
		defer close(gathered)
		g.all.Wait()
	}()
	select {
	case <-gathered:
		return g.fakeUnits.State(ctx, unit)
	case <-ctx.Done():
		return manager.UnitState{}, ctx.Err()
	}
}

// The watch looks at instances together: nodes that hang keep it no longer than
// one does. One that is gone meanwhile hides no other.
func TestWatchLooksAtAllTogether(t *testing.T) {
	a := newApp(&bytes.Buffer{})
	a.root = t.TempDir()
	port := stubNode(t, 0)
	var all sync.WaitGroup
	for i := range 8 {
		settled(t, a, fmt.Sprintf("node%d", i), port)
		all.Add(1)
	}
	write(t, a.path(instancePath("torn", "instance.toml")), "{", 0o640)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := a.everyStatusOf(ctx, gatheredUnits{fakeUnits{}, &all})
	if err != nil || len(got) != 9 {
		t.Fatalf("%v, %+v", err, got)
	}
	for _, s := range got {
		if want := s.Name != "torn"; (s.Health == string(probe.Healthy)) != want {
			t.Errorf("%s is %s: %s", s.Name, s.Health, s.Reason)
		}
	}
}
