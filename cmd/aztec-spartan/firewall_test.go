package main

import (
	"context"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// Names that are not looked up keep neither the table nor nodes waiting: they
// let nobody in, and all ports are closed.
func TestClosedPortsWithoutNameServer(t *testing.T) {
	unit, err := os.ReadFile("../../packaging/systemd/aztec-firewall.service")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^TimeoutStartSec=(\d+)$`).FindSubmatch(unit)
	if found == nil {
		t.Fatal("aztec-firewall.service may take for ever")
	}
	limit, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		a := &app{root: t.TempDir(), out: io.Discard, err: io.Discard}
		write(t, a.path(filepath.Join(systemdDir, "aztec-full-node@val1.service")),
			"[X-AztecSpartan]\nSchema=1\nInstance=val1\nGeneration=1\nRPCPort=8080\nAdminPort=8880\nAllow=192.0.2.1 one.example two.example three.example 198.51.100.0/24\n", 0o644)
		began := time.Now()
		ports, err := a.closedPorts(t.Context(), func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Hour):
				return []netip.Addr{netip.MustParseAddr("203.0.113.1")}, nil
			}
		})
		if err != nil || len(ports) != 2 || ports[0].Number != 8080 || ports[1].Number != 8880 || len(ports[1].Allow) != 0 {
			t.Fatalf("%+v, %v", ports, err)
		}
		want := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("198.51.100.0/24")}
		if !slices.Equal(ports[0].Allow, want) {
			t.Errorf("lets %v in, want %v", ports[0].Allow, want)
		}
		if took := time.Since(began); took > time.Duration(limit)*time.Second/2 {
			t.Errorf("took %s, and systemd kills it after %d s", took, limit)
		}
	})
}
