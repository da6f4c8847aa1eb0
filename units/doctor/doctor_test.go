package doctor

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestHealthyHost(t *testing.T) {
	s := healthy(t)
	list := Examine(t.Context(), s.host, s.node, Everything)
	seen := map[string]bool{}
	for _, f := range list {
		seen[f.Check] = true
		if f.Level != OK || f.Do != "" || f.Seen == "" || f.Holds {
			t.Errorf("%+v", f)
		}
	}
	for _, c := range checks {
		if !seen[c.name] && c.name != "dns" { // its URLs have addresses
			t.Errorf("%s says nothing", c.name)
		}
	}
	if Worst(list) != OK {
		t.Errorf("the worst is %s", Worst(list))
	}
}

// Names are found where there are some.
func TestNames(t *testing.T) {
	for url, want := range map[string]int{"http://eth.example:8545": 1, "http://127.0.0.1:8545": 0} {
		s := healthy(t)
		s.node.L1, s.node.Beacon, s.node.Trace = []string{url}, nil, nil
		if list := (exam{s.host, s.node}).dns(t.Context()); len(list) != want || want > 0 && list[0].Level != OK {
			t.Errorf("%s: %+v", url, list)
		}
	}
}

// knowing is an error that knows what to do.
type knowing struct{ error }

func (knowing) Advice() string { return "rm it" }

// Each host has one fault, which is named, with what to type, and nothing else
// is.
func TestBrokenHosts(t *testing.T) {
	gone := "http://127.0.0.1:1/SECRETKEY"
	for name, test := range map[string]struct {
		fault func(s *sick)
		check string
		level Level
		seen  string
		do    string // a part
		holds bool
		also  string // another check that the same fault breaks
	}{
		"L1 is down":             {func(s *sick) { s.node.L1 = []string{gone} }, "l1", Failed, "http://127.0.0.1:1: it does not answer: connection refused", "config val1 --ethereum-host URL", true, "trace balance"},
		"L1 is on another chain": {func(s *sick) { s.l1.rpc["eth_chainId"] = `"0xaa36a7"` }, "l1", Failed, "on chain 11155111, and the network is on 1", "--ethereum-host", true, ""},
		"L1 is syncing":          {func(s *sick) { s.l1.rpc["eth_syncing"] = `{"currentBlock":"0x1"}` }, "l1", Failed, "is syncing", "wait", true, ""},
		"L1 is stuck":            {func(s *sick) { s.l1.rpc["eth_getBlockByNumber"] = blockOf(now.Add(-10 * time.Minute)) }, "l1", Failed, "block 16 is 10m0s old", "beacon node", true, ""},
		"the L1 key is refused": {func(s *sick) {
			denied := healthy(t)
			denied.l1.code = 401
			s.node.L1 = denied.node.L1
		}, "l1", Failed, "it answers 401: the key in the URL is not accepted", "--ethereum-host", true, "trace balance"},
		"L1 is no L1":                         {func(s *sick) { s.l1.rpc["eth_chainId"] = `{}` }, "l1", Failed, "its answer cannot be read", "--ethereum-host", true, ""},
		"nothing traces":                      {func(s *sick) { delete(s.l1.rpc, "debug_traceTransaction") }, "trace", Warning, "debug_traceTransaction is not answered", "--set ETHEREUM_DEBUG_HOSTS=URL", false, ""},
		"the beacon node is down":             {func(s *sick) { s.node.Beacon = []string{gone} }, "beacon", Failed, "connection refused", "--l1-consensus-host-url URL", true, ""},
		"the beacon node is on another chain": {func(s *sick) { s.l1.beacon["/eth/v1/config/spec"] = `{"data":{"DEPOSIT_CHAIN_ID":"17000"}}` }, "beacon", Failed, "on chain 17000", "--l1-consensus-host-url", true, ""},
		"the beacon node is syncing": {func(s *sick) {
			s.l1.beacon["/eth/v1/node/syncing"] = `{"data":{"is_syncing":true,"sync_distance":"977"}}`
		}, "beacon", Failed, "977 slots behind", "wait", true, ""},
		"the beacon node lost its execution node": {func(s *sick) { s.l1.beacon["/eth/v1/node/syncing"] = `{"data":{"el_offline":true}}` }, "beacon", Failed, "lost its execution node", "start", true, ""},
		"the beacon node serves no blobs":         {func(s *sick) { s.l1.beacon["/eth/v1/beacon/blobs/head"] = "code 400" }, "beacon", Failed, "does not serve blobs: asked for those of the head block, it answers 400", "supernode", true, ""},
		"the beacon node keeps few columns": {func(s *sick) {
			s.l1.beacon["/eth/v1/node/identity"] = `{"data":{"metadata":{"custody_group_count":"4"}}}`
		}, "beacon", Failed, "it keeps 4 of 128", "supernode", true, ""},
		"the clock is off":       {func(s *sick) { s.host.Clock = fakeClock{synced: true, ahead: -3 * time.Second} }, "clock", Failed, "3s behind ntp.example", "timedatectl set-ntp true", false, ""},
		"the clock drifts":       {func(s *sick) { s.host.Clock = fakeClock{err: errBroken} }, "clock", Warning, "nothing keeps the clock right", "timedatectl", false, ""},
		"the clock is behind L1": {func(s *sick) { s.l1.rpc["eth_getBlockByNumber"] = blockOf(now.Add(time.Minute)) }, "clock", Failed, "the clock is behind", "timedatectl", false, ""},
		"an old processor":       {func(s *sick) { s.put("/proc/cpuinfo", strings.Replace(goodCPU, " adx avx2", "", 1)) }, "cpu", Failed, "Some CPU lacks adx, avx2", "Skylake", false, ""},
		"few processors":         {func(s *sick) { s.node.Floor.CPUs = 16 }, "cpu", Warning, "2 virtual processors, and the role wants 16", "", false, ""},
		"little memory":          {func(s *sick) { s.put("/proc/meminfo", "MemTotal: 2048000 kB\nMemAvailable: 1 kB\n") }, "memory", Failed, "2.0 GiB of memory", "", false, ""},
		"a full disk":            {func(s *sick) { s.host.Disk = fakeDisk{1 << 30, 2 << 40, 1} }, "disk", Failed, "the node is about to stop", "aztec-spartan gc", true, ""},
		"no room for an image":   {func(s *sick) { s.node.Data, s.host.Disk = "", fakeDisk{1 << 20, 2 << 40, 1} }, "disk", Failed, "less than the reserve", "aztec-spartan gc", true, ""},
		"a small disk":           {func(s *sick) { s.host.Disk = fakeDisk{100 << 30, 200 << 30, 1} }, "disk", Warning, "on a disk of 200 GiB", "--data-dir", false, ""},
		"a slow disk":            {func(s *sick) { s.host.Disk = fakeDisk{1 << 40, 2 << 40, 90 * time.Millisecond} }, "disk speed", Warning, "90ms", "--data-dir", false, ""},
		"an old systemd":         {func(s *sick) { s.host.Systemd = 245 }, "systemd", Failed, "systemd 245", "upgrade", false, ""},
		"a failed unit":          {func(s *sick) { s.host.State, s.host.Lost = "degraded", []string{"a.service", "b.mount"} }, "systemd", Warning, "units of this host failed: a.service, b.mount", "systemctl --failed", false, ""},
		"emergency mode":         {func(s *sick) { s.host.State = "maintenance" }, "systemd", Failed, "rescue or emergency mode", "systemctl default", false, ""},
		"a shutdown":             {func(s *sick) { s.host.State = "stopping" }, "systemd", Failed, "shutting down", "wait", false, ""},
		"an old kernel":          {func(s *sick) { s.put("/proc/sys/kernel/osrelease", "5.4.0-150-generic") }, "kernel", Failed, "Linux 5.4", "upgrade", false, ""},
		"old control groups":     {func(s *sick) { s.host.Root = moved(s) }, "kernel", Warning, "version 1", "unified_cgroup_hierarchy", false, ""},
		"a port is taken": {func(s *sick) {
			s.host.Free = func(_ string, port int) error { return map[bool]error{true: errBroken}[port == 8080] }
		}, "ports", Failed, "rpc port 8080/tcp: it is broken", "sport = :8080", false, ""},
		"no nftables": {
			func(s *sick) { s.host.Table = func(context.Context) error { return errBroken } },
			"firewall", Failed, "cannot be closed to other machines: it is broken", "install nftables", false, "",
		},
		"the table was flushed": {
			func(s *sick) { s.node.Running, s.host.Closed = true, func(context.Context) error { return errBroken } },
			"firewall", Failed, "are open to other machines: it is broken", "systemctl start aztec-firewall.service", false, "",
		},
		"ufw is on":       {func(s *sick) { s.put("/etc/ufw/ufw.conf", "ENABLED=yes\n") }, "firewall", Warning, "no rule for P2P port 40400", "ufw allow 40400", false, ""},
		"firewalld is on": {func(s *sick) { s.put("/etc/systemd/system/multi-user.target.wants/firewalld.service", "") }, "firewall", Warning, "firewalld is on", "--add-port=40400/udp", false, ""},
		"nftables drops": {func(s *sick) {
			s.put("/etc/systemd/system/sysinit.target.wants/nftables.service", "")
			s.put("/etc/nftables.conf", "type filter hook input priority 0; policy drop;")
		}, "firewall", Warning, "nftables is on", "th dport 40400 accept", false, ""},
		"no peers": {func(s *sick) { s.node.Peers, s.node.Running = new(int), true }, "reach", Warning, "has no peer", "open P2P port 40400", false, ""},
		"not reachable": {func(s *sick) {
			s.host.Reach, s.node.Running = strings.TrimSuffix(s.node.L1[0], "/v3/SECRETKEY")+"/port/{port}", true
			s.l1.beacon["/port/40400"] = `{"ip":"203.0.113.7","reachable":false}`
		}, "reach", Warning, "does not reach P2P port 40400", "open P2P port 40400", false, ""},
		"no money":     {func(s *sick) { s.l1.rpc["eth_getBalance"] = `"0x0"` }, "balance", Failed, "has no ETH", "send ETH on L1 to 0x7099", false, ""},
		"little money": {func(s *sick) { s.l1.rpc["eth_getBalance"] = `"0x2386f26fc10000"` }, "balance", Warning, "only 0.0100 ETH", "send ETH", false, ""},
		"a broken keystore": {func(s *sick) {
			s.host.Keystore = func(context.Context) (string, error) { return "", errBroken }
		}, "keystore", Failed, "it is broken", "keys val1 add", false, ""},
		"a keystore whose error says what to do": {func(s *sick) {
			s.host.Keystore = func(context.Context) (string, error) { return "", fmt.Errorf("reading it: %w", knowing{errBroken}) }
		}, "keystore", Failed, "reading it: it is broken", "rm it", false, ""},
		"an admin API key that cannot be read": {func(s *sick) {
			s.host.AdminKey = func(context.Context) error { return knowing{errBroken} }
		}, "keystore", Warning, "1 attester; no vote can be told to the running node: it is broken", "rm it", false, ""},
		"the remote signer is down":      {func(s *sick) { s.node.Signers[0].URL = gone }, "signer", Failed, "http://127.0.0.1:1: it does not answer: connection refused", "start the remote signer", true, ""},
		"the remote signer lacks a key":  {func(s *sick) { s.l1.rpc["eth_accounts"] = `["0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"]` }, "signer", Failed, "does not sign for 0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "keys val1 add --keystore FILE", true, ""},
		"what signs is no remote signer": {func(s *sick) { s.l1.rpc["eth_accounts"] = `{}` }, "signer", Failed, "its answer cannot be read", "start the remote signer", true, ""},
		"the remote signer has a certificate of its own": {func(s *sick) {
			other := httptest.NewUnstartedServer(s.l1)
			other.Config.ErrorLog = log.New(io.Discard, "", 0)
			other.StartTLS()
			s.t.Cleanup(other.Close)
			s.node.Signers[0].URL = other.URL + "/SECRETKEY"
		}, "signer", Warning, "its certificate is not trusted here", "NODE_EXTRA_CA_CERTS", false, ""},
		"no registry": {func(s *sick) { s.host.Registry = func(context.Context) error { return errBroken } }, "registry", Warning, "new versions cannot be had", "aztec-spartan versions", false, ""},
		"no DNS": {func(s *sick) {
			s.host.Resolver = fakeResolver{"eth.example": errBroken}
			s.node.Trace = []string{s.node.L1[0], "https://eth.example/SECRETKEY"}
		}, "dns", Failed, "eth.example cannot be looked up", "resolvectl", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := healthy(t)
			test.fault(s)
			named := false
			for _, f := range Examine(t.Context(), s.host, s.node, Everything) {
				if strings.Contains(f.Seen+f.Do, "SECRETKEY") {
					t.Errorf("a secret of a URL is told: %+v", f)
				}
				switch {
				case f.Level == OK:
				case f.Check == test.check:
					named = true
					if f.Level != test.level || !strings.Contains(f.Seen, test.seen) || !strings.Contains(f.Do, test.do) || f.Holds != test.holds {
						t.Errorf("got %+v", f)
					}
				case strings.Contains(test.also, f.Check):
				default:
					t.Errorf("named besides: %+v", f)
				}
			}
			if !named {
				t.Error("not named")
			}
		})
	}
}

// moved is a host without unified control groups.
func moved(s *sick) string {
	s.host.Root = filepath.Join(s.host.Root, "other")
	s.put("/proc/cpuinfo", goodCPU)
	s.put("/proc/meminfo", "MemTotal:       16384000 kB\nMemAvailable:   12000000 kB\n")
	s.put("/proc/sys/kernel/osrelease", "6.1.0\n")
	return s.host.Root
}

// Of several L1 nodes one is enough, unless another is on a wrong chain.
func TestSpareSources(t *testing.T) {
	s := healthy(t)
	s.node.L1 = append([]string{"http://127.0.0.1:1"}, s.node.L1...)
	list := Examine(t.Context(), s.host, s.node, Brief)
	if list[0].Level != Warning || list[0].Holds || !strings.Contains(list[0].Seen, "another one answers") || list[1].Level != OK {
		t.Errorf("got %+v", list[:2])
	}
	wrong := healthy(t)
	wrong.l1.rpc["eth_chainId"] = `"0x5"`
	s.node.L1[0] = wrong.node.L1[0]
	if list = Examine(t.Context(), s.host, s.node, Brief); list[0].Level != Failed || !list[0].Holds {
		t.Errorf("got %+v", list[0])
	}
	for _, f := range list {
		if f.Check == "clock" || f.Check == "registry" {
			t.Errorf("%s is asked in brief", f.Check)
		}
	}
}

// What a server says drives no terminal.
func TestHostileAnswers(t *testing.T) {
	s := healthy(t)
	s.l1.rpc["eth_chainId"] = "error:\x1b]0;evil\a" + strings.Repeat("x", 1000)
	s.l1.beacon["/eth/v1/node/syncing"] = "\x1b[2J"
	for _, f := range Examine(t.Context(), s.host, s.node, Brief) {
		if strings.ContainsAny(f.Seen, "\x1b\a") || len(f.Seen) > 400 {
			t.Errorf("%q", f.Seen)
		}
	}
}

func TestOffset(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const theirs = -time.Hour
	go func() {
		var packet [48]byte
		for {
			_, from, err := conn.ReadFrom(packet[:])
			if err != nil {
				return
			}
			answer := [48]byte{0x24, 1}
			copy(answer[24:32], packet[40:48])
			at := stamp(time.Now().Add(theirs))
			binary.BigEndian.PutUint64(answer[32:], at)
			binary.BigEndian.PutUint64(answer[40:], at)
			_, _ = conn.WriteTo(answer[:], from)
		}
	}()
	c := System{Servers: []string{"127.0.0.1:1", conn.LocalAddr().String()}}
	ahead, server, err := c.Offset(t.Context())
	if err != nil || server != conn.LocalAddr().String() || (ahead-time.Hour).Abs() > time.Second {
		t.Errorf("%s ahead of %s, %v", ahead, server, err)
	}
	if _, _, err := (System{}).Offset(t.Context()); err == nil {
		t.Error("no server, and an answer")
	}
}

func TestDisks(t *testing.T) {
	dir := t.TempDir()
	free, total, err := Disks{}.Room(filepath.Join(dir, "not", "there"))
	if err != nil || free <= 0 || total < free {
		t.Errorf("%d of %d, %v", free, total, err)
	}
	took, err := Disks{}.Sync(dir)
	if err != nil || took <= 0 {
		t.Errorf("%s, %v", took, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A proxy that whoever asks has would find what the node does not.
func TestClientKnowsNoProxies(t *testing.T) {
	if transport, ok := Client().Transport.(*http.Transport); !ok || transport.Proxy != nil {
		t.Errorf("it asks through a proxy: %v", Client().Transport)
	}
}
