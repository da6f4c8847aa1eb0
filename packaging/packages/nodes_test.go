//go:build booted || packages

package packages

import (
	"fmt"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

const (
	running = "aztec-sequencer@val1.service" // and enabled
	stopped = "aztec-sequencer@val2.service" // and enabled
	unused  = "aztec-sequencer@val3.service" // neither
)

// configure makes three nodes in three states, with keys, data, and a setting
// of the operator's.
func (h *host) configure() {
	h.t.Helper()
	for n, name := range []string{"val1", "val2", "val3"} {
		// Attesters of two instances differ.
		secret := key[:len(key)-1] + fmt.Sprint(n+1)
		h.sh(fmt.Sprintf("echo %s | aztec-spartan config %s --network local --image %s:4.1.2 --ethereum-host http://127.0.0.1:8545 --no-p2p --set REGISTRY_CONTRACT_ADDRESS=0xb7f8bc63bbcad18155201308c8f3540b07f84f5e --key-file -", secret, name, stage.Repository))
	}
	h.sh("aztec-spartan start val1 val2 && systemctl stop " + stopped)
	h.sh("for d in /var/lib/aztec/val*; do echo precious >$d/marker; done; sed -i 's/^settle = .*/settle = \"7s\"/' /etc/aztec-spartan/config.toml")
	h.until("aztec-spartan probe val1")
}

// nodes says how the three are: process, invocation, whether they run and are
// enabled, and what the operator holds dear.
func (h *host) nodes() string {
	h.t.Helper()
	return h.sh(`for u in ` + running + ` ` + stopped + ` ` + unused + `; do
		systemctl show -P MainPID -P InvocationID -P ActiveState -P NRestarts $u
		systemctl is-enabled $u || :
	done
	cat /etc/aztec-spartan/instances/val*/instance.toml | sha256sum
	ls /etc/aztec-spartan/instances/val1; cat /etc/aztec-spartan/instances/val*/keystore* | sha256sum
	cat /var/lib/aztec/val1/marker`)
}

// unchanged fails if a node is not as it was before, or does not answer.
func (h *host) unchanged(before string) {
	h.t.Helper()
	if now := h.nodes(); now != before {
		h.t.Errorf("nodes were\n%s\nand are\n%s", before, now)
	}
	const ask = `curl -sS -m 5 -H 'content-type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"node_getNodeVersion","params":[]}' http://127.0.0.1:8080/`
	if out := h.sh(ask); !strings.Contains(out, "4.1.2") {
		h.t.Errorf("the node answers %s", out)
	}
}
