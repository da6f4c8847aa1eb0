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

// ErrNotLoaded says that there is no table.
var ErrNotLoaded = errors.New("the table inet " + Name + " is not loaded")

// timeout is longer than the kernel takes for tables of any size that hosts have.
const timeout = 30 * time.Second

// Load puts the table for ports in the place of the one there is, in one transaction: connections meet the one or the other. Without
// ports there is none afterwards. Errors wrap ErrUnavailable.
func Load(ctx context.Context, ports []Port) error {
	_, err := run(ctx, "nft", "loading", Script(ports), "-f", "-")
	return err
}

// Check reports whether a table could be loaded, and loads none. Errors wrap
// ErrUnavailable.
func Check(ctx context.Context) error {
	_, err := run(ctx, "nft", "loading", Script([]Port{{Number: 1}}), "--check", "-f", "-")
	return err
}

// Loaded is nil where there is a table, and ErrNotLoaded where there is none, as
// after nft flush ruleset, with which most files of rules begin. Other errors
// wrap ErrUnavailable.
func Loaded(ctx context.Context) error { return loaded(ctx, "nft") }

func loaded(ctx context.Context, program string) error {
	list, err := run(ctx, program, "looking for", nil, "list", "tables", "inet")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(list)) {
		if strings.TrimSpace(line) == "table inet "+Name {
			return nil
		}
	}
	return ErrNotLoaded
}

// run is what nft prints. doing is what an error says of the table.
func run(ctx context.Context, program, doing string, script []byte, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// In its path whatever the caller's is: a unit's need not have /usr/sbin.
	path, err := exec.LookPath(program)
	if err != nil {
		path = "/usr/sbin/" + program
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = bytes.NewReader(script)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err == nil {
		return out, nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n"); first != "" {
		err = fmt.Errorf("%w: %s", err, first)
	}
	return nil, fmt.Errorf("%s the table inet %s: %w: %w", doing, Name, ErrUnavailable, err)
}
