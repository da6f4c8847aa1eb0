package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/huh"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// questions are those about an instance that no flag answers, and what becomes
// of the answers.
type questions struct {
	old, inst *profiles.Instance // old: as it is, nil for a new one
	flags     *configFlags
	catalog   profiles.Catalog
	role      profiles.Role
	network   profiles.Network

	fields   []huh.Field
	proposed map[*string]string // what holds where nothing is typed
	answered []func() error     // in order, after the form
}

// ask adds a question whose answer goes to value. What value has is proposed.
func (q *questions) ask(flag, title, description string, value *string, check func(string) error) {
	if q.flags.changed(flag) {
		return
	}
	if q.proposed[value] = *value; *value != "" && accessible() {
		title += " [" + *value + "]" // plain lines show no value to edit
	}
	q.fields = append(q.fields, typed(title, description, value, func(s string) error {
		if s == "" && q.proposed[value] != "" {
			return nil // what was proposed
		}
		return check(s)
	}))
}

// takeOver puts the answers into the instance.
func (q *questions) takeOver() error {
	for value, was := range q.proposed {
		if *value == "" {
			*value = was
		}
	}
	for _, take := range q.answered {
		if err := take(); err != nil {
			return err
		}
	}
	return nil
}

// orEmpty is a check that takes nothing for an answer, too.
func orEmpty(check func(string) error) func(string) error {
	return func(s string) error {
		if s == "" {
			return nil
		}
		return check(s)
	}
}

func (q *questions) askL1() {
	if q.role.Needs("l1.rpc") {
		q.askURLs("ethereum-host", "L1 execution node", &q.inst.L1.RPC)
	}
	if q.network.Consensus && q.role.Needs("l1.consensus") {
		q.askURLs("l1-consensus-host-url", "L1 beacon node", &q.inst.L1.Consensus)
	}
	if q.network.L1ChainID != 0 || !q.role.L1 || q.flags.bootnode != "" {
		return
	}
	chainID := ""
	if q.old != nil && q.inst.L1.ChainID != 0 {
		chainID = strconv.FormatUint(q.inst.L1.ChainID, 10)
	}
	q.ask("l1-chain-id", "Chain ID of L1", "a number", &chainID, func(s string) error {
		_, err := strconv.ParseUint(s, 10, 64)
		return err
	})
	q.answered = append(q.answered, func() (err error) {
		if chainID == "" {
			return nil
		}
		if q.inst.L1.ChainID, err = strconv.ParseUint(chainID, 10, 64); err != nil {
			return usage(err)
		}
		return nil
	})
}

// askURLs asks for a list of URLs, which is shown without what is secret in it.
func (q *questions) askURLs(flag, title string, list *[]string) {
	text := strings.Join(*list, ",")
	description, check := "URL; several with commas", profiles.ValidURLs
	if q.old != nil && text != "" {
		title += " [" + profiles.RedactValue(text) + "]"
		description, text = description+"; nothing keeps what it has", ""
		check = orEmpty(check)
	}
	q.ask(flag, title, description, &text, check)
	q.answered = append(q.answered, func() error {
		if !q.flags.changed(flag) && (q.old == nil || text != "") {
			*list = profiles.SplitList(text)
		}
		return nil
	})
}

// askAddress asks where peers reach the node. One that is there without an
// address has another way to its own.
func (q *questions) askAddress(detect func() (string, error)) {
	ip := &q.inst.P2P.IP
	if !q.catalog.P2PEnabled(*q.inst) || q.old != nil && *ip == "" {
		return
	}
	if !q.flags.changed("ip") && *ip == "" {
		// A proposal: that it cannot be made is no error.
		if found, err := detect(); err == nil {
			*ip = found
		}
	}
	q.ask("ip", "Public IP address", "at which peers reach this node", ip, q.network.ValidIP)
}

func (q *questions) askProver() {
	if q.role.Needs("prover.broker") && (q.inst.Prover.Broker == "" || !q.flags.changed("role")) {
		q.ask("broker", "Prover broker", "URL, such as http://127.0.0.1:8081", &q.inst.Prover.Broker, profiles.ValidURL)
	}
	if q.role.Needs("prover.id") {
		q.ask("prover-id", "Address that earns", "on L1", &q.inst.Prover.ID, profiles.Address.Check)
	}
}

// askPorts asks for the ports of the role. live is set where other programs may
// listen on them.
func (q *questions) askPorts(live bool) {
	ports := &q.inst.Ports
	before := map[string]*string{} // by their titles
	for _, p := range []struct {
		name, flag, title string
		to                *int
	}{
		{"rpc", "port", "RPC port", &ports.RPC}, {"admin", "admin-port", "Admin port", &ports.Admin}, {"p2p", "p2p-port", "P2P port, TCP and UDP", &ports.P2P},
	} {
		if !slices.ContainsFunc(q.catalog.Listens(*q.inst), func(l profiles.Listen) bool { return l.Name == p.name }) {
			continue
		}
		text := strconv.Itoa(*p.to)
		held := text
		q.ask(p.flag, p.title, "1024 to 65535", &text, func(s string) error {
			for title, other := range before {
				if title != p.title && s == *other {
					return fmt.Errorf("%s is the %s", s, title)
				}
			}
			if err := profiles.Port.Check(s); err != nil || !live || q.old != nil && s == held {
				return err
			}
			n, err := strconv.Atoi(s)
			if err != nil {
				return err
			}
			return free("tcp", n)
		})
		before[p.title] = &text
		q.answered = append(q.answered, func() (err error) {
			if *p.to, err = strconv.Atoi(text); err != nil {
				return usage(err)
			}
			return nil
		})
	}
}

func (q *questions) askDataDir() {
	dir := q.catalog.DataDir(*q.inst)
	if dir == "" {
		return
	}
	q.ask("data-dir", "Directory of the data", "on the host", &dir, profiles.ValidHostDir)
	q.answered = append(q.answered, func() error {
		if dir != "" && dir != q.catalog.DataDir(*q.inst) {
			q.inst.DataDir = dir
		}
		return nil
	})
}

// askKey asks for the key by which the instance is known, if it may be another
// one or there is none, and who earns.
func (q *questions) askKey(sec secrets) {
	had := sec.mainAddress(q.old)
	if !q.role.Keys || sec.keystore != nil && had == "" || q.flags.keys() > 0 || q.role.Prover && q.flags.publisher() {
		return
	}
	title, description, check := "Private key of the attester", "0x and 64 digits; not echoed", checkKey
	if q.role.Prover {
		title = "Private key of the prover's publisher"
	}
	if had != "" {
		title, description = title+" ["+had+"]", description+"; nothing keeps what it has"
		check = orEmpty(check)
	}
	q.fields = append(q.fields, typed(title, description, &q.flags.typedKey, check).secret())
	if q.role.Prover {
		return
	}
	empty := "empty: that of the key"
	if q.inst.Coinbase != "" {
		empty = "nothing keeps what it has"
	}
	q.ask("coinbase", "Coinbase", "address on L1 that earns for blocks; "+empty, &q.inst.Coinbase, orEmpty(profiles.Address.Check))
}

// checkKey judges a private key. No error has anything of it.
func checkKey(s string) error {
	_, err := keystore.ParseKey(s)
	return err
}
