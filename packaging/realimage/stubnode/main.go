// Command stubnode stands in for the Node.js of the small test image: called as
// the image's entrypoint calls node, it behaves like the Aztec node 4.1.2 as far
// as an installer, a unit and a health check can tell.
//
// What it says and does was measured on the real node and is held to it by the
// contract test of package stubimage (build tag real). What it leaves out, on
// purpose: it never talks to L1 (an unreachable one is not noticed), it has one
// peer wherever P2P is on, blocks advance by themselves once a second, an agent asks its broker for jobs
// and says nothing of one that is away, and it is up within half a second where
// the real one takes six.
//
// Faults come with the image: stub.json beside the packages in
// /usr/src/yarn-project says what this version does wrong. Nothing in the
// environment changes its behaviour beyond what the real node reads.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// nodeVersion is the Node.js that the image of 4.1.2 carries.
const nodeVersion = "v24.21.0"

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	os.Exit(run(os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr, signals))
}

// run is node: flags of its own, then the script, then the script's arguments.
// It returns the exit code.
func run(args []string, env func(string) (string, bool), stdout, stderr io.Writer, signals <-chan os.Signal) int {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args[0] == "--version" || args[0] == "-v" {
			fmt.Fprintln(stdout, nodeVersion)
			return 0
		}
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(stderr, "stubnode: want the path of the aztec script")
		return 1
	}
	image, err := openImage(args[0])
	if err != nil {
		fmt.Fprintf(stderr, "node:internal/modules/cjs/loader:1478\n  throw err;\n  ^\n\nError: Cannot find module '%s'\n    %v\n\nNode.js %s\n", args[0], err, nodeVersion)
		return 1
	}
	get := func(name string) string { v, _ := env(name); return v }
	log, err := newLogger(stderr, get("LOG_LEVEL"), get("LOG_JSON"))
	if err != nil {
		fmt.Fprintf(stderr, "file:///usr/src/yarn-project/foundation/dest/log/log-filters.js:48\n\nError: %v\n\nNode.js %s\n", err, nodeVersion)
		return 1
	}
	c := &cli{image: image, env: env, stdout: stdout, stderr: stderr, log: log, signals: signals}
	return c.run(args[1:])
}
