package profiles

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
)

// Releases that changed variables of ours. Measured in upstream's own lists
// (foundation/src/config/env_var.ts), to the nearest release that was
// published.
const (
	consensusSince   = "0.75"   // L1_CONSENSUS_HOST_URL; absent in 0.72.1
	hostsSince       = "0.77.1" // ETHEREUM_HOSTS for ETHEREUM_HOST
	p2pPortSince     = "0.81"   // P2P_IP and P2P_PORT for four addresses
	adminPortSince   = "0.82"   // AZTEC_ADMIN_PORT; absent in 0.81.0
	consensusesSince = "0.83"   // L1_CONSENSUS_HOST_URLS for ..._URL
	nodeURLsSince    = "0.86"   // PROVER_COORDINATION_NODE_URLS for ..._URL
	crsPathSince     = "1.0"    // CRS_PATH; absent in 0.87.9
	keystoreSince    = "2.0"    // KEY_STORE_DIRECTORY
	txNodesSince     = "2.0"    // TX_COLLECTION_NODE_RPC_URLS for PROVER_COORDINATION_NODE_URLS
	adminKeySince    = "4.0"    // AZTEC_ADMIN_API_KEY_HASH
)

// environment makes the variables: those of the settings, in an order that
// reads well, then defaults, then the operator's own, sorted.
func (r *renderer) environment(host HostFacts) error {
	r.imageEnv()
	r.compute("HOME", cacheRoot+r.inst.Name)
	if r.role.Data {
		r.set("DATA_DIRECTORY", dataRoot+r.inst.Name, Origin{Source: FromProgram})
	}
	r.workingDirectories()
	r.crs()
	if r.role.L1 {
		r.l1()
	}
	r.setting("ports.rpc", "AZTEC_PORT", strconv.Itoa(r.inst.Ports.RPC))
	if r.svc.AdminPort != 0 {
		r.setting("ports.admin", "AZTEC_ADMIN_PORT", strconv.Itoa(r.svc.AdminPort))
		if r.era.since(adminKeySince) && host.AdminKeyHash != "" {
			if !hashForm.MatchString(host.AdminKeyHash) {
				return errors.New("hash of the admin API key: not 64 hexadecimal digits")
			}
			r.compute("AZTEC_ADMIN_API_KEY_HASH", host.AdminKeyHash)
		}
	}
	if r.role.P2P() {
		if err := r.p2p(); err != nil {
			return err
		}
	}
	r.prover()
	if r.role.L1 {
		r.governance()
	}
	if r.role.Keys && !r.era.since(keystoreSince) { // from then on the keystore says both
		r.setting("coinbase", "COINBASE", r.inst.Coinbase)
		r.setting("fee_recipient", "FEE_RECIPIENT", r.inst.FeeRecipient)
	}
	r.setting("log_level", "LOG_LEVEL", r.inst.LogLevel)
	r.defaults()
	r.checkOurs()
	if err := r.operators(); err != nil {
		return err
	}
	r.telemetry()
	r.secrets()
	r.localEnv(host.LocalEnv)
	return nil
}

func (r *renderer) compute(name, value string) { r.set(name, value, Origin{Source: FromProgram}) }

func (r *renderer) setting(key, name, value string) {
	r.set(name, value, Origin{Source: FromSetting, Key: key})
}

// set adds a variable. An empty value is not the same as none to the node
// (REGISTRY_CONTRACT_ADDRESS= ends it), so none is what it becomes.
func (r *renderer) set(name, value string, from Origin) {
	if value == "" {
		return
	}
	from.Name, from.Value = name, value
	r.origin(from)
	for i, v := range r.svc.Env {
		if v.Name == name {
			r.svc.Env[i].Value = value
			return
		}
	}
	r.svc.Env = append(r.svc.Env, envfile.Var{Name: name, Value: value})
}

// workingDirectories moves scratch space out of the image, which is read-only:
// BB_, ACVM_ or NOIR_EXECUTE_WORKING_DIRECTORY, whichever this image has.
func (r *renderer) workingDirectories() {
	for _, assignment := range r.img.Env {
		name, _, _ := strings.Cut(assignment, "=")
		if strings.HasSuffix(name, "_WORKING_DIRECTORY") && envfile.CheckName(name) == nil {
			r.compute(name, cacheRoot+r.inst.Name)
		}
	}
}

// crs places the reference string. An image that carries it says so in its own
// CRS_PATH. Without any, the node keeps it in $HOME/.bb-crs.
func (r *renderer) crs() {
	switch {
	case r.inst.CRS == "" && (!r.role.Proves || r.inImage("CRS_PATH")):
	case !r.era.since(crsPathSince):
		if r.inst.CRS != "" {
			r.warn("crs: version %s keeps the reference string in its own cache", r.era)
		}
	case r.inst.CRS != "":
		r.svc.CRSDir = r.inst.CRS
		r.setting("crs", "CRS_PATH", r.inst.CRS)
	default:
		r.svc.CRSDir = SharedCRS
		r.compute("CRS_PATH", SharedCRS)
	}
}

func (r *renderer) l1() {
	rpc, consensus := r.inst.L1.RPC, r.inst.L1.Consensus
	if r.era.since(hostsSince) {
		r.setting("l1.rpc", "ETHEREUM_HOSTS", strings.Join(rpc, ","))
	} else {
		r.one("l1.rpc", "ETHEREUM_HOST", rpc)
	}
	switch {
	case r.era.since(consensusesSince):
		r.setting("l1.consensus", "L1_CONSENSUS_HOST_URLS", strings.Join(consensus, ","))
	case r.era.since(consensusSince):
		r.one("l1.consensus", "L1_CONSENSUS_HOST_URL", consensus)
	case len(consensus) > 0:
		r.warn("l1.consensus: version %s does not use a beacon node", r.era)
	}
	if id := r.svc.ChainID; id != 0 {
		from := Origin{Source: FromNetwork, Key: r.network.Name}
		if r.inst.L1.ChainID != 0 {
			from = Origin{Source: FromSetting, Key: "l1.chain_id"}
		}
		r.set("L1_CHAIN_ID", strconv.FormatUint(id, 10), from)
	}
}

// one sets a variable that holds one URL where the setting may have several.
func (r *renderer) one(field, name string, urls []string) {
	if len(urls) > 1 {
		r.warn("%s: version %s uses one URL, so only the first, %s", field, r.era, RedactURL(urls[0]))
	}
	if len(urls) > 0 {
		r.setting(field, name, urls[0])
	}
}

func (r *renderer) p2p() error {
	enabled := r.svc.P2P
	from := Origin{Source: FromNetwork, Key: r.network.Name}
	if r.inst.P2P.Enabled != nil {
		from = Origin{Source: FromSetting, Key: "p2p.enabled"}
	}
	r.set("P2P_ENABLED", strconv.FormatBool(enabled), from)
	if !enabled {
		return nil
	}
	port := r.inst.Ports.P2P
	if r.era.since(p2pPortSince) {
		r.setting("ports.p2p", "P2P_PORT", strconv.Itoa(port))
		r.setting("p2p.ip", "P2P_IP", r.inst.P2P.IP)
	} else {
		announce := ":" + strconv.Itoa(port)
		if r.inst.P2P.IP != "" {
			ip, err := parseIP(r.inst.P2P.IP)
			if err != nil {
				return &FieldError{"p2p.ip", err}
			}
			announce = netip.AddrPortFrom(ip, uint16(port)).String()
		}
		listen := netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port)).String()
		r.setting("p2p.ip", "P2P_TCP_ANNOUNCE_ADDR", announce)
		r.setting("p2p.ip", "P2P_UDP_ANNOUNCE_ADDR", announce)
		r.setting("ports.p2p", "P2P_TCP_LISTEN_ADDR", listen)
		r.setting("ports.p2p", "P2P_UDP_LISTEN_ADDR", listen)
	}
	if r.inst.P2P.QueryIP {
		r.setting("p2p.query_ip", "P2P_QUERY_FOR_IP", "true")
	}
	r.setting("p2p.bootstrap_nodes", "BOOTSTRAP_NODES", strings.Join(r.inst.P2P.BootstrapNodes, ","))
	return nil
}

// prover sets what [prover] says, for roles that are part of one.
func (r *renderer) prover() {
	if !r.role.Prover {
		return
	}
	p := r.inst.Prover
	r.setting("prover.broker", "PROVER_BROKER_HOST", p.Broker)
	r.setting("prover.id", "PROVER_ID", p.ID)
	if p.Agents != nil {
		r.setting("prover.agents", "PROVER_AGENT_COUNT", strconv.Itoa(*p.Agents))
	}
	if p.PollIntervalMS != nil {
		r.setting("prover.poll_interval_ms", "PROVER_AGENT_POLL_INTERVAL_MS", strconv.Itoa(*p.PollIntervalMS))
	}
	switch {
	case r.era.since(txNodesSince):
		r.setting("prover.nodes", "TX_COLLECTION_NODE_RPC_URLS", strings.Join(p.Nodes, ","))
	case r.era.since(nodeURLsSince):
		r.setting("prover.nodes", "PROVER_COORDINATION_NODE_URLS", strings.Join(p.Nodes, ","))
	default:
		r.one("prover.nodes", "PROVER_COORDINATION_NODE_URL", p.Nodes)
	}
}

// governance sets where the network's contracts are, and what to vote for. A
// node without a payload does not vote.
func (r *renderer) governance() {
	r.setting("registry_address", "REGISTRY_CONTRACT_ADDRESS", r.inst.Registry)
	if r.inst.Payload != NoPayload {
		r.setting("payload", "GOVERNANCE_PROPOSER_PAYLOAD_ADDRESS", r.inst.Payload)
	}
}

// defaults adds what the role and the network set where nothing else does. The
// node's version has to know the variable.
func (r *renderer) defaults() {
	add := func(list []Default, from Origin) {
		for _, d := range list {
			ok, err := r.era.within(d.Versions)
			taken := slices.ContainsFunc(r.svc.Env, func(v envfile.Var) bool { return v.Name == d.Name })
			if err == nil && ok && !taken && r.img.Known.Check(d.Name) == nil {
				r.set(d.Name, strings.ReplaceAll(d.Value, "{data}", dataRoot+r.inst.Name), from)
			}
		}
	}
	add(r.network.Variables, Origin{Source: FromNetwork, Key: r.network.Name})
	add(r.role.Defaults, Origin{Source: FromRole, Key: r.role.Name})
}

// checkOurs looks whether the image reads what the settings became. It is not
// the operator's fault if not, so it is no error.
func (r *renderer) checkOurs() {
	for _, v := range r.svc.Env {
		if err := r.img.Known.Check(v.Name); err != nil && !r.inImage(v.Name) {
			r.warn("%v: a setting of this program has no effect there", err)
		}
	}
}

func (r *renderer) inImage(name string) bool {
	return slices.ContainsFunc(r.img.Env, func(s string) bool { return strings.HasPrefix(s, name+"=") })
}

const (
	resourceAttributes = "OTEL_RESOURCE_ATTRIBUTES"
	// instanceLabel is what metrics of this program call an instance, too.
	instanceLabel = "instance_name"
)

// telemetry gives what a node sends to a collector a label that stays. Its
// service.instance.id is another one at each start, and cannot be set from
// outside: the detector that makes it up comes after the one that reads the
// environment (telemetry-client, otel_resource.ts of 4.1.2; measured).
func (r *renderer) telemetry() {
	given, sends := "", false
	for _, v := range r.svc.Env {
		if v.Name == resourceAttributes {
			given = v.Value
		}
		sends = sends || strings.HasPrefix(v.Name, "OTEL_EXPORTER_OTLP_") && strings.HasSuffix(v.Name, "_ENDPOINT")
	}
	label := instanceLabel + "="
	if !sends || strings.Contains(","+given, ","+label) {
		return
	}
	r.compute(resourceAttributes, strings.TrimSuffix(label+r.inst.Name+","+given, ","))
}

// known says what is wrong with the name of a variable on this image: a
// *ReplacedVariableError, or an *UnknownVariableError.
func (r *renderer) known(name string) error {
	listed := r.img.Known.Check(name)
	if listed == nil && r.img.Known.Len() > 0 || r.inImage(name) {
		return nil
	}
	if v, ok := r.catalog.Variable(name); ok {
		if err := v.gone(r.era); err != nil {
			return err
		}
	}
	return listed
}

// operators adds the variables of [env]. They win over ours. What the node
// does not know has no effect there, which is worth a warning; what it once
// knew means something else now, and nobody may lose it without noticing.
func (r *renderer) operators() error {
	if len(r.inst.Env) > 0 && r.img.Known.Len() == 0 {
		r.warn("the image does not list its variables: the names in [env] were not checked")
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r.inst.Env)) {
		value := r.inst.Env[name]
		err := r.known(name)
		if replaced, ok := errors.AsType[*ReplacedVariableError](err); ok && !replaced.Early {
			errs = append(errs, &FieldError{"env." + name, err})
		} else if err != nil {
			r.warn("env.%s: %v", name, err)
		}
		if r.catalog.fixes(r.network, name) {
			r.warn("env.%s: %s gives every node its own value; this one goes its own way, by ALLOW_OVERRIDING_NETWORK_CONFIG", name, r.network.Name)
		}
		v, _ := r.catalog.Variable(name)
		r.set(name, value, Origin{Source: FromEnv, Key: name, Secret: v.Secret})
	}
	return oneLine(errs)
}
