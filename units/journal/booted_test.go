//go:build booted

package journal

import (
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/testhost/inhost"
)

// The tests of inhost_test.go run where there is a systemd: on booted hosts.
func TestInHost(t *testing.T) { inhost.Run(t) }
