package testhost

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Cable is the device that Connect makes in both hosts.
const Cable = "cable0"

// Connect lays a cable between two hosts, and gives its ends the addresses here
// and there, such as 10.98.0.1/24. A host can have one cable; a reboot of either
// takes it away.
func (h *Host) Connect(ctx context.Context, other *Host, here, there string) error {
	ns, err := os.Open(filepath.Join("/proc", strconv.Itoa(other.Leader()), "ns/net"))
	if err != nil {
		return fmt.Errorf("connecting two hosts: %w", err)
	}
	defer ns.Close()
	// ip(8) takes a path for a namespace, too, and a descriptor is one that h cannot see otherwise.
	const script = `ip link add ` + Cable + ` type veth peer name ` + Cable + ` netns /proc/self/fd/3 && exec ip addr add "$1" dev ` + Cable
	lay := h.Command(ctx, "sh", "-c", script, "sh", here)
	lay.ExtraFiles = []*os.File{ns}
	if _, err := h.output(lay, "ip"); err != nil {
		return fmt.Errorf("connecting two hosts: %w", err)
	}
	for host, script := range map[*Host]string{h: "ip link set " + Cable + " up", other: "ip addr add " + there + " dev " + Cable + " && ip link set " + Cable + " up"} {
		if _, err := host.output(host.Command(ctx, "sh", "-c", script), "ip"); err != nil {
			return fmt.Errorf("connecting two hosts: %w", err)
		}
	}
	return nil
}
