package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// nodeFlags are the flags of config that are not about every role alike.
type nodeFlags struct {
	count            int
	from             string
	broker, proverID string
	publisherKeyFile string
	publisherKeyEnv  envKey
	agents           int
	allow, egress    []string
	exposeRPC        bool
	resources        []string
	update           []string
	dataDir, payload string
	p2pKey, bootnode string
	args             string
	extraArgs        []string
	migrate          bool
	explain          string
}

func (f *nodeFlags) register(fs *pflag.FlagSet) {
	fs.IntVar(&f.count, "count", 1, "with --role prover-agent: make NAME-1 to NAME-`N`")
	fs.StringVar(&f.from, "from", "", "take settings and keys from another `instance`, with ports and data of its own: to stand by on another rollup")
	fs.StringVar(&f.broker, "broker", "", "`URL` of the prover broker (default: the only one on this host)")
	fs.StringVar(&f.proverID, "prover-id", "", "L1 `address` that earns for proofs (default: the publisher's)")
	fs.StringVar(&f.publisherKeyFile, "publisher-key-file", "", "`file` with the private key that pays for transactions on L1 (default: the attester's)")
	fs.StringVar(&f.publisherKeyEnv.name, "publisher-key-env", "", "`NAME` of the environment variable that has it")
	fs.IntVar(&f.agents, "agents", 0, "proving agents in this process")
	fs.StringArrayVar(&f.allow, "allow", nil, "who besides this host may reach the RPC port: `CIDR`, address or host name; none: nobody")
	fs.BoolVar(&f.exposeRPC, "expose-rpc", false, "let every machine reach the RPC port: allow any; =false: nobody again")
	fs.StringArrayVar(&f.egress, "egress", nil, "an agent may talk only to this host, its broker and this `CIDR`, address or host name; broker: to nobody else; none: to everybody")
	fs.StringArrayVar(&f.resources, "resource", nil, "set a key of [resources], `KEY=VALUE`: cpu_weight, io_weight, memory_high, memory_max, nice, oom_score_adjust, allowed_cpus, log_rate_interval, log_rate_burst; KEY=: the role's")
	fs.StringArrayVar(&f.update, "update", nil, "set a key of [update], which version is taken and when, `KEY=VALUE`: constraint, channel, hold_until, min_age, window, window_length, splay, keep, mode, pre_hook, post_hook, hook_timeout, resume_signing; KEY=none: nothing; KEY=: as the host has it")
	fs.StringVarP(&f.dataDir, "data-dir", "d", "", "`directory` of the data; data that is there is moved")
	fs.StringVar(&f.payload, "payload", "", "governance payload to vote for, an L1 `address`, or none; a running node needs no restart for it")
	fs.StringVar(&f.p2pKey, "p2p-id-private-key", "", "`file` with the key of the node among its peers, or the key itself; also -pk (default: the node makes its own)")
	fs.StringVarP(&f.bootnode, "bootnode-url", "b", "", "`URL` of a node that knows the network: chain, first peers and contracts are taken from it")
	fs.StringVar(&f.args, "args", "", "`words` instead of the role's command line; none: the role's")
	fs.StringArrayVar(&f.extraArgs, "extra-arg", nil, "`word` after the command line; none: takes back all")
	fs.BoolVar(&f.migrate, "migrate", false, "rewrite [env] for the version: what was renamed, moved and removed")
	fs.StringVar(&f.explain, "explain", "", "show where the value of a `variable`, or a key of [resources], comes from, write nothing")
}

// none is what takes a list back.
const none = "none"

// applyNode changes what these flags name.
func (f *configFlags) applyNode(inst *profiles.Instance) error {
	for flag, s := range map[string]struct {
		to   *string
		from string
	}{
		"broker": {&inst.Prover.Broker, f.broker}, "prover-id": {&inst.Prover.ID, f.proverID}, "payload": {&inst.Payload, f.payload},
	} {
		if f.changed(flag) {
			*s.to = s.from
		}
	}
	if f.changed("agents") {
		inst.Prover.Agents = &f.agents
	}
	list := func(flag string, given []string, to *[]string) {
		switch {
		case !f.changed(flag):
		case slices.Equal(given, []string{none}):
			*to = nil
		default:
			*to = slices.Clone(given)
		}
	}
	if f.changed("allow") && f.changed("expose-rpc") {
		return usage(errors.New("--allow and --expose-rpc exclude each other"))
	}
	list("allow", f.allow, &inst.Allow)
	if f.changed("expose-rpc") {
		inst.Allow = nil
		if f.exposeRPC {
			inst.Allow = []string{profiles.AllowAny}
		}
	}
	list("egress", f.egress, &inst.Egress)
	for _, word := range f.resources {
		if err := inst.SetResource(word); err != nil {
			return withHint(usage(fmt.Errorf("--resource %w", err)), "--resource cpu_weight=200; --resource cpu_weight= takes it back")
		}
	}
	for _, word := range f.update {
		if err := inst.Update.Set(word); err != nil {
			return withHint(usage(fmt.Errorf("--update %w", err)), "--update channel=rc; --update channel= takes it back")
		}
	}
	list("extra-arg", f.extraArgs, &inst.ExtraArgs)
	list("args", strings.Fields(f.args), &inst.Args)
	return nil
}

// decideIP detects the address where --ip auto asks for it.
func (a *app) decideIP(ctx context.Context, inst *profiles.Instance) error {
	if inst.P2P.IP != "auto" {
		return nil
	}
	ip, err := a.detectIP(ctx)
	if err != nil {
		return fmt.Errorf("configuring %s: %w", inst.Name, err)
	}
	a.note("public address: %s", ip)
	inst.P2P.IP = ip
	return nil
}

// decideBroker takes the only broker of this host where none is said.
func (a *app) decideBroker(catalog profiles.Catalog, inst *profiles.Instance, others []profiles.Instance) {
	role, err := catalog.Role(inst.Role)
	if err != nil || inst.Prover.Broker != "" || !role.Needs("prover.broker") {
		return
	}
	var brokers []profiles.Instance
	for _, o := range others {
		if o.Role == "prover-broker" && (o.Network == inst.Network || inst.Network == "") {
			brokers = append(brokers, o)
		}
	}
	if len(brokers) == 1 {
		inst.Prover.Broker = rpcURL(brokers[0].Ports.RPC)
		a.note("broker: %s, %s", brokers[0].Name, inst.Prover.Broker)
	}
}

// decideNetwork takes from a bootnode what it says about the network.
func (a *app) decideNetwork(ctx context.Context, catalog profiles.Catalog, inst profiles.Instance, f configFlags) (profiles.Instance, error) {
	if !f.changed("bootnode-url") || inst.Network == "" { // a missing network is said with all that is missing
		return inst, nil
	}
	if f.bootnode == "" {
		return inst, usage(errors.New("--bootnode-url is empty"))
	}
	if _, err := catalog.Network(inst.Network); err != nil { // before anybody is asked
		return inst, usage(fmt.Errorf("configuring %s: network: %w", inst.Name, err))
	}
	info, err := nodeInfo(ctx, f.bootnode)
	if err != nil {
		return inst, err
	}
	inst.Bootnode = f.bootnode
	inst, err = catalog.Configure(inst, info, versionOf(inst.Image))
	if err != nil {
		return inst, usage(fmt.Errorf("configuring %s: %w", inst.Name, err))
	}
	return inst, nil
}

// versionOf is the version that a reference names by its tag, "" if it does
// not.
func versionOf(ref string) string {
	if _, err := profiles.ParseVersion(ref); err == nil {
		return ref
	}
	tag := tagOf(ref)
	if _, err := profiles.ParseVersion(tag); err != nil {
		return ""
	}
	return tag
}

// missing lists the flags without which a new instance cannot be made, all of
// them. What a network needs that is not named yet is what a public one does.
func missing(catalog profiles.Catalog, inst profiles.Instance, sec secrets, f configFlags) []string {
	role, err := catalog.Role(inst.Role)
	if err != nil {
		return nil
	}
	network, err := catalog.Network(inst.Network)
	unnamed := inst.Network == ""
	if err != nil && !unnamed {
		return nil
	}
	var list []string
	for _, m := range []struct {
		lacks bool
		flag  string
	}{
		{unnamed, "--network"},
		{inst.Image == "", "--version"},
		{role.Needs("l1.rpc") && len(inst.L1.RPC) == 0, "--ethereum-host"},
		{role.Needs("l1.consensus") && len(inst.L1.Consensus) == 0 && (unnamed || network.Consensus), "--l1-consensus-host-url"},
		{role.L1 && !unnamed && catalog.ChainID(inst) == 0, "--l1-chain-id"},
		{role.Needs("p2p.ip") && inst.P2P.IP == "" && !inst.P2P.QueryIP && catalog.P2PEnabled(inst), "--ip"},
		{role.Needs("prover.broker") && inst.Prover.Broker == "", "--broker"},
		{role.Needs("prover.id") && inst.Prover.ID == "", "--prover-id"},
		{role.Needs("registry_address") && inst.Registry == "", "--bootnode-url"},
		{role.Keys && sec.keystore == nil && f.keys() == 0 && !(role.Prover && f.publisher()), "--key-file"},
	} {
		if m.lacks {
			list = append(list, m.flag)
		}
	}
	return list
}

// keys counts the ways in which the key was given.
func (f configFlags) keys() int {
	n := 0
	for _, s := range []string{f.key, f.keyFile, f.typedKey, f.keyEnv.value} {
		if s != "" {
			n++
		}
	}
	return n
}

// publisher reports whether the key of a publisher was given.
func (f configFlags) publisher() bool {
	return f.publisherKeyFile != "" || f.publisherKeyEnv.value != ""
}
