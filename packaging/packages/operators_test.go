//go:build booted || packages

package packages

import "testing"

// operators checks what a member of the group aztec may do without being root:
// start, stop and restart nodes. What else systemd could do for them would be
// as good as root.
func (h *host) operators(suite string) {
	h.t.Run("operators", func(t *testing.T) {
		h := h.sub(t)
		h.sh("useradd -G aztec alice && useradd mallory && systemctl start polkit")
		may := func(user, command string, want bool) {
			t.Helper()
			r, err := h.Run(t.Context(), "runuser", "-u", user, "--", "sh", "-c", command)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Code == 0; got != want {
				t.Errorf("%s may %s: %v, want %v\n%s", user, command, got, want, r.Stderr)
			}
		}
		// polkit of Debian 11 knows no rules.
		rules := suite != "bullseye"
		may("alice", "systemctl restart "+running, rules)
		may("alice", "systemctl start "+stopped+" && systemctl stop "+stopped, rules)
		may("alice", "systemctl stop aztec.target", rules)
		h.sh("systemctl start " + running)
		may("mallory", "systemctl restart "+running, false)
		for _, command := range []string{
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
