// Package publicip asks services on the internet for the public address of this
// host.
package publicip

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

// services answer with the address that they are asked from, in
// plain text. They have four owners: no one of them decides alone.
var services = [...]string{
	"https://api64.ipify.org", "https://ifconfig.me/ip", "https://icanhazip.com", "https://checkip.amazonaws.com",
}

const (
	timeout   = 5 * time.Second // for all services together
	maxAnswer = 256             // bytes; an IPv6 address has 39
)

// Ask asks all services at once, by a network of [net.Dial], and returns the first
// address that two of them say. Of a single one its word is enough; with none, the
// usual ones are asked. They have five seconds.
func Ask(ctx context.Context, network string, urls []string) (string, error) {
	if len(urls) == 0 {
		urls = services[:]
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	}}
	return agreed(ctx, urls, func(ctx context.Context, url string) (string, error) { return ask(ctx, client, url) })
}

// ask is what one service says. What it says is hostile until it is an
// address.
func ask(ctx context.Context, client *http.Client, url string) (string, error) {
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
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return "", err
	}
	addr, err := netip.ParseAddr(strings.TrimSpace(string(body)))
	if err != nil || len(body) > maxAnswer || !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Zone() != "" {
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
