package main

import (
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
	s.drain()
	if _, err := f.WriteString("after\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "before\nthe tool\nafter\n" {
		t.Errorf("%q, %v", got, err)
	}
}
