// Package tree builds a root file system from the layers of an OCI image, applied oldest to newest.
//
// A layer is hostile input that is written as root. So nothing is ever done through a path: the parent of every entry is
// resolved inside the root by the kernel (package inroot), its last component is never followed, what is in the way is
// unlinked and made anew with O_EXCL, and owner, mode and attributes are set through the descriptor of what was made.
// An existing inode is therefore never written, chmodded or chowned through another name of it, directories apart.
//
// What a service must not gain from an image is dropped and counted: setuid and setgid bits, device nodes, file capabilities.
// Semantics are those of the OCI image specification, layer.md: "Applying Changesets" and "Whiteouts".
package tree

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/inroot"
)

// Caps on what one image may hold; real ones stay far below.
const (
	maxEntries   = 4 << 20 // entries of all layers together
	maxPathBytes = 4095    // PATH_MAX without its NUL
	maxNameBytes = 255     // NAME_MAX
	maxDepth     = 512     // directories above an entry, so that recursion and open files stay bounded
	maxXattr     = 64 << 10
	copyBuffer   = 256 << 10
)

// ErrInvalid is wrapped by every error that is the layer's own fault.
var ErrInvalid = errors.New("invalid layer")

// epoch is the mtime of directories that no layer describes: a constant, so that the same image always makes the same tree.
var epoch = time.Unix(0, 0)

// Dropped counts what was left out on purpose.
type Dropped struct {
	SetIDBits        int64 `json:"set_id_bits"`       // files and directories that lost setuid or setgid
	Devices          int64 `json:"devices"`           // character and block devices
	FileCapabilities int64 `json:"file_capabilities"` // security.capability
	Xattrs           int64 `json:"xattrs"`            // other attributes outside user.*, or that the file system refused
}

// Stats says what building did.
type Stats struct {
	Dropped Dropped
	Entries int64 // entries of all layers
	Written int64 // bytes of file contents
}

// Tree is a root file system under construction. It is for one goroutine. Directories get their modification times in
// Finish, after the last layer, since every entry made in a directory changes them.
type Tree struct {
	root    *inroot.Root
	stats   Stats
	parents map[string]parent
	dirs    map[string]time.Time // by real path
	layer   map[string]origin    // by real path, of the layer being applied
	devices map[string]bool      // by real path: dropped ones, which later entries may still link to
	stale   bool                 // something was unlinked: any path in parents may mean another directory now
	buf     []byte
}

// origin says how the current layer knows a path. Whiteouts hide only what lower layers brought.
type origin bool

const (
	passed origin = false // a lower layer's directory that has something of this layer below it
	own    origin = true  // an entry of this layer
)

type parent struct {
	fd   int
	real string // path below the root without links, "." for the root
}

// Open starts a tree in the empty directory dir, which becomes the root: mode 0755, owned by root, until a layer says otherwise.
func Open(dir string) (*Tree, error) {
	root, err := inroot.Open(dir)
	if err != nil {
		return nil, err
	}
	t := &Tree{
		root:    root,
		parents: make(map[string]parent),
		dirs:    map[string]time.Time{".": epoch},
		layer:   make(map[string]origin),
		devices: make(map[string]bool),
		buf:     make([]byte, copyBuffer),
	}
	if err := t.withRoot(func(fd int) error { return unix.Fchmod(fd, 0o755) }); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return t, nil
}

// withRoot opens the root for changing it.
func (t *Tree) withRoot(f func(fd int) error) error {
	fd, err := t.root.Openat(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fd)
}

// Stats returns what was done so far.
func (t *Tree) Stats() Stats { return t.stats }

// Close releases what is open; the tree on disk stays.
func (t *Tree) Close() error {
	t.forget()
	return t.root.Close()
}

// Apply adds one uncompressed layer on top of those before. It stops at the end-of-archive mark and leaves what follows unread.
// Errors name the entry; those that wrap ErrInvalid are the layer's fault. After an error the tree is of no use.
func (t *Tree) Apply(ctx context.Context, layer io.Reader) error {
	clear(t.layer)
	tr := tar.NewReader(layer)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		hdr, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, tar.ErrHeader), errors.Is(err, tar.ErrFieldTooLong), errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		case err != nil && !errors.Is(err, tar.ErrInsecurePath): // names are judged below, whatever GODEBUG says
			return err
		}
		if t.stats.Entries++; t.stats.Entries > maxEntries {
			return fmt.Errorf("%w: more than %d entries", ErrInvalid, maxEntries)
		}
		if err := t.entry(ctx, hdr, tr); err != nil {
			return fmt.Errorf("entry %s: %w", quote(hdr.Name), err)
		}
	}
}

// Finish sets the modification times of all directories. Call it once, after everything else.
func (t *Tree) Finish() error {
	t.forget()
	for path, mtime := range t.dirs {
		fd, err := t.root.Openat(path, unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
		if err != nil {
			return err
		}
		err = unix.UtimesNanoAt(fd, ".", timespecs(mtime), 0)
		unix.Close(fd)
		if err != nil {
			return &fs.PathError{Op: "utimensat", Path: path, Err: err}
		}
	}
	return nil
}

// parentOf opens the directory dir for entries in it. Where no layer brought it, it is made, or the error is ENOENT.
// What it returns stays open until the next call.
func (t *Tree) parentOf(dir string, create bool) (parent, error) {
	if t.stale || len(t.parents) >= 64 {
		t.forget()
	}
	if p, ok := t.parents[dir]; ok {
		return p, nil
	}
	p := parent{real: dir}
	fd, err := t.root.Openat(dir, unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		fd, err = t.root.Openat(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
		p.real = ""
	}
	if create && errors.Is(err, unix.ENOENT) {
		fd, err = t.root.OpenDir(dir, t.implicitDir)
		p.real = ""
	}
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENAMETOOLONG) {
		return parent{}, fmt.Errorf("%w: its parent is not a directory: %w", ErrInvalid, bare(err))
	}
	if err != nil {
		return parent{}, fmt.Errorf("opening its parent: %w", bare(err))
	}
	p.fd = fd
	if p.real == "" || strings.Contains(p.real, "..") {
		if p.real, err = t.root.RealDir(fd); err != nil {
			unix.Close(fd)
			return parent{}, err
		}
	}
	if strings.Count(p.real, "/") >= maxDepth {
		unix.Close(fd)
		return parent{}, fmt.Errorf("%w: more than %d directories deep", ErrInvalid, maxDepth)
	}
	t.parents[dir] = p
	return p, nil
}

// forget closes the cached parents.
func (t *Tree) forget() {
	for dir, p := range t.parents {
		unix.Close(p.fd)
		delete(t.parents, dir)
	}
	t.stale = false
}

// implicitDir makes a directory that no layer describes.
func (t *Tree) implicitDir(dirfd int, name string) error {
	if err := unix.Mkdirat(dirfd, name, 0o755); err != nil {
		return err
	}
	real, err := t.root.RealDir(dirfd)
	if err != nil {
		return err
	}
	t.note(join(real, name))
	return t.resetDir(dirfd, name, join(real, name))
}

// resetDir gives a directory the attributes of one that no layer describes.
func (t *Tree) resetDir(dirfd int, name, real string) error {
	t.dirs[real] = epoch
	return t.setDir(dirfd, name, attrs{mode: 0o755})
}

// note records real as an entry of the current layer, and the directories above it as passed through.
func (t *Tree) note(real string) {
	t.layer[real] = own
	for {
		i := strings.LastIndexByte(real, '/')
		if i < 0 {
			return
		}
		real = real[:i]
		if _, known := t.layer[real]; known {
			return
		}
		t.layer[real] = passed
	}
}

func join(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
}

// quote makes a name from a layer fit for an error message: whole, but neither long nor able to drive a terminal.
func quote(name string) string {
	if len(name) > 200 {
		name = name[:200] + "..."
	}
	return fmt.Sprintf("%q", name)
}

// bare strips the path from an error: it is the layer's choice, and the entry is named anyway.
func bare(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
