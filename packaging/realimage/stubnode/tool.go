package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// tool is no command of the real node, which has none that reads its input. It
// stands for the image's tools where it matters what they are given: it says
// what it has of a node's, and copies its input.
func (c *cli) tool(in *os.File) int {
	has := func(yes bool) string { return map[bool]string{true: "yes", false: "no"}[yes] }
	keystore, _ := c.env("KEY_STORE_DIRECTORY")
	_, err := os.ReadFile(keystore)
	data, _ := c.env("DATA_DIRECTORY")
	dir, derr := os.MkdirTemp(data, "tool-")
	if data != "" && derr == nil {
		derr = os.Remove(dir)
	}
	fmt.Fprintf(c.stderr, "keystore: %s\ndata: %s\nterminal: %s\n", has(err == nil), has(data != "" && derr == nil), has(term.IsTerminal(int(in.Fd()))))
	if _, err := io.Copy(c.stdout, in); err != nil {
		fmt.Fprintln(c.stderr, err)
		return 1
	}
	return 0
}
