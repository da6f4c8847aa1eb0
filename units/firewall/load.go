package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// ErrUnavailable says that nft is not installed, or that this kernel or its confinement does not let it make tables.
var ErrUnavailable = errors.New("nftables cannot be used here")

// timeout is longer than the kernel takes for tables of any size that hosts have.
const timeout = 30 * time.Second

// Load puts the table for ports in the place of the one there is, in one transaction: connections meet the one or the other. Without
// ports there is none afterwards. Errors wrap ErrUnavailable.
func Load(ctx context.Context, ports []Port) error {
	return run(ctx, "nft", Script(ports))
}

// Check reports whether a table could be loaded, and loads none. Errors wrap
// ErrUnavailable.
func Check(ctx context.Context) error {
	return run(ctx, "nft", Script([]Port{{Number: 1}}), "--check")
}

func run(ctx context.Context, program string, script []byte, flags ...string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// In its path whatever the caller's is: a unit's need not have /usr/sbin.
	path, err := exec.LookPath(program)
	if err != nil {
		path = "/usr/sbin/" + program
	}
	cmd := exec.CommandContext(ctx, path, append(flags, "-f", "-")...)
	cmd.Stdin = bytes.NewReader(script)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n"); first != "" {
			err = fmt.Errorf("%w: %s", err, first)
		}
		return fmt.Errorf("loading the table inet %s: %w: %w", Name, ErrUnavailable, err)
	}
	return nil
}
