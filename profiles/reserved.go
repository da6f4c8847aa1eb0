package profiles

import "strings"

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

// Secret reports whether the value of a variable is one, by what is known of
// it, or by its name.
func (c Catalog) Secret(name string) bool {
	v, _ := c.Variable(name)
	return v.Secret || secretHint(name) != ""
}
