// Command changelog turns CHANGELOG.md into the changelogs that packages carry:
//
//	changelog -version 0.2.0 -format debian CHANGELOG.md >changelog.Debian
//	changelog -version 0.2.0 -format rpm CHANGELOG.md >changelog.yaml
//
// What is under Unreleased belongs to the version that is built, at the time
// of SOURCE_DATE_EPOCH. With -release there must be a section of the version,
// and nothing under Unreleased.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "changelog:", err)
		os.Exit(1)
	}
}

// builder is who signs entries: the maintainer of nfpm.yaml.
const builder = "The aztec-spartan authors <maintainers@aztec-spartan.invalid>"

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("changelog", flag.ContinueOnError)
	version := flags.String("version", "", "the `version` that is built")
	format := flags.String("format", "debian", "debian or rpm (the form that nfpm reads)")
	release := flags.Bool("release", false, "refuse a version that has no section of its own")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *version == "" || flags.NArg() != 1 {
		return fmt.Errorf("want -version VERSION CHANGELOG.md")
	}
	text, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return err
	}
	entries, err := parse(string(text))
	if err != nil {
		return fmt.Errorf("reading %s: %w", flags.Arg(0), err)
	}
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("reading SOURCE_DATE_EPOCH: %w", err)
	}
	if *release {
		if err := released(entries, *version); err != nil {
			return fmt.Errorf("%s: %w", flags.Arg(0), err)
		}
	}
	entries = built(entries, *version, time.Unix(epoch, 0).UTC())
	switch *format {
	case "debian":
		return writeDebian(out, entries)
	case "rpm":
		return writeRPM(out, entries)
	}
	return fmt.Errorf("format %q: want debian or rpm", *format)
}
