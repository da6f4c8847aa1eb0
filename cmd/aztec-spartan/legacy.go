package main

import "strings"

// longForm rewrites the two-letter flags of aztec-spartan.sh, which pflag
// would read as a row of one-letter flags.
func longForm(args []string) []string {
	legacy := map[string]string{"-ip": "--ip", "-p2p": "--p2p-port", "-pk": "--p2p-id-private-key"}
	out := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		name, value, has := strings.Cut(arg, "=")
		if long, ok := legacy[name]; ok {
			arg = long
			if has {
				arg += "=" + value
			}
		}
		out = append(out, arg)
	}
	return out
}
