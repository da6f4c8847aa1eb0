//go:build booted

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/units/doctor"
)

// sickL1 is an execution node of mainnet and its beacon node. A fault answers
// something else to a method or at a path, or, as "code 401", with that code.
type sickL1 struct {
	mu     sync.Mutex
	faults map[string]string
}

func (l *sickL1) set(faults map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = faults
}

func blockAt(t time.Time) string {
	return fmt.Sprintf(`{"number":"0x10","timestamp":"0x%x","transactions":["0x01"]}`, t.Unix())
}

func (l *sickL1) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	well := map[string]string{
		"eth_chainId": `"0x1"`, "eth_syncing": "false", "eth_getBlockByNumber": blockAt(time.Now()), "debug_traceTransaction": "{}", "eth_getBalance": `"0xde0b6b3a7640000"`,
		"/eth/v1/node/syncing":           `{"data":{"is_syncing":false,"sync_distance":"0","el_offline":false}}`,
		"/eth/v1/config/spec":            `{"data":{"DEPOSIT_CHAIN_ID":"1"}}`,
		"/eth/v1/beacon/blobs/head":      `{"data":[]}`,
		"/eth/v1/beacon/blobs/finalized": `{"data":[]}`,
		"/eth/v1/node/identity":          `{"data":{"metadata":{"custody_group_count":"128"}}}`,
	}
	asked, form := r.URL.Path, "%s"
	if r.Method == http.MethodPost {
		var call struct{ Method string }
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		asked, form = call.Method, `{"jsonrpc":"2.0","id":1,"result":%s}`
	}
	l.mu.Lock()
	answer, sick := l.faults[asked]
	l.mu.Unlock()
	if !sick {
		answer = well[asked]
	}
	var code int
	switch _, err := fmt.Sscanf(answer, "code %d", &code); {
	case err == nil:
		w.WriteHeader(code)
	case answer == "" && r.Method == http.MethodPost:
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"the method does not exist"}}`)
	case answer == "":
		http.NotFound(w, r)
	default:
		_, _ = fmt.Fprintf(w, form, answer)
	}
}

// broken is one thing that is broken on a host.
type broken struct {
	l1       map[string]string // of sickL1
	away     int               // port on which nobody answers
	do, undo string            // to be typed
	check    string            // that names it
	level    doctor.Level
	says     string
	also     string // other checks that cannot do their work then
}

// brokenHosts: doctor looks at one host that is broken in one way after the
// other, and names each, and nothing else. The host itself is the same: what a
// machine has and what a kernel says is bound over it.
func (g *guest) brokenHosts() {
	g.t.Helper()
	began := time.Now()
	defer func() { g.t.Logf("brokenHosts: %s", time.Since(began)) }()
	const toml, creds, taken = "/etc/aztec-spartan/instances/sick1/instance.toml", "/etc/aztec-spartan/instances/sick1/keystore.json.cred", 40400
	l1 := &sickL1{}
	closers := map[int]func(){}
	serve := func(port int) {
		g.t.Helper()
		l, err := g.Listen("tcp", fmt.Sprintf("0.0.0.0:%d", port))
		if err != nil {
			g.t.Fatal(err)
		}
		server, served := &http.Server{Handler: l1, ReadHeaderTimeout: 10 * time.Second}, make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		closers[port] = sync.OnceFunc(func() {
			_ = server.Close()
			<-served
		})
		g.t.Cleanup(closers[port])
	}
	serve(stage.L1Port)
	serve(stage.BeaconPort)
	g.sh(`echo nameserver 127.0.0.1 >/etc/resolv.conf && sed -i 's/^ntp_servers = .*/ntp_servers = []/' /etc/aztec-spartan/config.toml
		echo ` + thirdKey + ` | aztec-spartan config sick1 --network mainnet --image ` + stage.Repository + `:4.1.2 --ip 203.0.113.7 --port 8085 --admin-port 8885 --p2p-port ` + fmt.Sprint(taken) + ` --ethereum-host http://127.0.0.1:8545 --l1-consensus-host-url http://127.0.0.1:5052 --key-file -
		cp ` + toml + " " + creds + ` /root/`)
	bound := func(path, text string) (do, undo string) {
		return "printf '" + text + "' >/root/over && mount --bind /root/over " + path, "umount " + path
	}
	look := func() map[string]doctor.Finding {
		g.t.Helper()
		r := g.try("aztec-spartan doctor sick1 --json")
		var all []examined
		if err := json.Unmarshal([]byte(r.Stdout), &all); err != nil || len(all) != 1 {
			g.t.Fatalf("exit code %d, %v: %s%s", r.Code, err, r.Stdout, r.Stderr)
		}
		if want := map[bool]int{true: exitUnhealthy}[all[0].Health == doctor.Failed]; r.Code != want {
			g.t.Errorf("it is %s, and the exit code is %d", all[0].Health, r.Code)
		}
		seen := map[string]doctor.Finding{}
		for _, f := range all[0].Findings {
			if was, more := seen[f.Check]; !more || doctor.Worst([]doctor.Finding{was, f}) != was.Level {
				seen[f.Check] = f
			}
		}
		delete(seen, "disk speed") // which other hosts share
		return seen
	}
	well := look() // but for what this machine lacks
	for _, check := range []string{"l1", "trace", "beacon", "ports", "firewall", "balance", "keystore", "registry"} {
		if well[check].Level != doctor.OK {
			g.t.Errorf("before anything is broken: %+v", well[check])
		}
	}
	oldCPU, newCPU := bound("/proc/cpuinfo", `processor : 0\nmodel name : Old CPU\nflags : fpu avx\n`)
	less, more := bound("/proc/meminfo", `MemTotal: 2048000 kB\nMemAvailable: 1 kB\n`)
	oldLinux, newLinux := bound("/proc/sys/kernel/osrelease", `5.4.0-150-generic\n`)
	const wants, full = "/etc/systemd/system/multi-user.target.wants/firewalld.service", "mount -t tmpfs -o size=16M full "
	for name, f := range map[string]broken{
		"L1 is away":                 {away: stage.L1Port, check: "l1", level: doctor.Failed, says: "connection refused", also: "trace balance"},
		"L1 is another chain":        {l1: map[string]string{"eth_chainId": `"0xaa36a7"`}, check: "l1", level: doctor.Failed, says: "on chain 11155111, and the network is on 1"},
		"L1 syncs":                   {l1: map[string]string{"eth_syncing": `{"currentBlock":"0x1"}`}, check: "l1", level: doctor.Failed, says: "is syncing"},
		"L1 is stuck":                {l1: map[string]string{"eth_getBlockByNumber": blockAt(time.Now().Add(-time.Hour))}, check: "l1", level: doctor.Failed, says: "old"},
		"L1 does not trace":          {l1: map[string]string{"debug_traceTransaction": ""}, check: "trace", level: doctor.Warning, says: "debug_traceTransaction is not answered"},
		"the clock is behind":        {l1: map[string]string{"eth_getBlockByNumber": blockAt(time.Now().Add(time.Hour))}, check: "clock", level: doctor.Failed, says: "the clock is behind"},
		"no money":                   {l1: map[string]string{"eth_getBalance": `"0x0"`}, check: "balance", level: doctor.Failed, says: "has no ETH"},
		"the beacon node is away":    {away: stage.BeaconPort, check: "beacon", level: doctor.Failed, says: "connection refused"},
		"the beacon node syncs":      {l1: map[string]string{"/eth/v1/node/syncing": `{"data":{"is_syncing":true,"sync_distance":"977"}}`}, check: "beacon", level: doctor.Failed, says: "977 slots behind"},
		"no blobs":                   {l1: map[string]string{"/eth/v1/beacon/blobs/head": "code 400"}, check: "beacon", level: doctor.Failed, says: "does not serve blobs"},
		"the key is refused":         {l1: map[string]string{"/eth/v1/node/syncing": "code 401"}, check: "beacon", level: doctor.Failed, says: "it answers 401"},
		"no such name":               {do: "sed -i 's|http://127.0.0.1:8545|http://l1.nowhere.invalid:8545|' " + toml, undo: "cp /root/instance.toml " + toml, check: "dns", level: doctor.Failed, says: "l1.nowhere.invalid cannot be looked up", also: "l1 trace balance"},
		"no nftables":                {do: "mv /usr/sbin/nft /root/nft", undo: "mv /root/nft /usr/sbin/nft", check: "firewall", level: doctor.Failed, says: "RPC and admin ports cannot be closed"},
		"ufw":                        {do: "mkdir -p /etc/ufw && echo ENABLED=yes >/etc/ufw/ufw.conf", undo: "rm -r /etc/ufw", check: "firewall", level: doctor.Warning, says: "ufw is on, and has no rule for P2P port 40400"},
		"firewalld":                  {do: "ln -s /dev/null " + wants, undo: "rm " + wants, check: "firewall", level: doctor.Warning, says: "firewalld is on"},
		"a unit failed":              {do: "! systemd-run --quiet --wait --unit sick false", undo: "systemctl reset-failed", check: "systemd", level: doctor.Warning, says: "sick.service"},
		"an old processor":           {do: oldCPU, undo: newCPU, check: "cpu", level: doctor.Failed, says: "Old CPU lacks adx, avx2"},
		"little memory":              {do: less, undo: more, check: "memory", level: doctor.Failed, says: "2.0 GiB of memory"},
		"an old kernel":              {do: oldLinux, undo: newLinux, check: "kernel", level: doctor.Failed, says: "Linux 5.4"},
		"no room for images":         {do: full + "/var/lib/aztec-spartan/images", undo: "umount /var/lib/aztec-spartan/images", check: "disk", level: doctor.Failed, says: "no image can be unpacked"},
		"no room for data":           {do: full + "/var/lib/aztec", undo: "umount /var/lib/aztec", check: "disk", level: doctor.Failed, says: "the node is about to stop"},
		"a keystore of another host": {do: "head -c 300 /dev/urandom | base64 >" + creds, undo: "cp /root/keystore.json.cred " + creds, check: "keystore", level: doctor.Failed, says: "keystore", also: "balance"},
		"the registry is away":       {away: -1, check: "registry", level: doctor.Warning, says: "new versions cannot be had"},
		"a port is taken":            {away: taken, check: "ports", level: doctor.Failed, says: "p2p port 40400/tcp"},
	} {
		g.t.Run(name, func(t *testing.T) {
			h := &guest{g.Stage, t}
			l1.set(f.l1)
			defer l1.set(nil)
			switch f.away {
			case 0:
			case -1:
				if err := h.StopRegistry(); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := h.StartRegistry(); err != nil {
						t.Error(err)
					}
				}()
			case taken:
				serve(taken)
				defer closers[taken]()
			default:
				closers[f.away]()
				defer serve(f.away)
			}
			if f.do != "" {
				h.sh(f.do)
				defer h.sh(f.undo)
			}
			seen := look()
			if is := seen[f.check]; is.Level != f.level || !strings.Contains(is.Seen, f.says) || is.Do == "" && f.check != "memory" {
				t.Errorf("it says %+v", is)
			}
			for check, is := range seen {
				if check != f.check && !strings.Contains(f.also, check) && is.Level != well[check].Level {
					t.Errorf("named besides: %+v", is)
				}
			}
		})
	}
	if after := look(); doctor.Worst(findings(after)) != doctor.Worst(findings(well)) {
		g.t.Errorf("something is left broken: %+v", after)
	}
}

func findings(seen map[string]doctor.Finding) (list []doctor.Finding) {
	for _, f := range seen {
		list = append(list, f)
	}
	return list
}
