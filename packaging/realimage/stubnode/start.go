package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// startup is how long the node takes before it opens its ports. The real one
// takes six seconds; some time must pass here too, since a signal in this phase
// ends it with exit code 0 rather than 143.
const startup = 300 * time.Millisecond

// blockTime is how often a block and its checkpoint appear.
const blockTime = time.Second

// start runs a role until a signal and returns the exit code.
func (c *cli) start(opts options) (int, error) {
	began := time.Now()
	chain, err := c.chain(opts)
	if err != nil {
		return 0, err
	}
	vote, err := c.payload()
	if err != nil {
		return 0, err
	}
	if id := c.image.faults.ReportChainID; id != 0 {
		chain.id = id
	}
	chain.rollupAddress = c.image.faults.Rollup
	role, err := c.role(opts, &chain)
	if err != nil {
		return 0, err
	}
	c.log.log("info", "telemetry:client", "Using NoopTelemetryClient")
	if role.sequencer {
		if err := c.keystore(); err != nil {
			return 0, err
		}
	}
	var data *store
	if dir := c.setting(opts, "data-directory", "DATA_DIRECTORY"); dir != "" && role.node {
		if data, err = openStore(dir, chain.rollup(), c.image.faults, c.log); err != nil {
			return 0, err
		}
	} else {
		data = &store{}
	}
	if c.image.faults.FillsDisk {
		return 0, data.fill()
	}
	if role.agent {
		if err := c.reference(); err != nil {
			return 0, err
		}
	}
	if code, done := c.wait(began); done {
		return code, nil
	}
	n := &node{image: c.image, bare: !role.node, p2p: role.p2p, chain: chain, data: data, began: time.Now(), payload: vote}
	n.l1 = openL1(data, c.setting(opts, "l1-rpc-urls", "ETHEREUM_HOSTS"))
	n.l1.look()
	n.synced = n.blocks()
	servers, err := c.listen(opts, role, n)
	defer func() {
		for _, s := range servers {
			s.Close()
		}
	}()
	if err != nil {
		fmt.Fprintf(c.stderr, "node:events:505\n    throw er; // Unhandled 'error' event\n    ^\n\nError: %v\n\nNode.js %s\n", err, nodeVersion)
		return 1, nil
	}
	if role.agent {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			askForJobs(ctx, c.setting(opts, "proverAgent.proverBrokerUrl", "PROVER_BROKER_HOST"))
		}()
		defer func() { cancel(); <-done }()
	}
	return c.serve(role, n), nil
}

// wait is the time before the ports open. It tells whether the node ended in it.
func (c *cli) wait(began time.Time) (code int, done bool) {
	ready := time.After(time.Until(began.Add(startup)))
	var crash <-chan time.Time
	if d := c.image.faults.exitAfter(); d > 0 {
		ready, crash = nil, time.After(d)
	}
	if c.image.faults.Silent {
		ready = nil
	}
	select {
	case <-c.signals:
		return 0, true
	case <-crash:
		c.log.log("fatal", "cli", "this version cannot start")
		return c.image.faults.code(), true
	case <-ready:
		return 0, false
	}
}

// serve lets blocks pass until a signal comes.
func (c *cli) serve(r role, n *node) int {
	tick := time.NewTicker(blockTime)
	defer tick.Stop()
	crash := c.image.faults.crash()
	for last := n.synced; ; {
		select {
		case <-crash:
			c.log.log("fatal", "node", "this version cannot last")
			return c.image.faults.code()
		case s := <-c.signals:
			if s == syscall.SIGTERM && c.image.faults.Deaf {
				continue
			}
			code := exitCode(s)
			c.log.log("info", "cli", "Shutting down...", field{"exitCode", code})
			if err := n.data.save(n.blocks()); err != nil {
				c.log.log("error", "node", err.Error())
			}
			c.log.log("info", "node", "Stopped Aztec Node")
			return code
		case <-tick.C:
			n.l1.look()
		}
		now := n.blocks()
		if !r.node || now == last {
			continue
		}
		last = now
		if err := n.data.save(now); err != nil {
			c.log.log("error", "archiver", err.Error())
		}
		if r.sequencer {
			c.log.log("info", "sequencer:publisher", fmt.Sprintf("Published checkpoint %d at slot %d to rollup contract", now-1, now), field{"blockCount", 1}, field{"slotNumber", now}, field{"checkpointNumber", now - 1})
		}
	}
}

// listen opens the ports of a role: all interfaces, RPC first, admin second.
func (c *cli) listen(opts options, r role, n *node) ([]io.Closer, error) {
	var servers []io.Closer
	open := func(port int, h http.Handler) error {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			if errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("listen EADDRINUSE: address already in use :::%d", port)
			}
			return fmt.Errorf("listen: %w", err)
		}
		s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, s)
		go s.Serve(l) //nolint:errcheck // ends with Close
		return nil
	}
	if r.node {
		c.log.log("info", "node", "Aztec Node version: "+c.image.version)
		c.log.log("info", "node", fmt.Sprintf("Aztec Node started on chain 0x%x", n.chain.id), field{"rollupAddress", n.chain.rollup()})
	}
	if r.p2p {
		udp, err := net.ListenPacket("udp", ":"+strconv.Itoa(r.p2pPort))
		if err != nil {
			return servers, fmt.Errorf("listen udp: %w", err)
		}
		servers = append(servers, udp)
		if err := open(r.p2pPort, http.NotFoundHandler()); err != nil {
			return servers, err
		}
	}
	port := c.port(opts, "port", "AZTEC_PORT", 8080)
	if err := open(port, c.image.faults.handler(n.handler(r.methods(n), nil), n.data)); err != nil {
		return servers, err
	}
	c.log.log("info", "cli", fmt.Sprintf("Aztec Server listening on port %d", port), field{"l1ChainId", n.chain.id})
	if !r.node {
		return servers, nil
	}
	key, err := c.adminKey(opts, n.data)
	if err != nil {
		return servers, err
	}
	admin := c.port(opts, "admin-port", "AZTEC_ADMIN_PORT", 8880)
	if err := open(admin, n.handler(n.adminMethods(), key)); err != nil {
		return servers, err
	}
	c.log.log("info", "cli", fmt.Sprintf("Aztec Server admin API listening on port %d", admin), field{"l1ChainId", n.chain.id})
	return servers, nil
}
