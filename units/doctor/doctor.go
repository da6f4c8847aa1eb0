package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // a node runs, and something will be amiss
	Failed  Level = "failed"  // a node will not run, or not earn
)

// Finding is what one check saw.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Seen  string `json:"seen"`         // one sentence, printable, no secret of a URL in it
	Do    string `json:"do,omitempty"` // what to type; "": nothing
	// Holds says that to replace the node's version would be pointless as long
	// as it is so: the new one could not prove itself, nor the old one after it.
	Holds bool `json:"holds_update,omitempty"`
}

// Worst is the worst level of findings; OK if there are none.
func Worst(list []Finding) Level {
	worst := OK
	for _, f := range list {
		if f.Level == Failed || f.Level == Warning && worst == OK {
			worst = f.Level
		}
	}
	return worst
}

// Port is one that a node listens on.
type Port struct {
	Name    string // rpc, admin, p2p
	Network string // tcp, udp
	Number  int
}

// Signer is a remote signer, as Web3signer is one.
type Signer struct {
	URL       string
	Addresses []string // that it is to sign for
}

// Floor is what a role wants of a machine; zero is nothing. Upstream's figures
// are in its operator documents ("Prerequisites", versions 5 and 6).
type Floor struct {
	CPUs   int   // virtual ones
	Memory int64 // bytes
	Disk   int64 // bytes of the whole file system of the data
}

// Node is what is to run. The zero value needs nothing.
type Node struct {
	Name       string
	L1         []string // URLs of execution nodes
	Beacon     []string // URLs of beacon nodes, which serve blobs
	Trace      []string // URLs that are to answer debug_traceTransaction; none: L1
	Traces     bool     // the role traces transactions
	MustTrace  bool     // and does not start without
	ChainID    uint64   // of L1; 0: any
	Quiet      bool     // L1 is a development chain: its blocks may be old
	Publishers []string // addresses that pay on L1
	Signers    []Signer // which sign for it
	Listens    []Port
	Running    bool   // the ports are taken by itself
	Peers      *int   // it has; nil: not known
	Address    string // at which peers are to find it; "": not known
	Floor      Floor
	Data       string // directory, which need not exist yet
	Images     string // directory of the version store
	Reserve    int64  // bytes that are to stay free there
}

// Resolver finds addresses of names; *net.Resolver is one.
type Resolver interface {
	LookupHost(ctx context.Context, host string) (addrs []string, err error)
}

// Clock is the host's.
type Clock interface {
	Now() time.Time
	// Synchronized reports whether the kernel takes its clock for right.
	Synchronized() (bool, error)
	// Offset is how far the clock is ahead of another one's, and whose. An error
	// says that none could be asked.
	Offset(ctx context.Context) (ahead time.Duration, server string, err error)
}

// Disk is what holds directories.
type Disk interface {
	// Room is in bytes, of the file system that dir is on or would be on.
	Room(dir string) (free, total int64, err error)
	// Sync is the median time that a small write takes to be durable. An error
	// wraps fs.ErrNotExist if there is no such directory.
	Sync(dir string) (time.Duration, error)
}

// Host is where the node is to run.
type Host struct {
	Root     string   // below it are /proc, /sys and /etc
	Systemd  int      // version; 0: not known
	State    string   // of systemd: running, degraded, ...; "": not known
	Lost     []string // units that failed
	Client   *http.Client
	Resolver Resolver
	Clock    Clock
	Disk     Disk
	Free     func(network string, port int) error // nil if nobody listens there
	Table    func(ctx context.Context) error      // whether RPC and admin ports can be closed to other machines; nil: not asked
	Closed   func(ctx context.Context) error      // whether they are, now; nil: not asked
	Registry func(ctx context.Context) error      // asks for the image; nil: not asked
	Keystore func(ctx context.Context) (seen string, err error)
	AdminKey func(ctx context.Context) error // whether the key of the node's admin API can be read; nil: not asked
	Locals   func() ([]string, error)        // addresses of the host
	Reach    string                          // URL of a service that tells whether {port} of this host is open; "": not asked
}

// Scope is how much is examined.
type Scope int

// The scopes.
const (
	Everything Scope = iota
	Brief            // what can keep a node from running, within seconds
)

// budget bounds all checks together: they are run at once, and each question
// has a shorter one of its own.
const budget = 30 * time.Second

// check is one examination. Its findings have its name.
type check struct {
	name string
	run  func(e exam, ctx context.Context) []Finding
	slow bool // left out of Brief
}

// exam is what a check works on.
type exam struct {
	Host
	Node
}

var checks = []check{
	{name: "l1", run: exam.l1},
	{name: "trace", run: exam.trace, slow: true},
	{name: "beacon", run: exam.beacon},
	{name: "clock", run: exam.clock, slow: true},
	{name: "cpu", run: exam.cpu},
	{name: "memory", run: exam.memory},
	{name: "disk", run: exam.room},
	{name: "disk speed", run: exam.speed, slow: true},
	{name: "systemd", run: exam.systemd},
	{name: "kernel", run: exam.kernel},
	{name: "ports", run: exam.ports},
	{name: "firewall", run: exam.firewall},
	{name: "reach", run: exam.reach, slow: true},
	{name: "balance", run: exam.balance, slow: true},
	{name: "keystore", run: exam.keystore},
	{name: "signer", run: exam.signer},
	{name: "registry", run: exam.registry, slow: true},
	{name: "dns", run: exam.dns},
}

// Examine runs the checks of a scope at once and returns what they saw, in a
// fixed order. It takes some seconds where something does not answer.
func Examine(ctx context.Context, h Host, n Node, scope Scope) []Finding {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	e := exam{h, n}
	found := make([][]Finding, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		if c.slow && scope == Brief {
			continue
		}
		all.Go(func() { found[i] = c.run(e, ctx) })
	}
	all.Wait()
	list := []Finding{}
	for i, c := range checks {
		for _, f := range found[i] {
			f.Check = c.name
			list = append(list, f)
		}
	}
	return list
}

func one(f Finding) []Finding { return []Finding{f} }

func ok(format string, args ...any) Finding {
	return Finding{Level: OK, Seen: fmt.Sprintf(format, args...)}
}

func warn(do, format string, args ...any) Finding {
	return Finding{Level: Warning, Seen: fmt.Sprintf(format, args...), Do: do}
}

// advised is an error that knows what to do about it.
type advised interface {
	error
	Advice() string // "": nothing
}

// advice is what an error says to do, or else do.
func advice(err error, do string) string {
	if a, ok := errors.AsType[advised](err); ok && a.Advice() != "" {
		return a.Advice()
	}
	return do
}

func fail(do, format string, args ...any) Finding {
	return Finding{Level: Failed, Seen: fmt.Sprintf(format, args...), Do: do}
}

// sources judges what several of a kind answered, of which a node needs one:
// those that fail are warnings if another one does not. If all fail, or one is
// wrong in a way that no other makes good, an update is held.
func sources(list []Finding, hard []bool) []Finding {
	good := false
	for _, f := range list {
		good = good || f.Level != Failed
	}
	for i := range list {
		switch {
		case list[i].Level != Failed:
		case good && !hard[i]:
			list[i].Level = Warning
			list[i].Seen += "; another one answers"
		default:
			list[i].Holds = true
		}
	}
	return list
}
