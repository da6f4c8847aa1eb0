//go:build real

package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// signsRemotely: the node runs with a keystore that holds no key, and publishes
// what a remote signer has signed for it.
func (g *guest) signsRemotely(set *realimage.Set) {
	g.t.Helper()
	program, err := os.ReadFile("testdata/remotesigner.mjs")
	if err != nil {
		g.t.Fatal(err)
	}
	if err := g.Write(g.t.Context(), "/root/signer.mjs", program, 0o600); err != nil {
		g.t.Fatal(err)
	}
	const url = "http://127.0.0.1:9000"
	root := g.sh("systemctl show -P RootDirectory " + val1)
	g.sh("systemd-run -q --unit signer -E PORT=9000 -E KEY=" + realimage.DevKey + " -E L1=http://127.0.0.1:" + strconv.Itoa(stage.L1Port) +
		" sh -c 'exec chroot " + root + ` sh -c "cd /usr/src/yarn-project && exec node --input-type=module -" </root/signer.mjs'`)
	g.until("curl -s " + url)
	g.sh("aztec-spartan keys val1 add --remote-signer " + url + " --address " + realimage.DevAddress + " --replace && aztec-spartan restart val1")
	if out := g.sh("aztec-spartan keys val1"); !strings.Contains(out, realimage.DevAddress+"  remote signer") {
		g.t.Errorf("keys: %s", out)
	}
	if out := g.sh("systemd-creds decrypt --name=keystore.json /etc/aztec-spartan/instances/val1/keystore.json.cred -"); strings.Contains(out, realimage.DevKey[2:]) {
		g.t.Error("its keystore still holds a key")
	}
	for _, method := range []string{"eth_accounts", "eth_sign", "eth_signTransaction"} {
		g.until("journalctl --no-pager -u signer -o cat | grep -qx " + method)
	}
	g.publishes(set)
	if out := g.try("aztec-spartan doctor val1").Stdout; !strings.Contains(out, "ok       signer     "+url+" signs for "+realimage.DevAddress) {
		g.t.Errorf("doctor: %s", out)
	}
	g.sh("systemctl stop signer")
}
