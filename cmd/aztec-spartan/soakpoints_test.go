//go:build soak

package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// Before every call that changes a file, and every one to the service manager,
// the program is killed, or the whole host: while an update prepares a roll,
// while an engine carries one out, and while one takes it back. Without anyone
// typing the host ends in one of the two versions, whole and running.
func TestSoakKilledAtEveryCall(t *testing.T) {
	for name, c := range map[string]plug{
		"update":                      {client: true, least: 20},
		"engine":                      {least: 25},
		"engine of a roll that fails": {to: stubimage.Liar, least: 15},
		"host in a roll":              {host: true, least: 25},
		"host in a roll that fails":   {to: stubimage.Liar, host: true, least: 15},
	} {
		t.Run(name, func(t *testing.T) {
			onEachSuite(t, func(g *guest) {
				g.config("4.1.2")
				g.sh("aztec-spartan start val1")
				for _, tag := range []string{stubimage.Newer, stubimage.Liar} {
					g.sh("aztec-spartan pull " + stage.Repository + ":" + tag)
				}
				g.holdEngines()
				g.everyCall(c)
			})
		})
	}
}

// plug is what is cut short, and how.
type plug struct {
	to     string // version; "": the other of the two good ones
	client bool   // update is killed, and not the engine
	host   bool   // all of the host is
	least  int    // calls there must be
}

func (g *guest) everyCall(c plug) {
	g.t.Helper()
	whole := &points{guest: g, plug: c}
	whole.roll()
	first := 1
	if c.to != "" {
		// Until the failing version is started all is as in a roll to a good one.
		first += slices.IndexFunc(whole.calls, func(c testhost.Call) bool { return c.Name == "TryRestartUnit" })
	}
	n := first
	for ; ; n++ {
		p := &points{guest: g, plug: c, dieAt: n}
		began := time.Now()
		if !p.roll() {
			break
		}
		g.t.Logf("killed before %d, %s: %s after %.1f s", n, p.calls[n-1], p.ended, time.Since(began).Seconds())
	}
	if n-first < c.least {
		g.t.Errorf("killed before %d calls: too few for a roll", n-first)
	}
	g.t.Logf("killed before each of %d calls, from %d of\n%s", n-first, first, list(whole.calls))
	left := g.sh("find /etc /var/lib/aztec-spartan -name '.aztec-spartan-tmp-*' -exec touch -d yesterday {} + -print | wc -l")
	g.t.Logf("temporary files left: %s", left)
	if out := g.sh("aztec-spartan gc && find /etc /var/lib/aztec-spartan -name '.aztec-spartan-tmp-*'"); strings.Contains(out, "-tmp-") {
		g.t.Errorf("gc leaves %s", out)
	}
}

func list(calls []testhost.Call) string {
	var text strings.Builder
	for n, c := range calls {
		fmt.Fprintf(&text, "%3d %s\n", n+1, c)
	}
	return text.String()
}

// heldEngine stops before its first instruction where a test wants to trace it.
const heldEngine = `#!/bin/sh
if rm /run/hold 2>/dev/null; then kill -STOP $$; fi
exec /usr/bin/aztec-spartan roll "$1"
`

func (g *guest) holdEngines() {
	g.t.Helper()
	if err := g.Write(g.t.Context(), "/usr/local/sbin/held-engine", []byte(heldEngine), 0o755); err != nil {
		g.t.Fatal(err)
	}
	g.sh("mkdir -p /etc/systemd/system/aztec-roll@.service.d && printf '[Service]\\nExecStart=\\nExecStart=/usr/local/sbin/held-engine %%i\\n' >/etc/systemd/system/aztec-roll@.service.d/held.conf && systemctl daemon-reload")
}

// points is one roll that is cut short.
type points struct {
	*guest
	plug
	dieAt int // number of the call; 0: none
	calls []testhost.Call
	ended string // version, and how the roll ended
}

// roll reports whether it came to dieAt.
func (p *points) roll() bool {
	p.t.Helper()
	was, to := p.status().Version, p.to
	if to == "" {
		to = map[string]string{"4.1.2": stubimage.Newer, stubimage.Newer: "4.1.2"}[was]
	}
	update := "exec aztec-spartan update val1 --no-pull --settle 100ms --gate-timeout 3s --to " + to
	if p.client {
		update = "(echo $BASHPID >/run/client; kill -STOP $BASHPID; " + update + ") & wait $!" // nsenter stops with what it waits for
	} else {
		p.sh("touch /run/hold")
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer cancel()
	client := p.Command(ctx, "bash", "-c", update)
	if err := client.Start(); err != nil {
		p.t.Fatal(err)
	}
	pid := p.held()
	if err := p.Trace(ctx, pid, func(c testhost.Call) { p.at(pid, c) }); err != nil {
		p.t.Fatalf("%v\n%s", err, p.journal())
	}
	died := p.dieAt > 0 && len(p.calls) >= p.dieAt
	if died && p.host {
		cancel()
	}
	_ = client.Wait() // with whatever its roll ended
	p.until("jq -e '.intent == null or .intent.begun == false' /var/lib/aztec-spartan/instances/val1/state.json && case $(systemctl show -P ActiveState aztec-roll@val1.service) in inactive|failed) ;; *) exit 1 ;; esac && curl -sf http://127.0.0.1:8080/status")
	p.whole(was, to, died)
	return died
}

// held waits for the process that has stopped itself, and returns its ID.
func (p *points) held() int {
	p.t.Helper()
	pid := "$(systemctl show -P MainPID aztec-roll@val1.service)"
	if p.client {
		pid = "$(cat /run/client)"
	}
	p.until("grep -q '^State:.*T' /proc/" + pid + "/status")
	n, err := strconv.Atoi(p.sh("echo " + pid + "; rm -f /run/client"))
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

func (p *points) at(pid int, c testhost.Call) {
	p.t.Helper()
	if p.calls = append(p.calls, c); len(p.calls) != p.dieAt {
		return
	}
	var err error
	if p.host {
		err = p.Reset(p.t.Context())
	} else {
		err = p.Kill(pid)
	}
	if err != nil {
		p.t.Fatalf("before call %d, %s: %v\n%s", p.dieAt, c, err, p.journal())
	}
}

// whole: one of the two versions is in place, runs, and is healthy; a version
// that fails is not the one; nobody is blamed for having been killed.
func (p *points) whole(was, to string, died bool) {
	p.t.Helper()
	s := p.status()
	wrong := func(format string, args ...any) {
		p.t.Helper()
		p.t.Errorf("killed before call %d of %d: %s\n%+v, last roll %+v\n%s%s", p.dieAt, len(p.calls), fmt.Sprintf(format, args...), s, s.LastRoll, list(p.calls), p.journal())
	}
	if v := p.nodeVersion(); v != s.Version || v != was && v != to || v == stubimage.Liar {
		wrong("the node says it is %s", v)
	}
	if s.Roll != "" || s.ActiveState != "active" || !s.Enabled {
		wrong("it is not whole")
	}
	failed := to == stubimage.Liar && slices.ContainsFunc(s.Skipped, func(k roll.Skip) bool { return k.Version == to })
	if len(s.Skipped) > 0 && !failed {
		wrong("skipped: %+v", s.Skipped)
	}
	if !died && to == stubimage.Liar && !failed {
		wrong("it failed and is not skipped")
	}
	p.ended = s.Version
	if s.LastRoll != nil {
		p.ended += ", " + s.LastRoll.Result + " " + s.LastRoll.Reason
	}
	p.sh("systemctl reset-failed; jq 'del(.skipped)' /var/lib/aztec-spartan/instances/val1/state.json >/run/state && cp /run/state /var/lib/aztec-spartan/instances/val1/state.json")
	if p.t.Failed() { // the next are likely to, as well
		p.t.FailNow()
	}
}
