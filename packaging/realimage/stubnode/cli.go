package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// cli is one call of the aztec command.
type cli struct {
	image          *image
	env            func(string) (string, bool)
	stdout, stderr io.Writer
	log            *logger
	signals        <-chan os.Signal
}

// fatal is an error that the real node lets escape from main: it is logged, then
// printed by Node.js itself, and the exit code is 1.
type fatal string

func (f fatal) Error() string { return string(f) }

// said is an error that the real node prints to stdout before it exits 1.
type said string

func (s said) Error() string { return string(s) }

// run returns the exit code.
func (c *cli) run(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(c.stderr, "Usage: aztec [options] [command]\n\nAztec command line interface\n")
		return 1
	}
	switch args[0] {
	case "--version", "-V":
		fmt.Fprintln(c.stdout, c.image.version)
		return 0
	case "--help", "-h", "help":
		fmt.Fprint(c.stdout, "Usage: aztec [options] [command]\n\nAztec command line interface\n")
		return 0
	case "start":
	case "preload-crs":
		if err := c.reference(); err != nil {
			fmt.Fprintln(c.stderr, err)
			return 1
		}
		return 0
	case "stub-tool":
		return c.tool(os.Stdin)
	default:
		kind := "command"
		if strings.HasPrefix(args[0], "-") {
			kind = "option"
		}
		fmt.Fprintf(c.stderr, "error: unknown %s '%s'\n", kind, args[0])
		return 1
	}
	opts, err := parseStart(args[1:])
	if err != nil {
		fmt.Fprintf(c.stderr, "error: %v\n", err)
		return 1
	}
	if opts.has("help") {
		fmt.Fprintf(c.stdout, "%s", indent(flagList))
		return 0
	}
	code, err := c.start(opts)
	switch err := err.(type) {
	case nil:
		return code
	case said:
		fmt.Fprintln(c.stdout, err)
	default:
		c.log.log("error", "cli", "Error in command execution")
		c.log.log("error", "cli", fmt.Sprintf("Error: %v\nError: %v\n    at main (file:///usr/src/yarn-project/aztec/dest/bin/index.js:53:5)", err, err))
		fmt.Fprintf(c.stderr, "node:internal/process/promises:394\n    triggerUncaughtException(err, true /* fromPromise */);\n    ^\n\nError: %v\n\nNode.js %s\n", err, nodeVersion)
	}
	return 1
}

func indent(lines string) string {
	return "\n    " + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n\n    ") + "\n\n"
}

// setting is a flag if given, else a variable, else "".
func (c *cli) setting(opts options, flag, variable string) string {
	if opts.has(flag) {
		return opts[flag]
	}
	v, _ := c.env(variable)
	return v
}

// port reads a port number; the real node turns what is no number into its default.
func (c *cli) port(opts options, flag, variable string, otherwise int) int {
	if n, err := strconv.Atoi(c.setting(opts, flag, variable)); err == nil && n >= 0 && n < 1<<16 {
		return n
	}
	return otherwise
}

// exitCode is 128 plus the signal, as installSignalHandlers of 4.1.2 has it.
func exitCode(s os.Signal) int {
	if s, ok := s.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return 1
}
