package profiles

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// setting moves a variable's value, which has been judged, to its setting.
func (m *migrator) setting(v Variable, value string) Change {
	inst := &m.m.Instance
	role, _ := m.catalog.Role(inst.Role)
	out := Change{Name: v.Name, Action: Moved, To: v.Setting, Reason: v.Fate}
	refuse := func(action Action, format string, args ...any) Change {
		return Change{v.Name, action, "", fmt.Sprintf(format, args...)}
	}
	switch {
	case strings.HasPrefix(v.Setting, "prover.") && !role.Prover:
		return refuse(Dropped, "a %s is no part of a prover", inst.Role)
	case strings.HasPrefix(v.Setting, "p2p.") && !role.P2P(), v.Setting == "ports.admin" && !role.Listens("admin"):
		return refuse(Dropped, "a %s does not read it", inst.Role)
	}
	before := m.from[v.Setting]
	text := func(to *string, value string) Change {
		if before != "" && *to != value {
			return refuse(Refused, "%s says something else", before)
		}
		*to = value
		return out
	}
	list := func(to *[]string) Change {
		values := SplitList(value)
		if before != "" && !slices.Equal(*to, values) {
			return refuse(Refused, "%s says something else", before)
		}
		*to = values
		return out
	}
	switch v.Setting {
	case "network":
		// networkName has had its say.
		if m.network.Name == "" {
			return refuse(Refused, "no network here has that name")
		}
		out.To = "network"
	case "data_dir":
		if err := ValidHostDir(value); err != nil {
			return refuse(Refused, "%v", err)
		}
		out = text(&inst.DataDir, value)
	case "crs":
		if err := ValidHostDir(value); err != nil {
			return refuse(Dropped, "%v", err)
		}
		out = text(&inst.CRS, value)
	case "payload":
		if strings.Trim(strings.TrimPrefix(value, "0x"), "0") == "" {
			value = NoPayload
		}
		out = text(&inst.Payload, value)
	case "l1.chain_id":
		out = m.chain(v, value)
	case "ports.rpc", "ports.admin", "ports.p2p":
		out = m.port(v, value)
	case "p2p.enabled", "p2p.query_ip":
		out = m.p2pSwitch(v, value)
	case "p2p.ip":
		out = m.publicIP(v, value)
	case "prover.agents":
		out = m.agents(v, value)
	case "prover.poll_interval_ms":
		out = m.pollInterval(v, value)
	default:
		if to := textSetting(inst, v.Setting); to != nil {
			out = text(to, value)
		} else if to := listSetting(inst, v.Setting); to != nil {
			out = list(to)
		} else {
			return refuse(Refused, "%s is not a setting that it could become", v.Setting)
		}
	}
	if out.Action == Moved {
		if out.Reason == "" {
			out.Reason = "it is a setting"
		}
		m.from[v.Setting] = v.Name
	}
	return out
}

// textSetting is one that takes over any value as it is; nil if it is none.
func textSetting(inst *Instance, name string) *string {
	return map[string]*string{
		"image": &inst.Image, "bootnode": &inst.Bootnode, "log_level": &inst.LogLevel,
		"coinbase": &inst.Coinbase, "fee_recipient": &inst.FeeRecipient, "registry_address": &inst.Registry,
		"prover.broker": &inst.Prover.Broker, "prover.id": &inst.Prover.ID,
	}[name]
}

// listSetting is one that takes over any list; nil if it is none.
func listSetting(inst *Instance, name string) *[]string {
	return map[string]*[]string{
		"l1.rpc": &inst.L1.RPC, "l1.consensus": &inst.L1.Consensus,
		"p2p.bootstrap_nodes": &inst.P2P.BootstrapNodes, "prover.nodes": &inst.Prover.Nodes,
	}[name]
}

// networkName finds the network by its own name, or by one of --network.
func (m *migrator) networkName(name string) {
	for _, n := range m.catalog.networks {
		if n.Name == name || slices.ContainsFunc(n.Flags, func(f Flag) bool { return f.Name == name }) {
			m.m.Instance.Network = n.Name
			return
		}
	}
}

func (m *migrator) chain(v Variable, value string) Change {
	id, err := strconv.ParseUint(value, 10, 64)
	switch {
	case err != nil:
		return Change{v.Name, Refused, "", "it is not the ID of a chain"}
	case id == m.network.L1ChainID:
		return Change{v.Name, Dropped, "", m.network.Name + " says it"}
	case m.network.Fixed:
		return Change{v.Name, Refused, "", fmt.Sprintf("%s is on chain %d, not %d", m.network.Name, m.network.L1ChainID, id)}
	}
	m.m.Instance.L1.ChainID = id
	return Change{Name: v.Name, Action: Moved, To: v.Setting}
}

// port is a number, or that of an address to listen on.
func (m *migrator) port(v Variable, value string) Change {
	host, number := "", value
	if v.Type == HostPort {
		host, number, _ = net.SplitHostPort(value)
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return Change{v.Name, Refused, "", "it is not the number of a port"}
	}
	ports := &m.m.Instance.Ports
	to := map[string]*int{"ports.rpc": &ports.RPC, "ports.admin": &ports.Admin, "ports.p2p": &ports.P2P}[v.Setting]
	if before := m.from[v.Setting]; before != "" && *to != n {
		return Change{v.Name, Refused, "", before + " says something else, and there is one port for TCP and UDP"}
	}
	*to = n
	if host != "" && host != "0.0.0.0" && host != "::" && m.era.since(p2pPortSince) {
		m.m.Instance.Env["P2P_LISTEN_ADDR"] = host
		return Change{v.Name, Moved, v.Setting, "the address is P2P_LISTEN_ADDR in [env]"}
	}
	return Change{Name: v.Name, Action: Moved, To: v.Setting, Reason: v.Fate}
}

func (m *migrator) p2pSwitch(v Variable, value string) Change {
	on := value == "true" || value == "1"
	p := &m.m.Instance.P2P
	switch {
	case v.Setting == "p2p.query_ip" && on && p.IP != "":
		return Change{v.Name, Dropped, "", "the public address is known"}
	case v.Setting == "p2p.query_ip":
		p.QueryIP = on
	case on == m.network.P2P && m.network.Name != "":
		return Change{v.Name, Dropped, "", m.network.Name + " has it so"}
	default:
		p.Enabled = &on
	}
	return Change{Name: v.Name, Action: Moved, To: v.Setting}
}

// publicIP is an address, or the one that was announced with its port. An
// announcement without an address left it to the node.
func (m *migrator) publicIP(v Variable, value string) Change {
	host, p := value, &m.m.Instance.P2P
	if v.Type == HostPort {
		announced, number, _ := net.SplitHostPort(value)
		host = announced
		if n, err := strconv.Atoi(number); err == nil && m.from["ports.p2p"] == "" {
			m.m.Instance.Ports.P2P, m.from["ports.p2p"] = n, v.Name
		} else if n != m.m.Instance.Ports.P2P {
			return Change{v.Name, Refused, "", "its port is not the one to listen on: P2P_BROADCAST_PORT in [env] is for that"}
		}
	}
	if host == "" {
		p.QueryIP = p.IP == ""
		return Change{v.Name, Moved, "p2p.query_ip", "without an address, the node finds it out"}
	}
	if err := ValidIP(host); err != nil {
		return Change{v.Name, Refused, "", err.Error()}
	}
	if m.from[v.Setting] != "" && p.IP != host {
		return Change{v.Name, Refused, "", m.from[v.Setting] + " says something else"}
	}
	p.IP, p.QueryIP = host, false
	return Change{Name: v.Name, Action: Moved, To: v.Setting, Reason: v.Fate}
}

func (m *migrator) agents(v Variable, value string) Change {
	n, err := strconv.Atoi(value)
	if v.Type == Boolean {
		n, err = 0, nil
		if value == "true" || value == "1" {
			n = 1
		}
	}
	p := &m.m.Instance.Prover
	switch before := m.from[v.Setting]; {
	case err != nil || n > 1024:
		return Change{v.Name, Refused, "", "it is not a number of agents"}
	case before != "" && v.Type == Boolean:
		return Change{v.Name, Dropped, "", before + " says it"}
	case before != "" && *p.Agents != n:
		return Change{v.Name, Refused, "", before + " says something else"}
	}
	p.Agents = &n
	return Change{Name: v.Name, Action: Moved, To: v.Setting, Reason: v.Fate}
}

func (m *migrator) pollInterval(v Variable, value string) Change {
	n, err := strconv.Atoi(value)
	if err != nil || n == 0 {
		return Change{v.Name, Dropped, "", "the node's own interval is meant"}
	}
	m.m.Instance.Prover.PollIntervalMS = &n
	return Change{Name: v.Name, Action: Moved, To: v.Setting, Reason: v.Fate}
}
