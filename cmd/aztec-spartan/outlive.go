package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// errHungUp says that nobody is there any more to be told.
var errHungUp = errors.New("the terminal has gone away")

// outlive keeps a terminal that goes away, and a pipe that nobody reads any more,
// from ending the program until mortal is called: in between a node is stopped
// that has to run again. gone tells whether it would have ended.
func outlive() (gone <-chan os.Signal, mortal func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGPIPE)
	return c, func() { signal.Stop(c) }
}

// ownGroup is of programs that outlive the terminal, too: the kernel tells all of
// the group in its foreground that it is gone.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
