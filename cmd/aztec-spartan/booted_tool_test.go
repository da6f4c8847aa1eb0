//go:build booted

package main

import "strings"

// tools: what they are given, by every kind of input, and what is left of them.
func (g *guest) tools() {
	g.t.Helper()
	const tool = " -- stub-tool 2>&1"
	const bare, whole = "keystore: no\ndata: no\nterminal: no", "keystore: yes\ndata: yes\nterminal: no"
	for _, c := range []struct{ name, run, want string }{
		{"pipe", "printf 'one\\ntwo\\n' | timeout 30 aztec-spartan run val1" + tool, bare + "\none\ntwo"},
		{"file", "echo one >/root/input && timeout 30 aztec-spartan run val1" + tool + " </root/input", bare + "\none"},
		{"nothing", "timeout 30 aztec-spartan run val1" + tool + " </dev/null", bare},
		{"socket", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /status HTTP/1.0\\r\\n\\r\\n' >&3 && timeout 30 aztec-spartan run val1" + tool + " <&3 | tr -d '\\r' | sed -n '1,4p;$p'", bare + "\nHTTP/1.0 200 OK\nOK"},
		{"with the node's settings", "timeout 30 aztec-spartan run val1 --with-env" + tool + " </dev/null", whole},
		{"terminal", "printf '\\004' | TERM=dumb script -qec 'timeout 30 aztec-spartan run val1 -- stub-tool' /dev/null | tr -d '\\r\\010^D'", strings.Replace(bare, "terminal: no", "terminal: yes", 1)},
	} {
		if r := g.try(c.run); strings.TrimSpace(r.Stdout) != c.want {
			g.t.Errorf("run with %s: exit code %d\n%s%s\nwant\n%s", c.name, r.Code, r.Stdout, r.Stderr, c.want)
		}
	}
	// Ctrl-C ends the tool with its unit.
	g.fails(1, "mkfifo /root/fifo; exec 3<>/root/fifo; timeout 30 aztec-spartan run val1 -- stub-tool </root/fifo & "+
		"timeout 20 sh -c 'until systemctl list-units --no-legend \"aztec-run-val1-*\" | grep -q activating; do :; done'; kill -INT $!; wait $!")
	if out := g.sh("ls /run/systemd/system | grep aztec-run; systemctl list-units --all --no-legend 'aztec-run-*'"); out != "" {
		g.t.Errorf("left of run: %s", out)
	}
	if out := g.sh("journalctl --no-pager -u 'aztec-run-*' | grep -e one -e keystore: || true"); out != "" {
		g.t.Errorf("in the journal: %s", out)
	}
}
