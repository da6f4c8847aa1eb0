//go:build booted

package manager

import (
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/testhost/inhost"
)

// The tests of inhost_test.go run where there is a systemd: on booted hosts.
func TestInHost(t *testing.T) { inhost.Run(t, "../../packaging/polkit/50-aztec-spartan.rules") }
