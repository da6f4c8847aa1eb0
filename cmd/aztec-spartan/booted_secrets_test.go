//go:build booted

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// After a full run none of the secrets is anywhere but in root's own files.
func TestSecretsStaySecret(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		const provider = "c0ffee5ecret0provider"
		g.sh("(echo " + devKey + " | aztec-spartan config val1 --network local --image " + stage.Repository + ":4.1.2 --no-p2p --key-file - " +
			"--ethereum-host http://127.0.0.1:8545/v3/" + provider + " --set REGISTRY_CONTRACT_ADDRESS=" + registryContract + ") >/root/said 2>&1")
		g.sh("grep -q 'keep your own copy' /root/said")
		dir := "/etc/aztec-spartan/instances/val1/"
		g.sh("test -s " + dir + "keystore.json.cred && test ! -e " + dir + "keystore.json")
		g.sh("aztec-spartan start val1 >>/root/said 2>&1")
		g.until("aztec-spartan probe val1")
		// As an operator types it, with a history.
		g.sh("printf %s 0x" + otherKey + " >/root/other.key && chmod 600 /root/other.key")
		g.types("aztec-spartan keys val1 add --key-file /root/other.key >>/root/said 2>&1")
		if s := g.status(); !s.RestartNeeded {
			g.t.Error("keys were added, and status does not say that a restart is needed")
		}
		// The key of the admin API as an older program left it: an update encrypts it, and no version minds.
		admin := g.adminKey()
		g.sh("(umask 077; " + adminPlain + " >" + dir + "admin-api-key) && rm " + dir + "admin-api-key.cred")
		g.sh("aztec-spartan update val1 --to 4.1.3 >>/root/said 2>&1; aztec-spartan rollback val1 >>/root/said 2>&1")
		g.sh("grep -q 'admin API key of val1 is encrypted' /root/said && test ! -e " + dir + "admin-api-key")
		g.sh("aztec-spartan config val1 --payload none | tee -a /root/said | grep -q 'votes for none now'")
		if out := g.sh("aztec-spartan keys val1"); !strings.Contains(out, devAddress) {
			g.t.Errorf("keys: %s", out)
		}
		if out := g.sh("aztec-spartan run val1 -- --version"); !strings.Contains(out, "4.1.2") {
			g.t.Errorf("run: %s", out)
		}
		g.fails(1, "aztec-spartan run val1 -- bogus", "unknown command 'bogus'", "exited with code 1")
		g.tools()
		g.sh("aztec-spartan status >>/root/said 2>&1; aztec-spartan status --json >>/root/said 2>&1; aztec-spartan logs val1 -n -1 >>/root/said 2>&1")
		if now := g.adminKey(); now != admin || len(admin) != 64 {
			g.t.Errorf("the admin API key, of %d characters, is another one", len(now))
		}
		g.sh("aztec-spartan report val1 -o /root/report.tar.gz >>/root/said 2>&1 && tar -xzf /root/report.tar.gz -C /root && grep -q 'Aztec Node version' /root/aztec-report-val1/journal.txt")
		for _, secret := range []string{devKey[2:], provider, admin} {
			g.sh("! grep -rqs " + secret + " /root/aztec-report-val1")
		}
		// What is looked for is found: the same search sees a leak of each kind.
		const planted = "c0ffee5ecret0planted"
		g.sh("echo " + planted + " | tee -a /root/said >/var/tmp/planted && chmod 644 /var/tmp/planted && systemd-cat echo " + planted)
		g.types(": " + planted)
		g.sh("systemd-run -q --service-type=exec --unit planted --uid nobody --setenv PLANTED=" + planted + " sh -c ': " + planted + "; sleep 600; :' && journalctl --sync")
		if places := g.places(planted); len(places) != len(lookIn) {
			g.t.Errorf("what was planted is only found in %q", places)
		}
		g.sh("systemctl stop planted")
		for what, secret := range map[string]string{"key": devKey[2:], "other key": otherKey, "provider's key": provider, "admin key": admin} {
			if places := g.places(secret); len(places) > 0 {
				g.t.Errorf("the %s is in %q", what, places)
			}
		}
		// Back to plain and to encrypted again: every generation follows, and the node starts.
		g.sh("aztec-spartan config val1 --encrypt-keys=no && test -s " + dir + "keystore.json && test ! -e " + dir + "keystore.json.cred")
		if g.status().RestartNeeded {
			g.t.Error("another form of the keystore is no other keystore, and status wants a restart")
		}
		g.sh("! grep -rl LoadCredentialEncrypted /var/lib/aztec-spartan/instances/val1 /etc/systemd/system/" + val1)
		g.sh("test -s " + dir + "admin-api-key && test ! -e " + dir + "admin-api-key.cred && aztec-spartan restart val1")
		g.until("aztec-spartan probe val1")
		g.sh("aztec-spartan config val1 --encrypt-keys && test ! -e " + dir + "keystore.json && test ! -e " + dir + "admin-api-key && ! grep -rl ^LoadCredential= /var/lib/aztec-spartan/instances/val1 && aztec-spartan restart val1")
		g.until("aztec-spartan probe val1")
		g.lostHostKey(dir)
	})
}

// adminPlain prints the key of val1's admin API, as README says.
const adminPlain = "systemd-creds decrypt --name=admin-api-key /etc/aztec-spartan/instances/val1/admin-api-key.cred -"

func (g *guest) adminKey() string {
	g.t.Helper()
	return g.sh(adminPlain)
}

// lostHostKey: what was encrypted can be read no more. Who is asked how things
// are says so and works, and what doctor has to type brings the node back.
func (g *guest) lostHostKey(dir string) {
	g.t.Helper()
	g.sh("mv /var/lib/systemd/credential.secret /root/")
	const why = "reading the keystore of val1: decrypting keystore.json"
	if s := g.status(); s.Health != "healthy" || !strings.Contains(s.Payload.Reason, "reading the admin API key of val1: decrypting admin-api-key") {
		g.t.Errorf("status: %s, %+v", s.Health, s.Payload)
	}
	g.sh("aztec-spartan logs val1 -n 1 2>&1 | grep -q 'warning: what is secret of val1 cannot be read'")
	g.sh("aztec-spartan report val1 -o /root/lost.tar.gz 2>/root/lost && grep -q '" + why + "' /root/lost && grep -q 'all that looks like a key is left out' /root/lost && mkdir /root/lost.d && tar -xzf /root/lost.tar.gz -C /root/lost.d && ! grep -rEq '0x[0-9a-f]{64}' /root/lost.d")
	const both = "rm /etc/aztec-spartan/instances/val1/keystore.json.cred /etc/aztec-spartan/instances/val1/admin-api-key.cred"
	g.fails(exitUnhealthy, "aztec-spartan doctor val1", "of the checks failed")
	g.sh("aztec-spartan doctor val1 2>/dev/null | grep -qF '" + both + ", then config or keys add'")
	g.fails(exitFailed, "aztec-spartan config val1 --set LOG_LEVEL=debug", why, "hint: if this host lost the key", both)
	g.sh(both + " && (echo " + devKey + " | aztec-spartan config val1 --key-file -) && test -s " + dir + "admin-api-key.cred && aztec-spartan restart val1")
	g.until("aztec-spartan probe val1")
	g.sh("aztec-spartan config val1 --payload 0x" + strings.Repeat("ab", 20) + " | grep -q 'votes for 0x'")
}

// lookIn is where no secret is to be seen, and how to look there for LOOK.
var lookIn = map[string]string{
	"our output":             "cat /root/said",
	"the journal":            "journalctl --no-pager -o export --all",
	"the shell's history":    "cat /root/.bash_history",
	"arguments":              "cat /proc/[0-9]*/cmdline",
	"properties on the bus":  "systemctl show '*'",
	"environments of others": "setpriv --reuid nobody --regid nogroup --clear-groups sh -c 'cat /proc/[0-9]*/environ 2>/dev/null'",
	"files for everybody":    "setpriv --reuid nobody --regid nogroup --clear-groups grep -rsaFh --exclude-dir=proc --exclude-dir=sys --exclude-dir=images -e LOOK /etc /run /var /tmp /usr/lib/systemd",
}

// types has a command typed into a shell that keeps a history.
func (g *guest) types(command string) {
	g.t.Helper()
	g.sh("echo '" + command + "' | HISTFILE=/root/.bash_history bash --norc -i 2>/dev/null")
}

// places are those where the secret is.
func (g *guest) places(secret string) []string {
	g.t.Helper()
	var places []string
	for where, look := range lookIn {
		look = strings.ReplaceAll(look, "LOOK", secret)
		// A secret that is looked for must not be in the arguments of who looks.
		if r := g.try("(" + look + ") 2>/dev/null | tr '\\0' '\\n' | grep -v -e setpriv -e grep >/root/found"); r.Code > 1 {
			g.t.Fatalf("%s: %s", where, r.Stderr)
		}
		found, err := g.Read(g.t.Context(), "/root/found")
		if err != nil {
			g.t.Fatal(err)
		}
		if where == "files for everybody" && len(found) > 0 || strings.Contains(string(found), secret) {
			places = append(places, where)
		}
	}
	slices.Sort(places)
	return places
}
