//go:build booted || packages

package packages

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// transition is one way for a package to come, change or go.
type transition struct {
	name string
	// run is what the operator types; {base} and {next} are the packages.
	run string
	// says is a part of what is printed then.
	says string
	// version is the package afterwards: base, next, or none.
	version string
	// holds are scripts, and what they print afterwards.
	holds map[string]string
}

// debTransitions begin on a host with the base package and three nodes, and
// lead from one to the next.
var debTransitions = []transition{
	{name: "reinstall", run: "dpkg -i {base}", version: "base"},
	{
		name: "upgrade", run: "systemctl disable -q aztec.target; apt-get install -y {next}", version: "next",
		holds: map[string]string{
			"systemctl is-enabled aztec.target":                                                                  "disabled", // as the operator has it
			"systemctl is-enabled aztec-next.service; systemctl is-active aztec-next.service":                    "enabled\ninactive",
			"systemctl is-enabled aztec-next.timer; systemctl is-active aztec-next.timer":                        "disabled\ninactive",
			"grep ^settle /etc/aztec-spartan/config.toml":                                                        `settle = "7s"`,
			"journalctl --list-catalog 2>/dev/null | grep -c 5c2d3c2b9d2e4a53a2c1a8dbf5c04a11":                   "1",
			"systemctl --failed --no-legend":                                                                     "",
			"find /etc/aztec-spartan /etc/needrestart -name '*dpkg*'; systemctl is-active aztec-recover.service": "inactive",
		},
	},
	{
		name: "upgrade to the same", run: "systemctl enable -q --now aztec-next.timer && apt-get install -y --reinstall {next}", version: "next",
		holds: map[string]string{
			"systemctl is-enabled aztec-next.timer; systemctl is-active aztec-next.timer": "enabled\nactive",
			"systemctl is-enabled aztec.target":                                           "disabled",
		},
	},
	{name: "downgrade", run: "apt-get install -y --allow-downgrades {base}", version: "base"},
	{name: "upgrade again", run: "apt-get install -y {next}", version: "next"},
	{
		name: "remove", run: "systemctl restart aztec-next.timer && apt-get remove -y aztec-spartan", says: "still running, and enabled as before: " + running, version: "none",
		holds: map[string]string{
			"grep ^settle /etc/aztec-spartan/config.toml": `settle = "7s"`, // a conffile
			"nft list tables":                         "table inet aztec_spartan",
			"systemctl is-active aztec-next.timer":    "inactive",
			"test -e /usr/bin/aztec-spartan; echo $?": "1",
		},
	},
	{
		name: "reinstall after a removal", run: "apt-get install -y {next}", version: "next",
		holds: map[string]string{
			"systemctl is-enabled aztec.target aztec-next.service": "disabled\nenabled",
			"systemctl is-active aztec-next.timer":                 "active", // enabled as before the removal
			"aztec-spartan probe val1 >/dev/null && echo healthy":  "healthy",
		},
	},
	{
		name: "purge beside a node that runs", run: "apt-get purge -y aztec-spartan </dev/null", says: "nodes run from images, which stay", version: "none",
		holds: map[string]string{
			"ls -A /var/lib/aztec-spartan/images | wc -l":      "1",
			"ls /etc/aztec-spartan":                            "instances",
			"find /etc/systemd/system -xtype l -name 'aztec*'": "",
		},
	},
	{name: "install after a purge", run: "apt-get install -y {base}", version: "base"},
}

// suites are all releases that are supported.
var suites = []string{"bullseye", "bookworm", "trixie"}

// TestTransitions is the matrix of suites and transitions of the deb.
func TestTransitions(t *testing.T) {
	t.Parallel()
	next := nextDeb(t, debPath(t))
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			h := set(t, suite, debPath(t))
			h.put(next, "/root/next.deb")
			h.installed()
			h.configure()
			h.table(debTransitions, "dpkg-query -Wf '${db:Status-Status} ${Version}' aztec-spartan 2>/dev/null", debVersion(t, debPath(t)), debVersion(t, next))
			h.operators(suite)
			h.purged()
		})
	}
}

// installed checks what an installation does, and that it starts nothing.
func (h *host) installed() {
	h.t.Helper()
	h.want("systemctl list-units --no-legend --plain 'aztec*'", "")
	h.want("systemctl is-enabled aztec.target", "enabled")
	h.want("getent group aztec | cut -d: -f1; stat -c '%a %U' /var/lib/aztec-spartan/images", "aztec\n700 root")
	h.want("for u in /usr/lib/systemd/system/aztec*; do case $u in *@.*) cp $u /run/systemd/system/$(basename ${u%@.*})@x.service.${u##*.};; esac; done; "+
		"systemd-analyze verify --man=no /usr/lib/systemd/system/aztec*[^@].* /run/systemd/system/aztec-*@x.* 2>&1 | grep aztec; rm /run/systemd/system/aztec-*@x.*", "")
	h.want("pgrep -a aztec-spartan", "")
}

// table runs transitions, each of which has to leave the nodes alone.
func (h *host) table(list []transition, version, base, next string) {
	before := h.nodes()
	for _, c := range list {
		ok := h.t.Run(c.name, func(t *testing.T) {
			h := h.sub(t)
			out := h.sh("(" + strings.NewReplacer("{base}", "/root/aztec-spartan.deb", "{next}", "/root/next.deb").Replace(c.run) + ") 2>&1")
			if !strings.Contains(out, c.says) {
				t.Errorf("does not say %q:\n%s", c.says, out)
			}
			want := map[string]string{"base": "installed " + base, "next": "installed " + next, "none": ""}[c.version]
			if got := h.sh(version + " || :"); got != want && (c.version != "none" || strings.HasPrefix(got, "installed")) {
				t.Errorf("the package is %q, want %q", got, want)
			}
			for _, script := range slices.Sorted(maps.Keys(c.holds)) {
				h.want(script, c.holds[script])
			}
			// systemd has read the files that are there now.
			h.want("systemctl show -p NeedDaemonReload aztec.target aztec-update.timer "+running+" | grep . | sort -u", "NeedDaemonReload=no")
			h.unchanged(before)
		})
		if !ok {
			h.t.FailNow()
		}
	}
}

// purged purges a host on which nothing runs. A later installation brings the
// node back, with its keys and data.
func (h *host) purged() {
	h.t.Run("purge", func(t *testing.T) {
		h := h.sub(t)
		keys := h.sh("aztec-spartan keys val1 list")
		h.sh("systemctl stop aztec-sequencer@val1 && apt-get purge -y aztec-spartan </dev/null")
		h.want("ls -d /var/lib/aztec-spartan/images /etc/aztec-spartan/config.toml 2>/dev/null", "")
		h.want("cat /var/lib/aztec/val*/marker; ls -d /etc/aztec-spartan/instances/val*/keystore* | wc -l", "precious\nprecious\n3")
		h.want("ls /etc/systemd/system/*.wants/ | grep aztec; ls /var/lib/systemd/deb-systemd-helper-enabled | grep aztec", "")
		h.want("nft list tables", "")
		h.sh("apt-get install -y /root/next.deb && aztec-spartan start val1")
		h.until("aztec-spartan probe val1")
		h.want("cat /var/lib/aztec/val1/marker", "precious")
		h.want("aztec-spartan keys val1 list", keys)
	})
}
