package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// configFlags are what config was called with. A flag that was not given
// changes nothing.
type configFlags struct {
	role, network, image, version  string
	ethereumHost, consensusHost    []string
	chainID                        uint64
	rpcPort, adminPort, p2pPort    int
	ip, coinbase, feeRecipient     string
	key, keyFile, encryptKeys      string
	typedKey                       string // at the prompt
	keyEnv                         envKey
	set, unset                     []string
	verbose, noP2P, noPull, dryRun bool
	applies                        bool // to the running node, behind the gate
	now, unattended                bool
	settle                         time.Duration
	nodeFlags

	changed func(flag string) bool
	bare    bool // no flag says what to change
}

func (f *configFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.role, "role", "sequencer", "full-node, sequencer, prover-node, prover-broker or prover-agent; prover is a broker and a prover node")
	fs.StringVarP(&f.network, "network", "n", "", "network to join")
	fs.StringVarP(&f.image, "image", "i", "", "OCI `reference` of the image, by tag or digest")
	fs.StringVar(&f.version, "version", "", "version in the configured repository, instead of --image")
	fs.StringSliceVarP(&f.ethereumHost, "ethereum-host", "e", nil, "`URL`s of L1 execution nodes")
	fs.StringSliceVarP(&f.consensusHost, "l1-consensus-host-url", "l", nil, "`URL`s of L1 beacon nodes")
	fs.Uint64Var(&f.chainID, "l1-chain-id", 0, "chain ID of L1, where the network does not fix it")
	fs.IntVarP(&f.rpcPort, "port", "p", 0, "RPC port (default: 8080, or the next that is free)")
	fs.IntVar(&f.adminPort, "admin-port", 0, "admin port (default: 8880, or the next that is free)")
	fs.IntVar(&f.p2pPort, "p2p-port", 0, "P2P port, TCP and UDP; also -p2p (default: 40400, or the next that is free)")
	fs.StringVar(&f.ip, "ip", "", "public IP `address` that peers reach this node at, or auto; also -ip")
	fs.BoolVar(&f.noP2P, "no-p2p", false, "run without P2P")
	fs.StringVar(&f.keyFile, "key-file", "", "`file` with the attester's private key; - is standard input")
	fs.StringVar(&f.keyEnv.name, "key-env", "", "`NAME` of the environment variable that has it; no program that is started inherits it")
	fs.StringVarP(&f.key, "key", "k", "", "the private key itself: visible to others in ps and in shell history")
	fs.StringVar(&f.encryptKeys, "encrypt-keys", "", "how keystore and admin API key lie on disk: encrypted `WITH` the host, tpm2 or host+tpm2 key, or no (default host for new instances, where systemd can)")
	fs.Lookup("encrypt-keys").NoOptDefVal = "host"
	fs.StringVar(&f.coinbase, "coinbase", "", "L1 `address` for rewards (default: the attester's)")
	fs.StringVar(&f.feeRecipient, "fee-recipient", "", "Aztec `address` for fees")
	fs.StringArrayVar(&f.set, "set", nil, "set a variable of the node, `NAME=VALUE`")
	fs.StringArrayVar(&f.unset, "unset", nil, "take back a --set of `NAME`")
	f.nodeFlags.register(fs)
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "log level debug")
	fs.BoolVar(&f.noPull, "no-pull", false, "do not fetch the image now, but at the first start")
	fs.BoolVar(&f.applies, "apply", false, "restart a running node behind the gate of updates; the old settings come back if it fails")
	fs.DurationVar(&f.settle, "settle", 0, "with --apply: how long it must then stay up (default: config.toml, 45s)")
	fs.BoolVar(&f.now, "now", false, "with --apply: do not wait for a node that proves, or is to propose a block")
	fs.BoolVar(&f.dryRun, "dry-run", false, "show what would be written, write nothing")
}

// apply changes what the flags name.
func (f *configFlags) apply(inst *profiles.Instance) error {
	if f.changed("image") && f.changed("version") {
		return usage(errors.New("--image and --version exclude each other"))
	}
	strs := map[string]struct {
		to   *string
		from string
	}{
		"role": {&inst.Role, f.role}, "network": {&inst.Network, f.network},
		"image": {&inst.Image, f.image}, "version": {&inst.Image, f.version},
		"ip": {&inst.P2P.IP, f.ip}, "coinbase": {&inst.Coinbase, f.coinbase}, "fee-recipient": {&inst.FeeRecipient, f.feeRecipient},
	}
	for flag, s := range strs {
		if f.changed(flag) {
			*s.to = s.from
		}
	}
	ints := map[string]struct {
		to   *int
		from int
	}{
		"port": {&inst.Ports.RPC, f.rpcPort}, "admin-port": {&inst.Ports.Admin, f.adminPort}, "p2p-port": {&inst.Ports.P2P, f.p2pPort},
	}
	for flag, i := range ints {
		if f.changed(flag) {
			*i.to = i.from
		}
	}
	if f.changed("ethereum-host") {
		inst.L1.RPC = f.ethereumHost
	}
	if f.changed("l1-consensus-host-url") {
		inst.L1.Consensus = f.consensusHost
	}
	if f.changed("l1-chain-id") {
		inst.L1.ChainID = f.chainID
	}
	if f.changed("no-p2p") {
		enabled := !f.noP2P
		inst.P2P.Enabled = &enabled
	}
	if f.verbose {
		inst.LogLevel = "debug"
	}
	if f.changed("ip") && f.ip != "auto" {
		if err := profiles.ValidIP(f.ip); err != nil {
			return withHint(usage(fmt.Errorf("--ip: %w", err)), "--ip auto asks services on the internet")
		}
	}
	if f.changed("data-dir") {
		dir, err := filepath.Abs(f.dataDir)
		if err != nil || f.dataDir == "" {
			return usage(errors.New("--data-dir wants a directory"))
		}
		if inst.DataDir = dir; dir == filepath.Join(dataRoot, inst.Name) {
			inst.DataDir = "" // where it is anyway
		}
	}
	if err := f.applyNode(inst); err != nil {
		return err
	}
	return f.applyEnv(inst)
}

func (f *configFlags) applyEnv(inst *profiles.Instance) error {
	env := map[string]string{}
	for name, value := range inst.Env { // the caller's map stays as it is
		env[name] = value
	}
	for _, name := range f.unset {
		if _, ok := inst.Env[name]; !ok {
			return usage(fmt.Errorf("--unset %s: it is not set", name))
		}
		delete(env, name)
	}
	for _, s := range f.set {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return usage(errors.New("--set wants NAME=VALUE"))
		}
		if value == "" {
			return withHint(usage(fmt.Errorf("--set %s: the value is empty", name)), "--unset %s takes it back", name)
		}
		env[name] = value
	}
	inst.Env = env
	return nil
}

// givenKey reads the private key that the flags give, if they do. It is never
// part of an error.
func (a *app) givenKey(f configFlags) (key keystore.Key, given bool, err error) {
	text := f.key
	switch {
	case f.keys() > 1:
		return key, false, usage(errors.New("--key, --key-file and --key-env exclude each other"))
	case f.key != "":
		a.note("warning: a key on the command line stays in the shell's history and is visible in ps; --key-file does not")
	case f.typedKey != "":
		text = f.typedKey
	case f.keyEnv.value != "":
		text = f.keyEnv.value
	case f.keyFile == "-":
		if text, err = bufio.NewReader(io.LimitReader(a.in, 4096)).ReadString('\n'); err != nil && !errors.Is(err, io.EOF) {
			return key, false, fmt.Errorf("reading the key from standard input: %w", err)
		}
	case f.keyFile != "":
		data, err := os.ReadFile(f.keyFile)
		if err != nil {
			return key, false, usage(fmt.Errorf("reading the key: %w", err))
		}
		text = string(data)
	default:
		return key, false, nil
	}
	if key, err = keystore.ParseKey(text); err != nil {
		return key, false, withHint(usage(fmt.Errorf("reading the key: %w", err)), "a key is 0x and 64 hexadecimal digits")
	}
	return key, true, nil
}
