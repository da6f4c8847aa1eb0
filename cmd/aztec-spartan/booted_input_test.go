//go:build booted

package main

import (
	"fmt"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// everything is a digest of all that the program may change on a host: names,
// modes, owners, contents, and what systemd runs and has enabled.
const everything = `(cd / && find etc/aztec-spartan etc/systemd/system etc/sysusers.d etc/passwd var/lib/aztec-spartan/instances \
	-printf '%p %y %m %u %g %s %T@ %l\n'; ls -1 var/lib/aztec; ls -1 /var/lib/aztec-spartan/images; \
	cat /etc/aztec-spartan/instances/*/* /var/lib/aztec-spartan/instances/*/state.json /etc/systemd/system/aztec-*@*.service; \
	systemctl show -P InvocationID 'aztec-*@*.service') | sha256sum`

// badInput is a mistake, and what the operator is told.
type badInput struct {
	name   string
	before string // makes it bad, and
	after  string // good again
	run    string
	code   int
	words  []string
}

func badInputs() []badInput {
	repository := stage.Repository
	newInstance := func(args string) string {
		return fmt.Sprintf("echo %s | aztec-spartan config val2 --network local --ethereum-host http://127.0.0.1:8545 --no-p2p --port 8090 --admin-port 8890 --key-file - %s", thirdKey, args)
	}
	wrongDigest := "sha256:00000000000000000000000000000000000000000000000000000000000000aa"
	toml := "/etc/aztec-spartan/instances/val1/instance.toml"
	return []badInput{
		{name: "unknown tag", run: newInstance("--image " + repository + ":9.9.9"), code: exitFailed, words: []string{"9.9.9", "hint: "}},
		{name: "unknown tag of an update", run: "aztec-spartan update val1 --to 9.9.9", code: exitFailed, words: []string{"9.9.9", "hint: "}},
		{name: "unknown digest", run: newInstance("--image " + repository + "@" + wrongDigest), code: exitFailed, words: []string{"00aa", "hint: "}},
		{name: "registry down", run: newInstance("--image 127.0.0.1:5999/aztecprotocol/aztec:4.1.2"), code: exitFailed, words: []string{"127.0.0.1:5999", "hint: "}},
		{name: "registry down at an update", run: "aztec-spartan update val1 --to 127.0.0.1:5999/aztecprotocol/aztec:4.1.3", code: exitFailed, words: []string{"127.0.0.1:5999", "hint: "}},
		{name: "not a reference", run: newInstance("--image 'a b'"), code: exitUsage, words: []string{"a b", "hint: "}},
		{
			name: "port in use", before: "systemd-run -q --unit taken systemd-socket-activate -l 8091 cat && timeout 20 sh -c 'until ss -ltn | grep -q :8091; do :; done'", after: "systemctl stop taken",
			run: newInstance("--image "+repository+":4.1.2") + " --port 8091", code: exitUsage, words: []string{"8091", "hint: "},
		},
		{
			name: "port in use, wanted by a running instance", before: "systemd-run -q --unit taken systemd-socket-activate -l 8091 cat && timeout 20 sh -c 'until ss -ltn | grep -q :8091; do :; done'", after: "systemctl stop taken",
			run: "aztec-spartan config val1 --port 8091", code: exitUsage, words: []string{"8091", "hint: "},
		},
		{name: "port of another instance", run: newInstance("--image "+repository+":4.1.2") + " --port 8080", code: exitUsage, words: []string{"8080", "val1", "hint: "}},
		{name: "malformed key", run: "echo 0x1234 | aztec-spartan config val1 --key-file -", code: exitUsage, words: []string{"key", "hint: "}},
		{name: "key out of range", run: "printf 0x%064d 0 | aztec-spartan config val1 --key-file -", code: exitUsage, words: []string{"key", "hint: "}},
		{name: "no key", run: "aztec-spartan config val2 --network local --image " + repository + ":4.1.2 --ethereum-host http://127.0.0.1:8545 --no-p2p --port 8090 --admin-port 8890 </dev/null", code: exitUsage, words: []string{"key", "hint: "}},
		{name: "malformed URL", run: "aztec-spartan config val1 --ethereum-host example.org", code: exitUsage, words: []string{"example.org"}},
		{name: "port out of range", run: "aztec-spartan config val1 --port 70000", code: exitUsage, words: []string{"70000"}},
		{name: "malformed address", run: "aztec-spartan config val1 --coinbase 0x12", code: exitUsage, words: []string{"coinbase"}},
		{name: "renamed variable by flag", run: "aztec-spartan config val1 --set PROVER_AGENT_CONCURRENCY=2", code: exitUsage, words: []string{"PROVER_AGENT_CONCURRENCY", "PROVER_AGENT_COUNT"}},
		{
			name: "renamed variable in instance.toml", before: "cp -a " + toml + " /tmp/t && printf 'PROVER_AGENT_CONCURRENCY = \"2\"\\n' >>" + toml, after: "mv /tmp/t " + toml,
			run: "aztec-spartan config val1", code: exitUsage, words: []string{"PROVER_AGENT_CONCURRENCY", "PROVER_AGENT_COUNT"},
		},
		{
			name: "unknown setting in instance.toml", before: "cp -a " + toml + " /tmp/t && sed -i '1i netwrok = \"x\"' " + toml, after: "mv /tmp/t " + toml,
			run: "aztec-spartan config val1", code: exitUsage, words: []string{"netwrok", "network"},
		},
		{
			name: "instance.toml of a newer version", before: "cp -a " + toml + " /tmp/t && sed -i 's/^schema = 1/schema = 2/' " + toml, after: "mv /tmp/t " + toml,
			run: "aztec-spartan config val1 --verbose", code: exitUnsupported, words: []string{"schema 2"},
		},
		{name: "secret in a variable", run: "aztec-spartan config val1 --set VALIDATOR_PRIVATE_KEYS=" + devKey, code: exitUsage, words: []string{"--key-file"}},
		{name: "variable of the tool", run: "aztec-spartan config val1 --set DATA_DIRECTORY=/x", code: exitUsage, words: []string{"DATA_DIRECTORY"}},
		{name: "bad name", run: "aztec-spartan config ../x", code: exitUsage},
		{name: "no such instance", run: "aztec-spartan start valx", code: exitUsage, words: []string{"valx", "val1"}},
		{name: "no such flag", run: "aztec-spartan start --now", code: exitUsage, words: []string{"--now", "hint: "}},
		{name: "no such verb", run: "aztec-spartan strat", code: exitUsage, words: []string{"strat", "start"}},
		{name: "nothing to roll back to", run: "aztec-spartan rollback val1", code: exitFailed, words: []string{"another version"}},
		{name: "not root", run: "setpriv --reuid nobody --regid nogroup --clear-groups aztec-spartan stop val1", code: exitFailed, words: []string{"root", "hint: sudo"}},
		{name: "no systemd", run: "unshare -m sh -c 'mount -t tmpfs tmpfs /run && aztec-spartan stop val1'", code: exitUnsupported, words: []string{"systemd", "hint: "}},
	}
}

// Bad input gets one clear error and a hint, and changes nothing.
func TestBadInput(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		g.config("4.1.2")
		g.sh("aztec-spartan start val1")
		g.until("aztec-spartan probe val1")
		for _, c := range badInputs() {
			if c.before != "" {
				g.sh(c.before)
			}
			was := g.sh(everything)
			g.fails(c.code, c.run, append(c.words, "aztec-spartan: ")...)
			if is := g.sh(everything); is != was {
				g.t.Errorf("%s: something was changed", c.name)
			}
			if c.after != "" {
				g.sh(c.after)
			}
		}
	})
}
