// Command demo shows the main job of aztec-spartan on a throwaway host, from
// nothing: the package is installed on a booted Debian, the real Aztec image
// is served by a registry beside a local L1, and a sequencer goes from
// `config` to publishing, through an update and back. What it prints is what
// an operator would type and see.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

func main() {
	deb := flag.String("deb", "", "the `package` to install")
	suite := flag.String("suite", "bookworm", "Debian `release` of the host")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := play(ctx, os.Stdout, *suite, *deb)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is one performance.
type demo struct {
	*stage.Stage
	ctx   context.Context //nolint:containedctx // lives as long as main
	out   io.Writer
	began time.Time
	facts []string // for the end
}

func play(ctx context.Context, out io.Writer, suite, deb string) (err error) {
	d := &demo{ctx: ctx, out: out, began: time.Now()}
	d.scene("The real Aztec node as an image, and its L1: built from packages, or from the cache")
	set, err := realimage.Build(ctx, out)
	if err != nil {
		return err
	}
	d.scene("A fresh Debian (%s), booted; the package installed by apt; a registry and an L1 beside it", suite)
	d.Stage, err = stage.Set(ctx, stage.Options{Suite: suite, Deb: deb, Settle: "5s", Layouts: []string{set.Layout}, L1: set})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for _, scene := range []func(*realimage.Set) error{d.install, d.config, d.start, d.publish, d.judge, d.unattended, d.rollback, d.update, d.stop} {
		if err := scene(set); err != nil {
			return err
		}
	}
	d.scene("The end")
	for _, f := range d.facts {
		fmt.Fprintf(out, "  %s\n", f)
	}
	return nil
}

func (d *demo) scene(format string, args ...any) {
	fmt.Fprintf(d.out, "\n[%4.0f s] == %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

func (d *demo) fact(format string, args ...any) {
	d.facts = append(d.facts, fmt.Sprintf(format, args...))
}

// run shows a command as typed, runs it on the host and shows its output.
func (d *demo) run(command string) (string, error) {
	fmt.Fprintf(d.out, "# %s\n", command)
	began := time.Now()
	// Both streams in one, as on a terminal.
	r, err := d.Sh(d.ctx, "exec 2>&1\n"+command)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(r.Stdout) {
		fmt.Fprintf(d.out, "  %s", line)
	}
	if r.Code != 0 {
		return "", fmt.Errorf("%s: exit code %d", command, r.Code)
	}
	fmt.Fprintf(d.out, "  (%.1f s)\n", time.Since(began).Seconds())
	return strings.TrimSpace(r.Stdout), nil
}
