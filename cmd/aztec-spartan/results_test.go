package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

// unwritable is an output that takes nothing.
type unwritable struct{ why error }

func (u unwritable) Write([]byte) (int, error) { return 0, u.why }

// Who could not be answered is told by the exit code, unless he reads no more.
func TestResultsThatAreLost(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	for words, codes := range map[string][]int{
		"--help": {exitFailed, 0}, "help status": {exitFailed, 0}, "version": {exitFailed, 0}, "status": {exitFailed, 0},
		"status val1": {exitFailed, 0}, "disk": {exitFailed}, "keys val1 list": {exitFailed},
		"status val1 --json": {exitFailed}, "versions --offline --json": {exitFailed}, "status nobody": {exitUsage, exitUsage},
	} {
		for i, want := range codes {
			why := []error{syscall.ENOSPC, syscall.EPIPE}[i]
			var said bytes.Buffer
			code := run(t.Context(), append(strings.Fields(words), "--root", h.root), strings.NewReader(""), unwritable{why}, &said)
			if code != want {
				t.Errorf("%s, %v: exit code %d: %s", words, why, code, said.String())
			}
			if n := strings.Count(said.String(), why.Error()); (n == 1) != (want == exitFailed) {
				t.Errorf("%s, %v: it is said %d times: %s", words, why, n, said.String())
			}
		}
	}
}

// A tool of the image is handed the stream itself, whoever else writes to it.
func TestFileOfResults(t *testing.T) {
	if f, ok := fileOf(&results{Writer: os.Stdout}); !ok || f != os.Stdout {
		t.Error("standard output is no file")
	}
	if _, ok := fileOf(&results{Writer: io.Discard}); ok {
		t.Error("a file is made of nothing")
	}
}
