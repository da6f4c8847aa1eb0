package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line and the environment say.
type options struct {
	binary, out string
	rounds      int
	all         bool
	tools       []string // keys; empty: all
	dirs        []string
	install     bool
}

func parse(args []string, getenv func(string) string) (options, error) {
	o := options{all: getenv("BENCH_ALL") == "yes", install: getenv("BENCH_INSTALL") == "yes"}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.binary, "binary", "", "the `file` to measure")
	flags.StringVar(&o.out, "out", "dist/bench", "the `directory` for the results")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.binary == "" || flags.NArg() > 0 {
		return o, errors.New("want -binary FILE and no other arguments")
	}
	rounds, err := strconv.Atoi(or(getenv("BENCH_ROUNDS"), "5"))
	if err != nil || rounds < 1 {
		return o, fmt.Errorf("reading BENCH_ROUNDS: want a positive number, not %q", getenv("BENCH_ROUNDS"))
	}
	o.rounds = rounds
	o.tools = list(getenv("BENCH_TOOLS"))
	o.dirs = list(or(getenv("BENCH_DIRS"), "/var/tmp,/dev/shm"))
	if len(o.dirs) == 0 {
		return o, errors.New("reading BENCH_DIRS: it names no directory")
	}
	return o, nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

func run(ctx context.Context) (err error) {
	o, err := parse(os.Args[1:], os.Getenv)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("measuring needs root: files of an image belong to root")
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	// What is built for this run lies beside no store: tools that are measured
	// on one file system must not be loaded from it while it is full.
	bin, err := os.MkdirTemp("", "aztec-spartan-bench-bin.")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bin)) }()
	if err := os.Setenv("PATH", bin+":"+os.Getenv("PATH")); err != nil {
		return err
	}
	tools, err := chosen(allTools(o.binary), o.tools)
	if err != nil {
		return err
	}
	if tools, err = installed(ctx, tools, bin, o.install); err != nil {
		return err
	}
	made := &loops{}
	defer func() { err = errors.Join(err, made.remove()) }()
	if o.dirs, err = made.replace(ctx, o.dirs); err != nil {
		return err
	}
	reg, err := startRegistry(ctx, bin)
	if err != nil {
		return err
	}
	defer reg.stop()
	b, err := newBench(ctx, o, tools, reg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.clean()) }()
	if err := b.rounds(ctx); err != nil {
		return err
	}
	return b.profiles(ctx, bin)
}
