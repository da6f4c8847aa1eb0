// Command shell boots a disposable Debian host and opens a root shell in it, or
// runs a command there, for people who want to try something by hand:
//
//	go run ./packaging/testhost/shell -suite trixie -bind ./dist:/dist
//	go run ./packaging/testhost/shell -- systemctl --failed
//
// The host is gone when the shell ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code, err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "shell:", err)
		code = 1
	}
	os.Exit(code)
}

func run(ctx context.Context, args []string) (_ int, err error) {
	var o testhost.Options
	flags := flag.NewFlagSet("shell", flag.ContinueOnError)
	flags.StringVar(&o.Suite, "suite", "bookworm", "`release`: bullseye, bookworm or trixie of Debian, jammy or noble of Ubuntu")
	flags.StringVar(&o.Name, "name", "", "host `name`")
	console := flags.Bool("console", false, "show the boot messages")
	flags.Func("bind", "make the `HOST:GUEST[:ro]` path visible (repeatable)", func(v string) error {
		part := strings.Split(v, ":")
		if len(part) < 2 || len(part) > 3 || (len(part) == 3 && part[2] != "ro") {
			return fmt.Errorf("want HOST:GUEST or HOST:GUEST:ro")
		}
		o.Binds = append(o.Binds, testhost.Bind{Host: part[0], Guest: part[1], ReadOnly: len(part) == 3})
		return nil
	})
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0, nil
	} else if err != nil {
		return 2, nil
	}
	argv := flags.Args()
	if len(argv) == 0 {
		argv = []string{"bash", "-l"}
	}
	if *console {
		o.Log = os.Stderr
	}
	h, err := testhost.Boot(ctx, o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()

	// The user's terminal itself: its size, its keys and its signals need no
	// translation then.
	cmd := h.Command(ctx, argv...)
	cmd.Env = append(cmd.Env, "TERM="+os.Getenv("TERM"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	return 0, err
}
