package credential

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tool is a stand-in that writes its arguments and its input.
func tool(t *testing.T, script string) Tool {
	t.Helper()
	name := filepath.Join(t.TempDir(), "creds")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return Tool{Program: name}
}

func blob(t *testing.T, id string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString(append(raw, make([]byte, 40)...))
	return []byte(text[:20] + "\n" + text[20:] + "\n")
}

func TestRun(t *testing.T) {
	creds := tool(t, `echo "$@"; cat`)
	got, err := creds.Encrypt(t.Context(), "keystore.json", HostTPM2, []byte("secret"))
	if want := "encrypt --with-key=host+tpm2 --name=keystore.json - -\nsecret"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	encrypted := blob(t, "5a1c6a86df9d4096b1d5a65e0862f19a")
	got, err = creds.Decrypt(t.Context(), "keystore.json", encrypted)
	if want := "decrypt --name=keystore.json - -\n" + string(encrypted); err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFailure(t *testing.T) {
	creds := tool(t, "echo half; echo 'Failed to determine local credential host secret:' >&2; echo '  No such file' >&2; exit 1")
	out, err := creds.Encrypt(t.Context(), "keystore.json", Host, []byte("secret"))
	if err == nil || out != nil || !strings.HasSuffix(err.Error(), "host secret: No such file") || strings.Contains(err.Error(), "secret\n") {
		t.Errorf("%q, %v", out, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := creds.Encrypt(ctx, "keystore.json", Host, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestKeyOf(t *testing.T) {
	for id, want := range keyIDs {
		if got, err := KeyOf(blob(t, id)); err != nil || got != want {
			t.Errorf("%s: %s, %v", id, got, err)
		}
	}
	for name, data := range map[string][]byte{
		"empty":           nil,
		"plain":           []byte(`{"schemaVersion":1,"validators":[]}`),
		"short":           []byte("Whxqht+dQJax1aZeCGLx"),
		"with no key":     blob(t, "058469daf6f54324800549da0f8ea2fb"),
		"not of any kind": blob(t, strings.Repeat("00", 16)),
	} {
		if key, err := KeyOf(data); !errors.Is(err, ErrNotEncrypted) {
			t.Errorf("%s: %s, %v", name, key, err)
		}
		// systemd-creds is not even asked.
		if _, err := tool(t, "exit 0").Decrypt(t.Context(), "keystore.json", data); !errors.Is(err, ErrNotEncrypted) {
			t.Errorf("decrypting %s: %v", name, err)
		}
	}
}

func TestAvailable(t *testing.T) {
	here := tool(t, "")
	for _, c := range []struct {
		tool    Tool
		systemd int
		ok      bool
	}{
		{here, 247, false},
		{here, 249, false},
		{here, 250, true},
		{here, 257, true},
		{Tool{Program: "/nowhere/systemd-creds"}, 257, false},
	} {
		err := c.tool.Available(c.systemd)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestParseKey(t *testing.T) {
	for s, ok := range map[string]bool{"host": true, "tpm2": true, "host+tpm2": true, "": false, "null": false, "auto": false} {
		if k, err := ParseKey(s); (err == nil) != ok || ok && string(k) != s {
			t.Errorf("%q: %q, %v", s, k, err)
		}
	}
}

func FuzzKeyOf(f *testing.F) {
	f.Add([]byte("Whxqht+dQJax1aZeCGLxmiAAAAABAAAADAAAABAAAAA="))
	f.Add([]byte("k6iUCUh0RJCQyvL8k8q1UyAAAAABAAAADAAAABAAAAC1"))
	f.Add([]byte("\n \nAAAA"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := KeyOf(data); err == nil {
			if _, err := ParseKey(string(key)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
