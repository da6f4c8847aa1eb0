package testhost

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
)

// Link lays a cable between two hosts, which have no network but their own. Each
// gets an interface named lan with an address, such as 10.0.0.1/24. A reboot
// takes it away.
func Link(ctx context.Context, a, b *Host, addressOfA, addressOfB string) error {
	// An interface is made in the network of a process (ip-link(8), netns PID).
	cable := []string{
		"link", "add", "lan", "netns", strconv.Itoa(a.Leader()), "type", "veth",
		"peer", "name", "lan", "netns", strconv.Itoa(b.Leader()),
	}
	if out, err := exec.CommandContext(ctx, "ip", cable...).CombinedOutput(); err != nil {
		return fmt.Errorf("linking two hosts: %w: %s", err, out)
	}
	for h, address := range map[*Host]string{a: addressOfA, b: addressOfB} {
		const script = `ip address add "$1" dev lan && ip link set lan up`
		if _, err := h.output(h.Command(ctx, "sh", "-c", script, "sh", address), "ip"); err != nil {
			return fmt.Errorf("linking two hosts: %w", err)
		}
	}
	return nil
}
