package profiles

import "strings"

// owned are variables that [env] cannot set, and what does. If they were set
// behind the back of the settings, ports would be checked that nothing
// listens on, and data would lie where nothing keeps it.
var owned = map[string]string{
	"HOME":                        "this program chooses it",
	"DATA_DIRECTORY":              "this program chooses it",
	"KEY_STORE_DIRECTORY":         "this program hands the keystore over; --key-file sets the key",
	"AZTEC_ADMIN_API_KEY_HASH":    "this program makes the admin API key",
	"AZTEC_DISABLE_ADMIN_API_KEY": "this program makes the admin API key",
	"AZTEC_RESET_ADMIN_API_KEY":   "this program makes the admin API key",
	"NETWORK":                     "network, or --network, does it",
	"AZTEC_PORT":                  "ports.rpc, or --port, does it",
	"AZTEC_ADMIN_PORT":            "ports.admin, or --admin-port, does it",
	"P2P_PORT":                    "ports.p2p, or --p2p-port, does it",
	"P2P_TCP_LISTEN_ADDR":         "ports.p2p, or --p2p-port, does it",
	"P2P_UDP_LISTEN_ADDR":         "ports.p2p, or --p2p-port, does it",
	"P2P_IP":                      "p2p.ip, or --ip, does it",
	"P2P_TCP_ANNOUNCE_ADDR":       "p2p.ip, or --ip, does it",
	"P2P_UDP_ANNOUNCE_ADDR":       "p2p.ip, or --ip, does it",
	"P2P_QUERY_FOR_IP":            "p2p.query_ip does it",
	"P2P_ENABLED":                 "p2p.enabled, or --no-p2p, does it",
	"ETHEREUM_HOST":               "l1.rpc, or --ethereum-host, does it",
	"ETHEREUM_HOSTS":              "l1.rpc, or --ethereum-host, does it",
	"L1_CONSENSUS_HOST_URL":       "l1.consensus, or --l1-consensus-host-url, does it",
	"L1_CONSENSUS_HOST_URLS":      "l1.consensus, or --l1-consensus-host-url, does it",
	"L1_CHAIN_ID":                 "l1.chain_id, or --l1-chain-id, does it",
	"COINBASE":                    "coinbase, or --coinbase, does it",
	"FEE_RECIPIENT":               "fee_recipient, or --fee-recipient, does it",
}

// secretHint says where a secret belongs, "" for what is none.
func secretHint(name string) string {
	const private = "local.env beside it is read last, and by root alone if its mode is 0600"
	switch {
	case name == "PEER_ID_PRIVATE_KEY":
		return "the node makes its own and keeps it with its data"
	case strings.Contains(name, "PRIVATE_KEY") && !strings.HasSuffix(name, "_PATH"):
		return "--key-file hands a key over safely"
	case strings.Contains(name, "MNEMONIC") && !strings.HasSuffix(name, "_INDEX"):
		return "--key-file hands a key over safely"
	case name == "AZTEC_ADMIN_API_KEY":
		return "this program makes the admin API key"
	}
	for _, part := range []string{"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "DATABASE_URL"} {
		if strings.Contains(name, part) {
			return private
		}
	}
	if strings.HasSuffix(name, "API_KEY") || strings.HasSuffix(name, "API_KEYS") {
		return private
	}
	return ""
}

// unlisted are variables that the node, Node.js or a library of it reads and
// that upstream's list of variables does not have. Those ending in "_" stand
// for all that begin so.
var unlisted = []string{
	"HOME", "TZ", "LANG", "PATH", "TMPDIR", "LD_PRELOAD", "NODE_", "UV_THREADPOOL_SIZE", "NO_COLOR", "FORCE_COLOR",
	"HARDWARE_CONCURRENCY", "AVM_MAX_CONCURRENT_SIMULATIONS", "WSDB_TRANSPORT",
	"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "AWS_", "GOOGLE_APPLICATION_CREDENTIALS", "AZTEC_ADMIN_API_KEY",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
}

func isUnlisted(name string) bool {
	for _, u := range unlisted {
		if name == u || strings.HasSuffix(u, "_") && strings.HasPrefix(name, u) {
			return true
		}
	}
	return false
}
