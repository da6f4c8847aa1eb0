package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/units/lock"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]size{
		"0": 0, "1": 1, "7B": 7, "512MiB": 512 << 20, "2GiB": 2 << 30, "2 GiB": 2 << 30, "1TiB": 1 << 40, "9223372036854775807": 1<<63 - 1,
	} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "1GB", "1.5GiB", "1e3", "8388608TiB", "9223372036854775808", "1gib"} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}

func TestCheckMirror(t *testing.T) {
	for _, ok := range []string{"mirror.example", "mirror.example:5000", "http://127.0.0.1:5000", "https://m.example/hub/proxy/", "[::1]:5000/a_b"} {
		if err := checkMirror(ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{"", "ftp://m.example", "user@m.example", "m.example/A", "m.example/../x", "m.example?x", "m example", "m.example:port"} {
		if err := checkMirror(bad); err == nil {
			t.Errorf("%q is taken for a mirror", bad)
		}
	}
}

// No text from an image drives a terminal or hides what follows it.
func TestQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"usr/bin/node":       "usr/bin/node",
		"":                   `""`,
		"with space":         `"with space"`,
		"\x1b]0;evil\a":      `"\x1b]0;evil\a"`,
		"\u009b2J":           `"\u009b2J"`,
		"\u202egnp.exe":      `"\u202egnp.exe"`,
		"a\nb":               `"a\nb"`,
		"\xff\xfe":           `"\xff\xfe"`,
		`back\slash "quote"`: `"back\\slash \"quote\""`,
	} {
		if got := quoted(text); got != want {
			t.Errorf("quoted(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestPrintJSONIsASCII(t *testing.T) {
	var out strings.Builder
	want := "\x1b\u007f\u009b\u202e\u65e5 \U0001f4a9 <&>"
	if err := newApp(&out).printJSON([]string{want}); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(out.String(), func(r rune) bool { return r > '~' || r < ' ' && r != '\n' }); i >= 0 {
		t.Errorf("%q at %d", out.String(), i)
	}
	var got []string
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || !slices.Equal(got, []string{want}) {
		t.Errorf("read back as %q, %v", got, err)
	}
}

func TestTagOf(t *testing.T) {
	for ref, want := range map[string]string{
		"docker.io/aztecprotocol/aztec:4.1.2":    "4.1.2",
		"127.0.0.1:5000/a/b:1@sha256:" + someKey: "1",
		"127.0.0.1:5000/a/b":                     "",
	} {
		if got := tagOf(ref); got != want {
			t.Errorf("tagOf(%q) = %q, want %q", ref, got, want)
		}
	}
}

// What users type for an image, and what would be too little.
func TestImageOf(t *testing.T) {
	a := newApp(&strings.Builder{})
	a.root = t.TempDir()
	old := &extract.Image{
		ID: "sha256-" + someKey, Digest: "sha256:" + someKey, Version: "4.1.2",
		Reference: "index.docker.io/aztecprotocol/aztec:4.1.2", IndexDigest: "sha256:" + strings.Repeat("1", 64),
	}
	other := strings.Replace(someKey, "59c6995e", "59c6aaaa", 1)
	moved := &extract.Image{ID: "sha256-" + other, Digest: "sha256:" + other, Version: "4.1.2", Reference: "r.example/a:nightly"}
	all := []*extract.Image{old, moved}
	for word, want := range map[string]*extract.Image{
		old.ID: old, old.Digest: old, old.IndexDigest: old, old.Reference: old, "nightly": moved,
		"59c699": old, "sha256-59c6aa": moved, "sha256:59c6aaaa": moved,
	} {
		if got, err := a.imageOf(all, word); err != nil || got != want {
			t.Errorf("%s: got %v, %v", word, got, err)
		}
	}
	for word, want := range map[string]string{
		"4.1.2": "more than one", "v4.1.2": "more than one", "59c6": "more than one", "59c": "no image",
		"": "no image", "sha256-": "no image", "4.1": "no image", "\x1b[2J": `no image here is "\x1b[2J"`,
	} {
		if got, err := a.imageOf(all, word); err == nil || !strings.Contains(err.Error(), want) || codeOf(err) != exitUsage {
			t.Errorf("%q: got %v, %v", word, got, err)
		}
	}
}

// A run that makes an instance is waited for, although nothing but its lock
// names the instance yet.
func TestLockedHost(t *testing.T) {
	a := newApp(&strings.Builder{})
	a.root = t.TempDir()
	if err := os.MkdirAll(filepath.Join(a.root, stateDir, "val1"), 0o755); err != nil {
		t.Fatal(err)
	}
	hold := func(name string) *lock.Lock {
		t.Helper()
		l, err := lock.Acquire(t.Context(), a.path(lockDir), name, "config (pid 7)", 0)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	other := hold("new")
	err := a.lockedHost(t.Context(), "gc", func() error { return errors.New("ran") })
	if held, ok := errors.AsType[*lock.HeldError](err); !ok || held.Name != "new" || codeOf(err) != exitLocked {
		t.Errorf("got %v", err)
	}
	if err := other.Release(); err != nil {
		t.Fatal(err)
	}
	ran := false
	err = a.lockedHost(t.Context(), "gc", func() error {
		ran = true
		for _, name := range []string{"new", "val1", storeLock} {
			if l, err := lock.Acquire(t.Context(), a.path(lockDir), name, "", 0); err == nil {
				l.Release()
				t.Errorf("%s is not locked", name)
			}
		}
		return nil
	})
	if err != nil || !ran {
		t.Errorf("ran %v, %v", ran, err)
	}
}

func TestHints(t *testing.T) {
	got := map[string]string{}
	codes := map[string]int{}
	for name, err := range map[string]error{
		"space": extract.ErrSpace, "incomplete": extract.ErrIncomplete, "record": extract.ErrRecord,
		"schema": extract.ErrSchema, "busy": extract.ErrBusy,
	} {
		hint, _, _ := strings.Cut(hintFor(err), " ")
		got[name], codes[name] = hint, codeOf(err)
	}
	want := map[string]string{"space": "aztec-spartan", "incomplete": "save", "record": "once", "schema": "use", "busy": "wait"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("hints: -want +got:\n%s", d)
	}
	if d := cmp.Diff(map[string]int{"space": 1, "incomplete": 1, "record": 1, "schema": exitUnsupported, "busy": exitLocked}, codes); d != "" {
		t.Errorf("exit codes: -want +got:\n%s", d)
	}
}
