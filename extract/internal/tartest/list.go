package tartest

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Listed is what List knows of one path.
type Listed struct {
	Type     string // d, f, l, p, c, b, s
	Mode     uint32 // permissions, setuid, setgid, sticky; 0 for links
	UID, GID uint32
	MTime    int64  // nanoseconds
	Target   string // of a link
	Content  string // of a file: itself if it is short and printable, else its SHA-256
	SameAs   string // the first path with the same inode, if it is another one
	Xattrs   string // user.* only
}

// String is one line.
func (l Listed) String() string {
	s := fmt.Sprintf("%s %04o %d:%d", l.Type, l.Mode, l.UID, l.GID)
	switch {
	case l.Type == "l":
		s += " -> " + l.Target
	case l.SameAs != "":
		s += " = " + l.SameAs
	case l.Type == "f":
		s += " " + l.Content
	}
	if l.Xattrs != "" {
		s += " " + l.Xattrs
	}
	return s
}

// List reads the tree below dir, links not followed. Paths are relative; the root is ".".
func List(t testing.TB, dir string) map[string]Listed {
	t.Helper()
	list := map[string]Listed{}
	inodes := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		l := Listed{Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid, MTime: st.Mtim.Nano()}
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFDIR:
			l.Type = "d"
		case syscall.S_IFREG:
			l.Type = "f"
			if l.Content, err = content(path, st.Size); err != nil {
				return err
			}
		case syscall.S_IFLNK:
			l.Type, l.Mode = "l", 0
			if l.Target, err = os.Readlink(path); err != nil {
				return err
			}
		case syscall.S_IFIFO:
			l.Type = "p"
		case syscall.S_IFCHR:
			l.Type = "c"
		case syscall.S_IFBLK:
			l.Type = "b"
		default:
			l.Type = "s"
		}
		if l.Type != "d" && st.Nlink > 1 {
			if first, ok := inodes[st.Ino]; ok {
				l.SameAs = first
			} else {
				inodes[st.Ino] = rel
			}
		}
		l.Xattrs = xattrs(path)
		list[rel] = l
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Lines is List as sorted lines.
func Lines(list map[string]Listed) []string {
	var lines []string
	for path, l := range list {
		lines = append(lines, path+" "+l.String())
	}
	sort.Strings(lines)
	return lines
}

func content(path string, size int64) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if size <= 40 {
		return fmt.Sprintf("%q", raw), nil
	}
	return fmt.Sprintf("%x", sha256.Sum256(raw)), nil
}

func xattrs(path string) string {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil || n == 0 {
		return ""
	}
	var found []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if !strings.HasPrefix(name, "user.") {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			n = 0
		}
		found = append(found, fmt.Sprintf("%s=%q", name, value[:n]))
	}
	sort.Strings(found)
	return strings.Join(found, " ")
}
