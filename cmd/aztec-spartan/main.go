// Command aztec-spartan runs Aztec nodes as systemd services.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	// What is written must not depend on the caller's umask.
	syscall.Umask(0o022)
	// On a small host memory is worth more than what the collector takes.
	debug.SetGCPercent(15)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	profiled := profile()
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	profiled()
	os.Exit(code)
}
