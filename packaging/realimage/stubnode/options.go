package main

import (
	_ "embed"
	"fmt"
	"strings"
)

// flagList is what `start --help` of 4.1.2 lists, one flag a line in the order
// and the notation of the library that parses them there (commander).
//
//go:embed flags.txt
var flagList string

// options are the flags of a start command line that were given.
type options map[string]string

func (o options) has(name string) bool { _, ok := o[name]; return ok }

// parseStart reads a command line as the real one does: an unknown option is an
// error, further words are ignored, "--x=v" and "--x v" are the same.
func parseStart(args []string) (options, error) {
	known := map[string]string{"help": ""}
	for line := range strings.Lines(flagList) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		known[strings.TrimPrefix(name, "--")] = value
	}
	given := options{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			break
		}
		if arg == "-h" {
			arg = "--help"
		}
		if !strings.HasPrefix(arg, "-") {
			continue
		}
		name, value, inline := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		takes, ok := known[name]
		if !ok || !strings.HasPrefix(arg, "--") || takes == "" && inline {
			return nil, fmt.Errorf("unknown option '%s'", strings.SplitN(arg, "=", 2)[0])
		}
		next := i+1 < len(args)
		switch {
		case takes == "" || inline:
		case strings.HasPrefix(takes, "<") && !next:
			return nil, fmt.Errorf("option '--%s %s' argument missing", name, takes)
		case strings.HasPrefix(takes, "<") || next && !strings.HasPrefix(args[i+1], "-"):
			i++
			value = args[i]
		}
		given[name] = value
	}
	return given, nil
}
