package main

import (
	"context"
	"fmt"
	"net"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
	"github.com/aztec-spartan/aztec-spartan/units/doctor"
	"github.com/aztec-spartan/aztec-spartan/units/firewall"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

// floors are what upstream's documents want of a machine for a role ("Hardware
// requirements", versions 5.2 and 6).
var floors = map[string]doctor.Floor{
	"sequencer":     {CPUs: 16, Memory: 8e9, Disk: 1e12},
	"full-node":     {CPUs: 16, Memory: 16e9, Disk: 1e12},
	"prover-node":   {CPUs: 32, Memory: 16e9, Disk: 1e12},
	"prover-broker": {CPUs: 16, Memory: 8e9, Disk: 10e9},
	"prover-agent":  {CPUs: 64, Memory: 128e9},
}

// defaultNTPServers are asked for the time, and nothing else.
var defaultNTPServers = []string{"time.cloudflare.com:123", "pool.ntp.org:123"}

// doctorHost is this host, or the tree under --root, of which less can be told.
func (a *app) doctorHost(ctx context.Context) (doctor.Host, error) {
	c, err := a.hostConfig()
	if err != nil {
		return doctor.Host{}, err
	}
	h := doctor.Host{
		Root:     a.root,
		Client:   doctor.Client(),
		Resolver: net.DefaultResolver,
		Clock:    doctor.System{Servers: c.Network.NTPServers},
		Disk:     doctor.Disks{},
		Reach:    c.Network.ReachService,
	}
	a.describeSystemd(ctx, &h)
	if a.live() {
		h.Free, h.Locals = free, localAddresses
		if c.Network.Firewall {
			h.Table, h.Closed = firewall.Check, firewall.Loaded
		}
	}
	return h, nil
}

// describeSystemd leaves out what systemd does not say, which its check tells.
func (a *app) describeSystemd(ctx context.Context, h *doctor.Host) {
	if !a.live() {
		h.Systemd = offlineSystemd
		return
	}
	m, err := connect(ctx)
	if err != nil {
		return
	}
	defer m.Close()
	h.Systemd, _ = m.Version(ctx)
	h.State, _ = m.SystemState(ctx)
	h.Lost, _ = m.Failed(ctx)
}

func localAddresses() ([]string, error) {
	addrs, err := net.InterfaceAddrs()
	var list []string
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			list = append(list, n.IP.String())
		}
	}
	return list, err
}

// describe says what an instance needs.
func (a *app) describe(ctx context.Context, inst profiles.Instance, h *doctor.Host, n *doctor.Node, scope doctor.Scope) error {
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	role, err := catalog.Role(inst.Role)
	if err != nil {
		return usage(err)
	}
	network, _ := catalog.Network(inst.Network)
	n.Name, n.ChainID, n.Floor = inst.Name, catalog.ChainID(inst), floors[inst.Role]
	n.Quiet = network.Loopback
	if role.L1 {
		n.L1 = inst.L1.RPC
	}
	if role.Needs("l1.consensus") {
		n.Beacon = inst.L1.Consensus
	}
	debug, known := catalog.Variable("ETHEREUM_DEBUG_HOSTS")
	n.Traces = network.Public && known && debug.For(inst.Role)
	set := a.ownVariables(inst)
	n.Trace, n.MustTrace = profiles.SplitList(set["ETHEREUM_DEBUG_HOSTS"]), set["ETHEREUM_ALLOW_NO_DEBUG_HOSTS"] == "false"
	for _, l := range catalog.Listens(inst) {
		n.Listens = append(n.Listens, doctor.Port{Name: l.Name, Network: l.Network, Number: l.Port})
	}
	n.Address = inst.P2P.IP
	if dir := catalog.DataDir(inst); dir != "" {
		n.Data = a.path(dir)
	}
	n.Running = a.runs(ctx, inst)
	a.describeKeys(ctx, inst, role, h, n)
	if scope == doctor.Brief {
		h.Keystore = nil
		return nil
	}
	if n.Running {
		if _, meta, err := a.generations(inst); err == nil {
			n.Peers = probe.Check(ctx, probe.Client(), probeTarget(meta)).Peers
		}
	}
	h.Registry = func(ctx context.Context) error {
		o, err := a.pullOptions(inst.Image)
		if err == nil {
			_, err = extract.Resolve(ctx, inst.Image, o)
		}
		return err
	}
	return nil
}

// describeKeys opens the keystore once, for its own check and for who pays.
func (a *app) describeKeys(ctx context.Context, inst profiles.Instance, role profiles.Role, h *doctor.Host, n *doctor.Node) {
	if !role.Keys {
		return
	}
	var sec secrets
	err := a.loadKeystore(ctx, inst.Name, &sec)
	if err == nil && sec.keystore == nil {
		flag := "--key-file"
		if role.Prover {
			flag = "--publisher-key-file"
		}
		err = withHint(fmt.Errorf("%s has no keystore", inst.Name), "aztec-spartan config %s %s FILE", inst.Name, flag)
	}
	var k keystore.Keystore
	if err == nil {
		k, err = keystore.Parse(sec.keystore)
	}
	h.Keystore = func(context.Context) (string, error) {
		if err != nil {
			return "", err
		}
		form := "in a file that only root can read"
		if sec.sealed != "" {
			form = fmt.Sprintf("encrypted (%s key)", sec.sealed)
		}
		return fmt.Sprintf("%d attester(s), %s", len(k.Addresses()), form), nil
	}
	if err != nil {
		return
	}
	if attests(role) { // and so votes
		h.AdminKey = func(ctx context.Context) error {
			_, err := a.readAdminKey(ctx, inst.Name)
			return err
		}
	}
	for _, p := range k.Publishers() {
		n.Publishers = append(n.Publishers, p.String())
	}
	for _, r := range k.Remotes() {
		n.Signers = append(n.Signers, doctor.Signer(r))
	}
}

// ownVariables are those that the operator set, by either way.
func (a *app) ownVariables(inst profiles.Instance) map[string]string {
	set := map[string]string{}
	for name, value := range inst.Env {
		set[name] = value
	}
	if local, err := a.localEnv(inst.Name); err == nil {
		for _, v := range local {
			set[v.Name] = v.Value
		}
	}
	return set
}
