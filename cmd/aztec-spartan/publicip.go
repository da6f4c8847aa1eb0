package main

import (
	"context"
	"fmt"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/publicip"
)

// publicIP is the public address of this host, as services say; those of
// config.toml, if it names any.
func (a *app) publicIP(ctx context.Context, network string) (string, error) {
	c, err := a.hostConfig()
	if err != nil {
		return "", err
	}
	return publicip.Ask(ctx, network, c.Network.IPServices)
}

// detectIP is the public address by IPv4, which more peers reach, else IPv6.
func (a *app) detectIP(ctx context.Context) (string, error) {
	ip, err := a.publicIP(ctx, "tcp4")
	if err == nil {
		return ip, nil
	}
	if ip, err6 := a.publicIP(ctx, "tcp6"); err6 == nil {
		return ip, nil
	}
	return "", withHint(fmt.Errorf("detecting the public address: %w", err), "--ip ADDRESS says it; [network] ip_services in %s names other services", configFile)
}
