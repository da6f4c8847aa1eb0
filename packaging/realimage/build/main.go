// Command build makes the real image and prints where everything is, as JSON:
//
//	go run ./packaging/realimage/build
//
// With -debian-packages it prints what apt-get has to install first instead;
// with -rebuilt it also makes the images that a rebuild upstream would give.
// Progress goes to stderr.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	packages := flag.Bool("debian-packages", false, "print the packages that a Debian host needs, and stop")
	rebuilt := flag.Bool("rebuilt", false, "make the rebuilt images too")
	flag.Parse()
	if *packages {
		fmt.Println(realimage.DebianPackages)
		return
	}
	if err := run(ctx, *rebuilt); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rebuilt bool) error {
	set, err := realimage.Build(ctx, os.Stderr)
	if err != nil {
		return err
	}
	if rebuilt {
		if err := set.BuildRebuilt(ctx, os.Stderr); err != nil {
			return err
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(set)
}
