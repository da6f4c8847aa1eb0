package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A script whose output is a file has it in the order in which it was written,
// whoever wrote it.
func TestToolWritesWhereTheFileIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("before\n"); err != nil {
		t.Fatal(err)
	}
	a := newApp(f)
	a.in = os.Stdin
	s, err := a.streams()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if s.paths[1] != s.paths[2] {
		t.Errorf("output and errors are one file, and have two pipes: %v", s.paths)
	}
	// As systemd does it for StandardOutput=append:.
	tool, err := os.OpenFile(s.paths[1], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tool.WriteString("the tool\n"); err != nil {
		t.Fatal(err)
	}
	tool.Close()
	if err := s.drain(); err != nil {
		t.Error(err)
	}
	if _, err := f.WriteString("after\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "before\nthe tool\nafter\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// A key that a tool printed may be nowhere else: that it was not written is an
// error, and the tool does not wait for somebody who reads.
func TestToolWritesWhereNothingCanBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path) // as good as a full disk: writing fails
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a := newApp(f)
	a.in = os.Stdin
	s, err := a.streams()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	tool, err := os.OpenFile(s.paths[1], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tool.Write(make([]byte, 1<<20)); err != nil { // more than a pipe holds
		t.Error(err)
	}
	tool.Close()
	if err := s.drain(); err == nil {
		t.Error("what the tool wrote is lost, and nobody was told")
	}
}

// What a tool does not read of a file is for who called run: the loop of a shell
// goes on with its next line.
func TestToolLeavesItsInput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(path, []byte("val1\nval2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a := newApp(io.Discard)
	a.in = f
	s, err := a.streams()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if is, err := os.Readlink(s.paths[0]); err != nil || is != path {
		t.Errorf("the input is %q, %v", is, err)
	}
}
