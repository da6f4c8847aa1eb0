// Package tartest writes layers the way a test thinks of them, benign and hostile, and lists trees so that two can be compared.
package tartest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Time is the modification time of entries that do not say otherwise; it has nanoseconds, which only PAX can carry.
var Time = time.Date(2024, 3, 24, 21, 14, 32, 123456789, time.UTC)

// Entry is one entry of a layer.
type Entry struct {
	Header tar.Header
	Body   string
}

// Option changes an entry.
type Option func(*Entry)

// Mode sets the permission bits, setuid and the like included.
func Mode(mode int64) Option { return func(e *Entry) { e.Header.Mode = mode } }

// Owner sets the owner.
func Owner(uid, gid int) Option { return func(e *Entry) { e.Header.Uid, e.Header.Gid = uid, gid } }

// MTime sets the modification time.
func MTime(t time.Time) Option { return func(e *Entry) { e.Header.ModTime = t } }

// Xattr sets an extended attribute.
func Xattr(name, value string) Option {
	return func(e *Entry) {
		if e.Header.PAXRecords == nil {
			e.Header.PAXRecords = map[string]string{}
		}
		e.Header.PAXRecords["SCHILY.xattr."+name] = value
	}
}

func entry(typeflag byte, name, link, body string, mode int64, options []Option) Entry {
	e := Entry{Body: body, Header: tar.Header{
		Typeflag: typeflag, Name: name, Linkname: link, Mode: mode, Size: int64(len(body)), ModTime: Time, Format: tar.FormatPAX,
	}}
	for _, o := range options {
		o(&e)
	}
	return e
}

// Dir is a directory.
func Dir(name string, o ...Option) Entry {
	return entry(tar.TypeDir, strings.TrimSuffix(name, "/")+"/", "", "", 0o755, o)
}

// File is a regular file.
func File(name, body string, o ...Option) Entry {
	return entry(tar.TypeReg, name, "", body, 0o644, o)
}

// Symlink is a symbolic link called name.
func Symlink(name, target string, o ...Option) Entry {
	return entry(tar.TypeSymlink, name, target, "", 0o777, o)
}

// Link is a hard link called name to target.
func Link(name, target string, o ...Option) Entry {
	return entry(tar.TypeLink, name, target, "", 0o644, o)
}

// Node is an entry of another type: a FIFO, a device, or something no tar knows.
func Node(typeflag byte, name string, o ...Option) Entry {
	return entry(typeflag, name, "", "", 0o644, o)
}

// Whiteout hides name, a path, of lower layers.
func Whiteout(name string) Entry {
	i := strings.LastIndexByte(name, '/') + 1
	return File(name[:i]+".wh."+name[i:], "")
}

// Opaque hides all that lower layers have in dir ("" is the root).
func Opaque(dir string) Entry {
	if dir != "" {
		dir += "/"
	}
	return File(dir+".wh..wh..opq", "")
}

// Layer writes entries as a tar archive.
func Layer(t testing.TB, entries ...Entry) []byte {
	t.Helper()
	raw, err := Write(entries...)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Write is Layer for callers that have no test yet.
func Write(entries ...Entry) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		if err := w.WriteHeader(&e.Header); err != nil {
			return nil, fmt.Errorf("writing %s: %w", e.Header.Name, err)
		}
		if _, err := w.Write([]byte(e.Body)); err != nil {
			return nil, fmt.Errorf("writing %s: %w", e.Header.Name, err)
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}
