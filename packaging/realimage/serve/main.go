// Command serve is a registry made of OCI image layouts:
//
//	go run ./packaging/realimage/serve [-layout DIR]... -listen 127.0.0.1:5000
//
// Every layout is served as the repository aztecprotocol/aztec, read-only, over
// plain HTTP. It prints the address it listens on once it does, so that a
// listen address with port 0 is of use too. Built with CGO_ENABLED=0 it runs
// inside any test host.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/registry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var layouts []string
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Func("layout", "OCI image layout `directory`, may be given several times", func(dir string) error {
		layouts = append(layouts, dir)
		return nil
	})
	listen := flags.String("listen", "127.0.0.1:5000", "`address` to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if len(layouts) == 0 || flags.NArg() > 0 {
		return errors.New("want -layout DIR at least once and no other arguments")
	}
	handler, err := registry.Handler(layouts...)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", *listen, err)
	}
	fmt.Fprintln(stdout, l.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	// A pull in progress may take minutes; whoever stops the registry does not
	// want to wait for it.
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	}
	return nil
}
