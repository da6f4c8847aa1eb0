//go:build real

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// makesKeys: the image's own tool makes keys and what a registration needs,
// outside of the journal and of the node's keystore, which then takes the keys.
func (g *guest) makesKeys() {
	g.t.Helper()
	out, err := g.RPC(g.t.Context(), 8080, "node_getNodeInfo")
	if err != nil {
		g.t.Fatal(err)
	}
	var info struct {
		Result struct {
			L1ContractAddresses struct{ GseAddress string }
		}
	}
	if err := json.Unmarshal([]byte(out), &info); err != nil || info.Result.L1ContractAddresses.GseAddress == "" {
		g.t.Fatalf("%s: %v", out, err)
	}
	said := g.sh(fmt.Sprintf("aztec-spartan run val1 -- validator-keys new --fee-recipient 0x%064d --staker-output --gse-address %s --l1-rpc-urls http://127.0.0.1:%d 2>&1",
		0, info.Result.L1ContractAddresses.GseAddress, stage.L1Port))
	const dir = "/var/lib/aztec-run/val1/.aztec/keystore"
	if out := g.sh("cd " + dir + " && ls && stat -c '%U %a' /var/lib/aztec-run/val1 key1.json"); out != "key1.json\nkey1_staker_output.json\naztec-val1 700\naztec-val1 600" {
		g.t.Errorf("it wrote %s", out)
	}
	made, err := g.Read(g.t.Context(), dir+"/key1.json")
	if err != nil {
		g.t.Fatal(err)
	}
	k, err := keystore.Parse(made)
	if err != nil || len(k.Entries()) != 1 || !k.Entries()[0].BLS {
		g.t.Fatalf("its keystore has not one attester with a BLS key: %v", err)
	}
	secret := keystore.Secrets(made)
	for line := range strings.Lines(said) {
		if words := strings.Fields(line); len(words) == 12 || len(words) == 24 {
			secret = append(secret, strings.TrimSpace(line)) // the mnemonic
		}
	}
	journal := g.sh("journalctl --no-pager -o export --all")
	for i, s := range secret {
		if strings.Contains(journal, s) {
			g.t.Errorf("the journal holds secret %d of %d", i+1, len(secret))
		}
	}
	// What is for the registration is no keystore.
	g.fails(exitUsage, "aztec-spartan keys val1 add --keystore "+dir, "staker", "hint: ")
	g.sh("aztec-spartan keys val1 add --keystore " + dir + "/key1.json")
	address := k.Entries()[0].Attester
	if out := g.sh("aztec-spartan keys val1"); !strings.Contains(out, address+"  private key  yes") {
		g.t.Errorf("keys: %s", out)
	}
	g.sh("aztec-spartan keys val1 remove " + address)
}
