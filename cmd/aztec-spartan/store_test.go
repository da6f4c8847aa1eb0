package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/units"
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
		if got, err := a.imageOf(all, nil, word); err != nil || got != want {
			t.Errorf("%s: got %v, %v", word, got, err)
		}
	}
	for word, want := range map[string]string{
		"4.1.2": "more than one", "v4.1.2": "more than one", "59c6": "more than one", "59c": "no image",
		"": "no image", "sha256-": "no image", "4.1": "no image", "\x1b[2J": `no image here is "\x1b[2J"`,
	} {
		if got, err := a.imageOf(all, nil, word); err == nil || !strings.Contains(err.Error(), want) || codeOf(err) != exitUsage {
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
	record := func(id, path, ref string) error {
		return &extract.RecordError{ID: id, Path: path, Reference: ref, Err: io.EOF}
	}
	for name, test := range map[string]struct {
		err  error
		code int
		hint string
	}{
		"space":          {extract.ErrSpace, exitFailed, "aztec-spartan gc frees"},
		"incomplete":     {extract.ErrIncomplete, exitFailed, "save all of it"},
		"a list":         {extract.ErrRecord, exitFailed, "aztec-spartan verify --repair fetches that layer again"},
		"an image":       {record("sha256-"+someKey, "/i/image.json", "r/a:1@sha256:"+someKey), exitFailed, "aztec-spartan pull r/a:1@sha256:" + someKey + " writes it again"},
		"image, no name": {record("sha256-"+someKey, "/i/image.json", ""), exitFailed, "aztec-spartan pull REPOSITORY@sha256:" + someKey},
		"tags":           {record("", "/i/tags.json", ""), exitFailed, "rm /i/tags.json forgets"},
		"store":          {record("", "/i/store.json", ""), exitFailed, "it says only which form the store has: if no newer aztec-spartan was ever used here, rm /i/store.json"},
		"schema":         {extract.ErrSchema, exitUnsupported, "use the newer"},
		"old systemd":    {units.CheckSystemd(246), exitUnsupported, "upgrade the distribution"},
		"busy":           {extract.ErrBusy, exitLocked, "wait for it"},
		"busy rolling":   {&lock.HeldError{Name: "val1", Holder: "roll (pid 4711)"}, exitLocked, "aztec-spartan logs -f val1 follows its roll, and systemctl stop aztec-roll@val1.service takes it back"},
		"busy updating":  {&lock.HeldError{Name: "val1", Holder: "update (pid 4711)"}, exitLocked, "wait for it"},
		"platform":       {extract.ErrPlatform, exitUsage, "a platform is os/arch"},
		"no platform":    {&extract.NoPlatformError{Want: "a/b", Have: []string{"c/d", "e/f"}}, exitFailed, "pull and load take another one with --platform c/d or --platform e/f"},
		"no platforms":   {&extract.NoPlatformError{Want: "a/b"}, exitFailed, "nothing in it says"},
		"authorities":    {&extract.AuthoritiesError{Path: "/x", Err: io.EOF}, exitUsage, "[registry] ca_file"},
		"credentials":    {&extract.CredentialsError{Path: "/x"}, exitFailed, "it must be root's alone"},
		"unauthorized":   {extract.ErrUnauthorized, exitFailed, "is the name right? credentials are looked for in /etc/aztec-spartan/registry-auth.json"},
		"read-only":      {&fs.PathError{Op: "mkdir", Path: "/x", Err: unix.EROFS}, exitFailed, "the file system is read-only"},
		"interrupted":    {fmt.Errorf("%w: %w", extract.ErrRegistry, context.Canceled), exitFailed, ""},
	} {
		err := fmt.Errorf("pulling it: %w", test.err)
		if hint := hintFor(err); !strings.HasPrefix(hint, test.hint) || test.hint == "" && hint != "" {
			t.Errorf("%s: the hint is %q, want %q", name, hint, test.hint)
		}
		if code := codeOf(err); code != test.code {
			t.Errorf("%s: the exit code is %d, want %d", name, code, test.code)
		}
	}
}

// People interrupt, and are not told about contexts.
func TestInterrupted(t *testing.T) {
	if got := words(fmt.Errorf("pulling it: layer 2 of 4: %w", context.Canceled)); got != "pulling it: layer 2 of 4: interrupted" {
		t.Errorf("got %q", got)
	}
	if got := words(errors.New("a context canceled by a registry")); got != "a context canceled by a registry" {
		t.Errorf("got %q", got)
	}
}

// A verification that is interrupted does not pass for one of all images.
func TestVerifyInterrupted(t *testing.T) {
	a := newApp(&strings.Builder{})
	a.root = t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	img := &extract.Image{ID: "sha256-" + someKey, Digest: "sha256:" + someKey}
	if _, err := a.verifyAll(ctx, []*extract.Image{img}, nil, false); err == nil {
		t.Error("it says that all is whole")
	}
}
