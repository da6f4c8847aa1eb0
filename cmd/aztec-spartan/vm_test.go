//go:build vm

// Tests with the tag vm run in a virtual machine with a kernel of its own: for
// what containers cannot show. `make test-vm` runs them, in some minutes; they
// need root, and qemu.
package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

const (
	vmSequencer = "aztec-sequencer@val1.service"
	vmAgent     = "aztec-prover-agent@agent1.service"
)

// machine is a virtual machine with the package and images on it.
type machine struct {
	*testhost.Machine
	t *testing.T
}

// TestVM plays on one machine, which is booted some times: each part finds it
// on, with val1 and agent1 running, and leaves it so.
func TestVM(t *testing.T) {
	m := newMachine(t, "bookworm")
	m.on()
	m.install()
	m.sequencer("val1", vmKey, "")
	m.sh("aztec-spartan config agent1 --role prover-agent --network local --version 4.1.2 --no-pull --port 8084 --broker http://127.0.0.1:8083 --egress broker --resource memory_max=400MiB")
	m.sh("aztec-spartan start val1 agent1")
	m.until("aztec-spartan probe val1 && systemctl is-active " + vmAgent)

	t.Run("limits", func(t *testing.T) { m.as(t).limits() })
	t.Run("egress", func(t *testing.T) { m.as(t).egress() })
	t.Run("an agent starves no sequencer", func(t *testing.T) { m.as(t).shares() })
	t.Run("clock", func(t *testing.T) { m.as(t).clock() })
	t.Run("reboots", func(t *testing.T) { m.as(t).reboots() })
	t.Run("power cuts", func(t *testing.T) { m.as(t).powerCuts() })
	t.Run("what power cuts would leave of rolls", func(t *testing.T) { m.as(t).looksWhileRolling() })
	t.Run("rolls cut short", func(t *testing.T) { m.as(t).cutRolls() })
}

// install puts the package and an image on the machine.
func (m *machine) install() {
	m.t.Helper()
	m.sh("dpkg -i /payload/aztec-spartan.deb")
	m.sh("printf '[Unit]\nRequiresMountsFor=/payload\n[Service]\nExecStart=/payload/serve -layout /payload/layout -listen 127.0.0.1:5000\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/registry.service && systemctl enable --now registry")
	m.sh("sed -i 's|^mirrors = .*|mirrors = [\"http://127.0.0.1:5000\"]|' /etc/aztec-spartan/config.toml")
	m.until("aztec-spartan pull 4.1.2")
}

// newMachine makes a machine, which is off, with what is to be installed.
func newMachine(t *testing.T, suite string) *machine {
	t.Helper()
	payload := t.TempDir()
	if err := stubimage.Build(filepath.Join(payload, "layout")); err != nil {
		t.Fatal(err)
	}
	deb := os.Getenv("AZTEC_SPARTAN_DEB")
	if deb == "" {
		t.Fatal("AZTEC_SPARTAN_DEB names no package: run make test-vm")
	}
	serve := exec.Command("go", "build", "-o", filepath.Join(payload, "serve"), "../../packaging/realimage/serve")
	serve.Env = append(os.Environ(), "CGO_ENABLED=0")
	for _, cmd := range []*exec.Cmd{exec.Command("cp", deb, filepath.Join(payload, "aztec-spartan.deb")), serve} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	began := time.Now()
	vm, err := testhost.NewMachine(t.Context(), testhost.MachineOptions{Suite: suite, Dir: t.TempDir(), Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := vm.Cut(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("disks made in %s", time.Since(began).Round(time.Second))
	return &machine{vm, t}
}

// Keys that are worth nothing: of the second and third accounts of every
// development chain.
const (
	vmKey    = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
	vmTPMKey = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
)

func (m *machine) as(t *testing.T) *machine { return &machine{m.Machine, t} }

// on starts the machine, without the parts that are named.
func (m *machine) on(without ...string) {
	m.t.Helper()
	began := time.Now()
	if err := m.PowerOn(m.t.Context(), without...); err != nil {
		m.t.Fatal(err)
	}
	m.t.Logf("booted in %s", time.Since(began).Round(100*time.Millisecond))
}

func (m *machine) off() {
	m.t.Helper()
	if err := m.PowerOff(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

// sequencer configures one. Its L1 is not there, and its node does not mind.
func (m *machine) sequencer(name, key, flags string) {
	m.t.Helper()
	m.sh("echo " + key + " | aztec-spartan config " + name + vmNode + " --key-file - " + flags)
}

const vmNode = " --network local --version 4.1.2 --no-pull --no-p2p --ethereum-host http://127.0.0.1:8545 --set REGISTRY_CONTRACT_ADDRESS=0xb7f8bc63bbcad18155201308c8f3540b07f84f5e"

func (m *machine) try(script string) testhost.Result {
	m.t.Helper()
	r, err := m.Sh(m.t.Context(), script)
	if err != nil {
		m.t.Fatalf("%s: %v", script, err)
	}
	return r
}

func (m *machine) sh(script string) string {
	m.t.Helper()
	r := m.try(script)
	if r.Code != 0 {
		log := m.try("journalctl --no-pager -n 30 -o short-monotonic").Stdout
		m.t.Fatalf("%s: exit code %d\n%s%s%s", script, r.Code, r.Stdout, r.Stderr, log)
	}
	return strings.TrimSpace(r.Stdout)
}

// fails runs a script that must exit with code and say each of words on stderr.
func (m *machine) fails(code int, script string, words ...string) {
	m.t.Helper()
	r := m.try(script)
	if r.Code != code {
		m.t.Errorf("%s: exit code %d, want %d\n%s%s", script, r.Code, code, r.Stdout, r.Stderr)
	}
	for _, w := range words {
		if !strings.Contains(r.Stderr, w) {
			m.t.Errorf("%s: does not say %q:\n%s", script, w, r.Stderr)
		}
	}
}

// settled waits for the jobs that a boot has queued.
func (m *machine) settled() {
	m.t.Helper()
	m.until("! systemctl list-jobs --no-legend | grep -q aztec-")
}

func (m *machine) until(script string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 5*time.Minute)
	defer cancel()
	var last testhost.Result
	err := testhost.Wait(ctx, script, func() (bool, error) {
		var err error
		last, err = m.Sh(m.t.Context(), script) // a script that is cut short takes the port with it
		return err == nil && last.Code == 0, err
	})
	if err != nil {
		m.t.Fatalf("%v\n%s%s\n%s", err, last.Stdout, last.Stderr, m.try("journalctl --no-pager -n 40 -o short-monotonic").Stdout)
	}
}

// group is the directory of a unit's cgroup.
func (m *machine) group(unit string) string {
	m.t.Helper()
	return "/sys/fs/cgroup" + m.sh("systemctl show -P ControlGroup "+unit)
}

func (m *machine) number(script string) int {
	m.t.Helper()
	n, err := strconv.Atoi(m.sh(script))
	if err != nil {
		m.t.Fatalf("%s: %v", script, err)
	}
	return n
}

// limits: what the unit says, the kernel holds to.
func (m *machine) limits() {
	agent := m.group(vmAgent)
	// What instance.toml adds, and takes back.
	const has = "pid=$(systemctl show -P MainPID " + vmAgent + ") && echo $(sed -n 's/^Cpus_allowed_list://p' /proc/$pid/status; ps -o ni= -p $pid)"
	for _, c := range [][2]string{{"allowed_cpus=1 --resource memory_high=300MiB --resource nice=7", "1 7 314572800"}, {"allowed_cpus= --resource memory_high= --resource nice=", "0-1 10 max"}} {
		m.sh("aztec-spartan config agent1 --resource " + c[0] + " && aztec-spartan restart agent1")
		if got := m.sh(has + " $(cat " + agent + "/memory.high)"); got != c[1] {
			m.t.Errorf("with %s it has the CPUs, nice value and memory.high %s, want %s", c[0], got, c[1])
		}
	}
	for file, want := range map[string]string{agent + "/memory.max": "419430400", agent + "/cpu.weight": "50", m.group(vmSequencer) + "/cpu.weight": "500"} {
		if got := m.sh("cat " + file); got != want {
			m.t.Errorf("%s is %s, want %s", file, got, want)
		}
	}
	total := m.number("awk '/^MemTotal/ {print $2}' /proc/meminfo")
	for _, slice := range []string{"/sys/fs/cgroup/aztec.slice", "/sys/fs/cgroup/aztec.slice/aztec-sequencer.slice"} {
		if low := m.number("cat "+slice+"/memory.low") / 1024; low < total/4-1024 || low > total/4+1024 {
			m.t.Errorf("%s keeps %d KiB of %d", slice, low, total)
		}
	}
	pid := m.sh("systemctl show -P MainPID " + vmSequencer)
	if got := m.sh("cat /proc/" + pid + "/oom_score_adj"); got != "-500" {
		m.t.Errorf("the sequencer's OOM score is %s", got)
	}
	// More memory than it may have: it is killed and comes back, and nobody else is.
	was := m.sh("systemctl show -P MainPID " + vmAgent)
	m.try("sh -c 'echo $$ >" + agent + "/cgroup.procs; exec tail /dev/zero'")
	m.until("test $(systemctl show -P MainPID " + vmAgent + ") != " + was + " && systemctl is-active " + vmAgent)
	if result := m.sh("journalctl --no-pager -u " + vmAgent); !strings.Contains(result, "OOM") && !strings.Contains(result, "oom-kill") {
		m.t.Errorf("the agent was not killed for its memory:\n%s", result)
	}
	if now := m.sh("systemctl show -P MainPID " + vmSequencer); now != pid {
		m.t.Errorf("the sequencer was process %s and is %s", pid, now)
	}
}

// egress: an agent reaches this host and its broker, and nothing else.
func (m *machine) egress() {
	m.sh("ip netns add other && ip link add near type veth peer name far netns other && ip addr add 10.99.0.1/24 dev near && ip link set near up && " +
		"ip -n other addr add 10.99.0.2/24 dev far && ip -n other link set far up && ip -n other link set lo up")
	m.sh("systemd-run -q --unit listener ip netns exec other systemd-socket-activate -l 10.99.0.2:7000 --inetd -a cat")
	connect := "timeout 5 bash -c '</dev/tcp/10.99.0.2/7000'"
	m.until(connect)
	in := func(group, script string) bool {
		m.t.Helper()
		return m.try("bash -c 'echo $$ >"+group+"/cgroup.procs && exec "+strings.ReplaceAll(script, "'", `'\''`)+"'").Code == 0
	}
	if !in(m.group(vmSequencer), connect) {
		m.t.Error("a sequencer does not reach the other machine")
	}
	if in(m.group(vmAgent), connect) {
		m.t.Error("an agent with egress reaches the other machine")
	}
	if !in(m.group(vmAgent), "timeout 5 bash -c '</dev/tcp/127.0.0.1/8080'") {
		m.t.Error("an agent with egress does not reach this host")
	}
	m.sh("aztec-spartan config agent1 --egress 10.99.0.0/24 && aztec-spartan restart agent1")
	if !in(m.group(vmAgent), connect) {
		m.t.Error("an agent does not reach whom it was told it may")
	}
	m.sh("systemctl stop listener && ip netns del other")
}

// shares: agents that want all CPUs get what a sequencer leaves.
func (m *machine) shares() {
	// Four processes that want a CPU each, of two.
	m.sh("printf '%s\\n' '#!/bin/bash' 'for i in 1 2 3 4; do bash -c \"echo \\$\\$ >$1/cgroup.procs; exec timeout 60 bash -c \\\"while :; do :; done\\\"\" & done; wait' >/usr/local/bin/burn && chmod +x /usr/local/bin/burn")
	usage := func(group string) int {
		m.t.Helper()
		return m.number("awk '/^usage_usec/ {print $2}' " + group + "/cpu.stat")
	}
	val, agent := m.group(vmSequencer), m.group(vmAgent)
	m.sh("systemd-run -q --unit burn1 burn " + val + " && systemd-run -q --unit burn2 burn " + agent)
	m.until("test $(wc -l <" + val + "/cgroup.procs) -ge 5 && test $(wc -l <" + agent + "/cgroup.procs) -ge 5")
	valBefore, agentBefore := usage(val), usage(agent)
	m.until("test $(awk '/^usage_usec/ {print $2}' " + val + "/cpu.stat) -gt " + strconv.Itoa(valBefore+8_000_000))
	valUsed, agentUsed := usage(val)-valBefore, usage(agent)-agentBefore
	m.t.Logf("both want all CPUs: the sequencer had %.1f s of them, the agent %.1f s", float64(valUsed)/1e6, float64(agentUsed)/1e6)
	if agentUsed*5 > valUsed {
		m.t.Error("the agent takes more than a sixth")
	}
	began := time.Now()
	m.sh("aztec-spartan probe val1")
	m.t.Logf("and it answers a probe in %s", time.Since(began).Round(time.Millisecond))
}
