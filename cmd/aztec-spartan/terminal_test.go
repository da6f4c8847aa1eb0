package main

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestTerminalIsAskedNothing: one that does not answer would cost seconds, at
// every verb.
func TestTerminalIsAskedNothing(t *testing.T) {
	master, slave := terminal(t)
	cmd := exec.Command("aztec-spartan", "version")
	cmd.Env = append(cmd.Environ(), "TERM=xterm-256color")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // who is in the background does not ask
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := master.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	if out := string(buf[:n]); !strings.Contains(out, "aztec-spartan") || strings.Contains(out, "\x1b") {
		t.Errorf("the terminal gets %q", out)
	}
}
