//go:build booted || packages

package packages

import (
	"strings"
	"testing"
)

// operators checks what a member of the group aztec may do without being root:
// start, stop and restart nodes, by systemctl and by our verbs, and see how they
// are. What else systemd could do for them would be as good as root.
func (h *host) operators(suite string) {
	h.t.Run("operators", func(t *testing.T) {
		h := h.sub(t)
		h.sh("useradd -G aztec alice && useradd mallory && systemctl start polkit")
		may := func(user, command string, want bool) (said string) {
			t.Helper()
			r, err := h.Run(t.Context(), "runuser", "-u", user, "--", "sh", "-c", command)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Code == 0; got != want {
				t.Errorf("%s may %s: %v, want %v\n%s", user, command, got, want, r.Stderr)
			}
			return r.Stdout + r.Stderr
		}
		// polkit of Debian 11 knows no rules.
		rules := suite != "bullseye"
		may("alice", "systemctl restart "+running, rules)
		may("alice", "systemctl start "+stopped+" && systemctl stop "+stopped, rules)
		may("alice", "systemctl stop aztec.target", rules)
		h.sh("systemctl start " + running)
		may("mallory", "systemctl restart "+running, false)
		for _, verb := range []struct{ command, says string }{
			{"restart val1", "restarted val1 in"},
			{"stop val2", "stopped val2 in"},
			{"start val2", "started val2 in"},
			{"status", "val2"},
			{"status val1 --json | jq -r .[0].unit", running},
			{"versions", "val1, val2"},
			{"disk --json | jq -r .instances[0].name", "val1"},
		} {
			out := may("alice", "aztec-spartan "+verb.command, rules || strings.Contains(verb.command, "|"))
			if rules && !strings.Contains(out, verb.says) || !rules && !strings.Contains(out, "members need no sudo where polkit is 0.106 or newer") {
				t.Errorf("%s: %s", verb.command, out)
			}
		}
		if rules {
			// What goes wrong is said as to root, with the same exit code, and no unit has failed by it.
			if out := may("alice", "aztec-spartan start nobody; test $? = 2", true); !strings.Contains(out, "instance nobody: no such instance") || !strings.Contains(out, "hint: instances here: val1, val2") {
				t.Errorf("said: %s", out)
			}
			h.want("systemctl list-units --failed --no-legend 'aztec-operator@*'", "")
			h.want("find /run/aztec-spartan/operator -printf '%u:%g %m\n' | sort -u", "root:aztec 640\nroot:aztec 750")
		}
		if out := may("alice", "aztec-spartan start val1 --sign", false); !strings.Contains(out, "start: needs root\nhint: sudo aztec-spartan start") {
			t.Errorf("said: %s", out)
		}
		if out := may("mallory", "aztec-spartan stop val1", false); !strings.Contains(out, "stop: needs root, or a member of the group aztec: not allowed") {
			t.Errorf("said: %s", out)
		}
		may("mallory", "ls /run/aztec-spartan/operator", false)
		may("mallory", "aztec-spartan probe val1", true)
		if out := may("mallory", "aztec-spartan logs val1 || :", true); !strings.Contains(out, "this user may not read the journal of nodes") {
			t.Errorf("said: %s", out)
		}
		h.sh("usermod -aG systemd-journal alice")
		if out := may("alice", "aztec-spartan logs val1 -n -1", true); strings.Contains(out, "may not read the journal") || !strings.Contains(out, "Started") {
			t.Errorf("said: %s", out)
		}
		h.sh("systemctl stop " + stopped) // and enabled, as it was
		for _, command := range []string{
			"systemctl start aztec-operator@keys:val1.service",
			"systemctl start aztec-operator@start:val1:.sign.service",
			"systemd-run --unit=aztec-operator@status.service touch /root/owned",
			"systemd-run --unit=aztec-operator@start:val1.service touch /root/owned",
			"systemctl set-property aztec-operator@status.service CPUWeight=1",
			"systemctl start aztec-crs@-srv-x.service",
			"systemctl start aztec-roll@val1.service",
			"systemctl restart dbus.service",
			"systemctl disable " + running,
			"systemctl set-property " + running + " CPUWeight=1",
			"systemctl kill " + running,
			"systemd-run --unit=aztec-sequencer@val9.service touch /root/owned",
			"systemd-run --unit=" + running + " touch /root/owned",
			"systemd-run --unit=aztec.target touch /root/owned",
			"systemd-run --unit=aztec-update --on-active=0 touch /root/owned",
		} {
			may("alice", command, false)
		}
		h.want("ls /root/owned 2>/dev/null", "")
		h.until("aztec-spartan probe val1")
	})
}
