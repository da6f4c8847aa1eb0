package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// defaultIPServices answer with the address that they are asked from, in
// plain text. They have four owners: no one of them decides alone.
var defaultIPServices = [...]string{
	"https://api64.ipify.org", "https://ifconfig.me/ip", "https://icanhazip.com", "https://checkip.amazonaws.com",
}

const (
	ipTimeout   = 5 * time.Second // for all services together
	maxIPAnswer = 256             // bytes; an IPv6 address has 39
)

// publicIP asks services on the internet for the public address of this host,
// all at once, and returns the first that two of them say. With a single
// service in config.toml, its word is enough.
func (a *app) publicIP(ctx context.Context, network string) (string, error) {
	c, err := a.hostConfig()
	if err != nil {
		return "", err
	}
	services := c.Network.IPServices
	if len(services) == 0 {
		services = defaultIPServices[:]
	}
	ctx, cancel := context.WithTimeout(ctx, ipTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	}}
	return agreed(ctx, services, func(ctx context.Context, url string) (string, error) { return askIP(ctx, client, url) })
}

// askIP is what one service says. What it says is hostile until it is an
// address.
func askIP(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("it answers %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxIPAnswer+1))
	if err != nil {
		return "", err
	}
	addr, err := netip.ParseAddr(strings.TrimSpace(string(body)))
	if err != nil || len(body) > maxIPAnswer || !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Zone() != "" {
		return "", errors.New("its answer is not a public address")
	}
	return addr.Unmap().String(), nil
}

var errNoAgreement = errors.New("no two services agree on the public address of this host")

// agreed asks all services and returns the first answer that two of them give.
func agreed(ctx context.Context, services []string, ask func(context.Context, string) (string, error)) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // those that are still asked need not answer
	type answer struct {
		ip  string
		err error
	}
	answers := make(chan answer, len(services))
	for _, url := range services {
		go func() {
			ip, err := ask(ctx, url)
			answers <- answer{ip, err}
		}()
	}
	needed := min(2, len(services))
	said := map[string]int{}
	var last error
	for range services {
		a := <-answers
		if a.err != nil {
			last = a.err
			continue
		}
		if said[a.ip]++; said[a.ip] == needed {
			return a.ip, nil
		}
	}
	if len(said) == 0 && last != nil {
		return "", fmt.Errorf("%w: the last one fails: %w", errNoAgreement, last)
	}
	return "", errNoAgreement
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
