//go:build packages

package packages

import "testing"

// Where SELinux is enforced, images have the type of programs: the module is
// taken by the policy of Debian, which has the same names.
func TestSELinuxModule(t *testing.T) {
	t.Parallel()
	h := set(t, "bookworm", "")
	h.archive("selinux-policy-default policycoreutils selinux-utils semodule-utils")
	h.put("../selinux/aztec-spartan.cil", "/root/aztec-spartan.cil")
	h.sh("semodule -s default -n -X 200 -i /root/aztec-spartan.cil")
	const image = "/var/lib/aztec-spartan/images/sha256-0/rootfs/usr/local/bin/node"
	h.want("matchpathcon -n -f /etc/selinux/default/contexts/files/file_contexts "+image, "system_u:object_r:bin_t:s0")
	h.want("matchpathcon -n -f /etc/selinux/default/contexts/files/file_contexts /var/lib/aztec-spartan/instances | cut -d: -f3", "var_lib_t")
	h.sh("semodule -s default -n -X 200 -r aztec-spartan")
}
