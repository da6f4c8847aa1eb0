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
	keystoreSince    = "2.0"    // KEY_STORE_DIRECTORY
	adminKeySince    = "4.0"    // AZTEC_ADMIN_API_KEY_HASH
)

// environment makes the variables: those of the settings, in an order that
// reads well, then the operator's own, sorted.
func (r *renderer) environment(host HostFacts) error {
	r.set("HOME", cacheRoot+r.inst.Name)
	r.set("DATA_DIRECTORY", dataRoot+r.inst.Name)
	r.workingDirectories()
	r.l1()
	r.set("AZTEC_PORT", strconv.Itoa(r.inst.Ports.RPC))
	if r.era.since(adminPortSince) {
		r.set("AZTEC_ADMIN_PORT", strconv.Itoa(r.inst.Ports.Admin))
	}
	if r.era.since(adminKeySince) && host.AdminKeyHash != "" {
		if !hashForm.MatchString(host.AdminKeyHash) {
			return errors.New("hash of the admin API key: not 64 hexadecimal digits")
		}
		r.set("AZTEC_ADMIN_API_KEY_HASH", host.AdminKeyHash)
	}
	if err := r.p2p(); err != nil {
		return err
	}
	if !r.era.since(keystoreSince) { // from then on the keystore says both
		r.set("COINBASE", r.inst.Coinbase)
		r.set("FEE_RECIPIENT", r.inst.FeeRecipient)
	}
	r.set("LOG_LEVEL", r.inst.LogLevel)
	r.checkOurs()
	return r.operators()
}

// set adds a variable. An empty value is not the same as none to the node
// (REGISTRY_CONTRACT_ADDRESS= ends it), so none is what it becomes.
func (r *renderer) set(name, value string) {
	if value == "" {
		return
	}
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
			r.set(name, cacheRoot+r.inst.Name)
		}
	}
}

func (r *renderer) l1() {
	rpc, consensus := r.inst.L1.RPC, r.inst.L1.Consensus
	if r.era.since(hostsSince) {
		r.set("ETHEREUM_HOSTS", strings.Join(rpc, ","))
	} else {
		r.one("l1.rpc", "ETHEREUM_HOST", rpc)
	}
	switch {
	case r.era.since(consensusesSince):
		r.set("L1_CONSENSUS_HOST_URLS", strings.Join(consensus, ","))
	case r.era.since(consensusSince):
		r.one("l1.consensus", "L1_CONSENSUS_HOST_URL", consensus)
	case len(consensus) > 0:
		r.warn("l1.consensus: version %s does not use a beacon node", r.era)
	}
	if id := r.inst.ChainID(); id != 0 {
		r.set("L1_CHAIN_ID", strconv.FormatUint(id, 10))
	}
}

// one sets a variable that holds one URL where the setting may have several.
func (r *renderer) one(field, name string, urls []string) {
	if len(urls) > 1 {
		r.warn("%s: version %s uses one URL, so only the first, %s", field, r.era, RedactURL(urls[0]))
	}
	if len(urls) > 0 {
		r.set(name, urls[0])
	}
}

func (r *renderer) p2p() error {
	enabled := r.inst.P2PEnabled()
	r.set("P2P_ENABLED", strconv.FormatBool(enabled))
	if !enabled {
		return nil
	}
	port := r.inst.Ports.P2P
	if r.era.since(p2pPortSince) {
		r.set("P2P_PORT", strconv.Itoa(port))
		r.set("P2P_IP", r.inst.P2P.IP)
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
		r.set("P2P_TCP_ANNOUNCE_ADDR", announce)
		r.set("P2P_UDP_ANNOUNCE_ADDR", announce)
		r.set("P2P_TCP_LISTEN_ADDR", listen)
		r.set("P2P_UDP_LISTEN_ADDR", listen)
	}
	if r.inst.P2P.QueryIP {
		r.set("P2P_QUERY_FOR_IP", "true")
	}
	return nil
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

// operators adds the variables of [env]. They win over ours.
func (r *renderer) operators() error {
	if len(r.inst.Env) > 0 && r.img.Known.Len() == 0 {
		r.warn("the image does not list its variables: the names in [env] were not checked")
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r.inst.Env)) {
		if err := r.img.Known.Check(name); err != nil && !r.inImage(name) {
			errs = append(errs, &FieldError{"env." + name, err})
		}
		r.set(name, r.inst.Env[name])
	}
	return oneLine(errs)
}
