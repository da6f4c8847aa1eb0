package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func (e exam) ports(context.Context) []Finding {
	if e.Running || e.Free == nil {
		return nil
	}
	var list []Finding
	for _, p := range e.Listens {
		if err := e.Free(p.Network, p.Number); err != nil {
			list = append(list, fail(fmt.Sprintf("ss -lnp 'sport = :%d' shows who has it", p.Number), "%s port %d/%s: %v", p.Name, p.Number, p.Network, err))
		}
	}
	if len(list) == 0 && len(e.Listens) > 0 {
		list = append(list, ok("all %d are free", len(e.Listens)))
	}
	return list
}

// peerPort is that of P2P; 0: none.
func (e exam) peerPort() int {
	for _, p := range e.Listens {
		if p.Name == "p2p" {
			return p.Number
		}
	}
	return 0
}

// front is a firewall that hosts have, and how it is told to let peers in.
type front struct {
	name  string
	there func(e exam) bool
	opens func(e exam, port string) bool
	do    string // with %[1]s for the port
}

var fronts = []front{
	{
		"ufw",
		func(e exam) bool { return e.has("/etc/ufw/ufw.conf", "ENABLED=yes") },
		func(e exam, port string) bool {
			return e.has("/etc/ufw/user.rules", "-p tcp --dport "+port+" ") && e.has("/etc/ufw/user.rules", "-p udp --dport "+port+" ")
		},
		"ufw allow %[1]s",
	},
	{
		"firewalld",
		func(e exam) bool { return e.there("/etc/systemd/system/multi-user.target.wants/firewalld.service") },
		func(e exam, port string) bool {
			zones, _ := filepath.Glob(filepath.Join(e.Root, "/etc/firewalld/zones/*.xml"))
			return slices.ContainsFunc(zones, func(zone string) bool {
				data, err := os.ReadFile(zone)
				return err == nil && strings.Count(string(data), `port="`+port+`"`) > 1
			})
		},
		"firewall-cmd --permanent --add-port=%[1]s/tcp --add-port=%[1]s/udp && firewall-cmd --reload",
	},
	{
		"nftables",
		func(e exam) bool {
			return e.there("/etc/systemd/system/sysinit.target.wants/nftables.service") && e.has("/etc/nftables.conf", "policy drop")
		},
		func(e exam, port string) bool { return e.has("/etc/nftables.conf", port) },
		"nft add rule inet filter input meta l4proto '{tcp, udp}' th dport %[1]s accept, and the same in /etc/nftables.conf",
	},
}

func (e exam) there(path string) bool {
	_, err := os.Lstat(filepath.Join(e.Root, path))
	return err == nil
}

func (e exam) has(path, text string) bool {
	data, err := e.read(path)
	return err == nil && strings.Contains(string(data), text)
}

// firewall looks whether the table can be made that closes the ports of nodes,
// without which they do not start, and is there where one runs, and whether what
// the host's firewall was told lets peers in. The latter reads files only: rules
// made otherwise are not seen.
func (e exam) firewall(ctx context.Context) []Finding {
	return append(e.table(ctx), e.fronts()...)
}

func (e exam) table(ctx context.Context) []Finding {
	if e.Table == nil {
		return nil
	}
	if err := e.Table(ctx); err != nil {
		return one(fail("apt install nftables, or dnf install nftables", "RPC and admin ports cannot be closed to other machines: %s", clip(err.Error())))
	}
	if e.Closed == nil || !e.Running {
		return one(ok("RPC and admin ports can be closed to other machines"))
	}
	if err := e.Closed(ctx); err != nil {
		return one(fail("systemctl start aztec-firewall.service", "RPC and admin ports are open to other machines: %s", clip(err.Error())))
	}
	return one(ok("RPC and admin ports are closed to other machines"))
}

func (e exam) fronts() []Finding {
	port := e.peerPort()
	if port == 0 {
		return nil
	}
	for _, f := range fronts {
		if !f.there(e) {
			continue
		}
		if !f.opens(e, strconv.Itoa(port)) {
			return one(warn(fmt.Sprintf(f.do, strconv.Itoa(port)), "%s is on, and has no rule for P2P port %d, TCP and UDP", f.name, port))
		}
		return one(ok("%s lets peers in at port %d", f.name, port))
	}
	return one(ok("neither ufw nor firewalld nor nftables.conf closes P2P port %d", port))
}

// reach is about whether peers get here. A node that has peers tells; else only
// somebody outside can.
func (e exam) reach(ctx context.Context) []Finding {
	port := e.peerPort()
	if port == 0 {
		return nil
	}
	var list []Finding
	if ip, err := netip.ParseAddr(e.Address); err == nil && e.Locals != nil {
		if locals, err := e.Locals(); err == nil && !slices.Contains(locals, ip.String()) {
			list = append(list, ok("peers are told %s, which is not an address of this host: your router must pass port %d on, TCP and UDP", ip, port))
		}
	}
	switch {
	case e.Reach != "":
		list = append(list, e.askReach(ctx, port))
	case e.Peers != nil && *e.Peers > 0:
		list = append(list, ok("the node has %d peers", *e.Peers))
	case e.Peers != nil:
		list = append(list, warn("open P2P port "+strconv.Itoa(port)+", TCP and UDP, in the firewall and the router", "the node runs and has no peer"))
	default:
		list = append(list, ok("whether peers reach P2P port %d was not asked: reach_service in config.toml names who can tell", port))
	}
	return list
}

// askReach asks a service that tries the port of who asks, and answers with
// "reachable" in JSON, as ifconfig.co/port/N does.
func (e exam) askReach(ctx context.Context, port int) Finding {
	target := strings.ReplaceAll(e.Reach, "{port}", strconv.Itoa(port))
	data, err := e.fetch(ctx, target)
	var answer struct {
		Reachable *bool `json:"reachable"`
	}
	switch {
	case err != nil:
		return warn("", "%s could not tell whether P2P port %d is open: %v", where(target), port, err)
	case json.Unmarshal(data, &answer) != nil || answer.Reachable == nil:
		return warn("", "%s did not say whether P2P port %d is open", where(target), port)
	case !*answer.Reachable && !e.Running:
		return ok("%s does not reach P2P port %d, where nothing listens now: ask again when the node runs", where(target), port)
	case !*answer.Reachable:
		return warn("open P2P port "+strconv.Itoa(port)+", TCP and UDP, in the firewall and the router", "%s does not reach P2P port %d by TCP", where(target), port)
	}
	return ok("%s reaches P2P port %d by TCP", where(target), port)
}

func (e exam) registry(ctx context.Context) []Finding {
	if e.Registry == nil {
		return nil
	}
	if err := e.Registry(ctx); err != nil {
		return one(warn("aztec-spartan versions; mirrors are set in config.toml", "new versions cannot be had: %s", clip(err.Error())))
	}
	return one(ok("the registry answers"))
}

func (e exam) keystore(ctx context.Context) []Finding {
	if e.Keystore == nil {
		return nil
	}
	seen, err := e.Keystore(ctx)
	if err != nil {
		return one(fail(advice(err, "aztec-spartan keys "+e.Name+" add --keystore FILE --replace"), "%s", clip(err.Error())))
	}
	if e.AdminKey != nil {
		if err := e.AdminKey(ctx); err != nil {
			return one(warn(advice(err, "aztec-spartan config "+e.Name), "%s; no vote can be told to the running node: %s", seen, clip(err.Error())))
		}
	}
	return one(ok("%s", seen))
}

// dns looks up all hosts that the node will.
func (e exam) dns(ctx context.Context) []Finding {
	seen, asked := map[string]bool{}, false
	var list []Finding
	for _, raw := range slices.Concat(e.L1, e.Beacon, e.Trace, e.signers()) {
		u, err := url.Parse(raw)
		if err != nil || u.Hostname() == "" || seen[u.Hostname()] {
			continue
		}
		name := u.Hostname()
		seen[name] = true
		if _, err := netip.ParseAddr(name); err == nil || name == "localhost" {
			continue
		}
		asked = true
		if _, err := e.Resolver.LookupHost(ctx, name); err != nil {
			list = append(list, fail("resolvectl query "+name+"; cat /etc/resolv.conf", "%s cannot be looked up: %s", clip(name), clip(err.Error())))
		}
	}
	if len(list) == 0 && asked {
		list = append(list, ok("all names are found"))
	}
	return list
}
