package rootfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// temporary begins the names of what is at the wrong place for a moment.
const temporary = ".placing-"

// Flush makes on disk what Apply brought since the last call, and unlinks what was made and is hidden by now. It costs as much as
// there is to do, so it may be called often. Files whose contents are absent stay pending; Absent tells of them. Directories are not
// finished: they get their attributes in Finish. After the context's error it may be called again; after others the tree is of no use.
func (t *Tree) Flush(ctx context.Context) error {
	f := flusher{t: t, to: cursor{t: t}, from: cursor{t: t}}
	err := f.run(ctx)
	f.to.close()
	f.from.close()
	return err
}

type flusher struct {
	t        *Tree
	to, from cursor
}

func (f *flusher) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{f.park, f.unlink, f.make, f.fit, f.unpark} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// park gives inodes a name in the root that would lose the only one they have on disk, and are to get another.
func (f *flusher) park(ctx context.Context) error {
	for len(f.t.parked) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		i := f.t.parked[len(f.t.parked)-1]
		if i.links > 0 {
			if err := f.keep(i); err != nil {
				return fmt.Errorf("keeping %s: %w", layer.Quote(i.at.path()), err)
			}
		}
		f.t.parked = f.t.parked[:len(f.t.parked)-1]
	}
	f.from.close() // the next step removes directories
	return nil
}

// keep finds another name of i on disk, which lost the one that it had, or makes one.
func (f *flusher) keep(i *inode) error {
	names := f.t.names[i]
	if n := slices.IndexFunc(names, func(x *node) bool { return x.made }); n >= 0 {
		i.at = names[n]
		return nil
	}
	fd, err := f.from.open(i.at.up)
	if err != nil {
		return err
	}
	for {
		name := f.t.freeName(f.t.root)
		err := unix.Linkat(fd, i.at.name, f.t.rootfd, name, 0)
		if errors.Is(err, unix.EEXIST) {
			continue // it is hidden, and goes in the next step
		}
		if err != nil {
			return linkError(err)
		}
		i.at = &node{name: name, up: f.t.root, inode: i, gone: true}
		f.t.spares = append(f.t.spares, name)
		return nil
	}
}

// linkError puts it down to the image if a file has more names than a file system takes: 65,000 on ext4, 2^31-1 on XFS.
func linkError(err error) error {
	if errors.Is(err, unix.EMLINK) {
		return fmt.Errorf("%w: one file has more names than this file system can give it: %w", layer.ErrInvalid, err)
	}
	return err
}

// unlink removes from disk what is hidden. What is in a directory that is itself hidden goes with that.
func (f *flusher) unlink(ctx context.Context) error {
	for _, d := range f.t.haunted {
		if d.gone {
			continue
		}
		sub := d.dir()
		for len(sub.ghosts) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			x := sub.ghosts[len(sub.ghosts)-1]
			fd, err := f.to.open(d)
			if err == nil {
				err = removeAll(ctx, fd, x.name)
			}
			if err != nil {
				return fmt.Errorf("removing %s: %w", layer.Quote(x.path()), err)
			}
			sub.ghosts = sub.ghosts[:len(sub.ghosts)-1]
			sub.dirty = true
		}
		sub.ghosts, sub.haunted = nil, false
	}
	f.t.haunted = f.t.haunted[:0]
	return nil
}

func (f *flusher) make(ctx context.Context) error {
	done, kept := 0, f.t.pending[:0]
	var err error
	for _, x := range f.t.pending {
		if err = ctx.Err(); err != nil {
			break
		}
		if !x.gone && !x.made {
			err = f.place(ctx, x)
			if x.absent = errors.Is(err, ErrAbsent); x.absent {
				kept, err = append(kept, x), nil
			}
			if err != nil {
				err = fmt.Errorf("making %s: %w", layer.Quote(x.path()), err)
				break
			}
		}
		done++
	}
	kept = append(kept, f.t.pending[done:]...)
	clear(f.t.pending[len(kept):])
	f.t.pending = kept
	return err
}

// place makes x.
func (f *flusher) place(ctx context.Context, x *node) error {
	fd, err := f.to.open(x.up)
	if err != nil {
		return err
	}
	if x.dir() != nil {
		err = f.directory(x, fd)
	} else if f.t.opened {
		err = f.replace(ctx, x, fd)
	} else {
		err = f.create(x, fd, x.name)
	}
	if err != nil {
		return err
	}
	x.made = true
	x.up.dir().dirty = true
	if i := x.inode; i.sub != nil {
		i.sub.dirty = true
	} else if i.at == nil || i.at.gone {
		i.at = x
	}
	return nil
}

// replace makes x in place of what may be there: a process may be using that, and finds the one or the other.
func (f *flusher) replace(ctx context.Context, x *node, fd int) error {
	name := f.t.freeName(x.up)
	// A repair that was killed may have left it.
	if err := removeAll(ctx, fd, name); err != nil {
		return err
	}
	if err := f.create(x, fd, name); err != nil {
		return err
	}
	if err := unix.Renameat(fd, name, fd, x.name); err != nil {
		return err
	}
	// rename(2) does nothing, and succeeds, if both are the same file.
	if err := unix.Unlinkat(fd, name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// create makes what is not a directory, as name in fd.
func (f *flusher) create(x *node, fd int, name string) error {
	i := x.inode
	if i.at != nil {
		from, err := f.from.open(i.at.up)
		if err != nil {
			return err
		}
		return linkError(unix.Linkat(from, i.at.name, fd, name, 0))
	}
	e := i.entry
	switch e.Kind {
	case layer.File:
		if i.layer == nobody {
			return f.t.emptyFile(fd, name, &e.Attrs)
		}
		return f.t.contents.Place(int(i.layer), e, fd, name)
	case layer.Symlink:
		if err := unix.Symlinkat(e.Target, fd, name); err != nil {
			return err
		}
		if e.UID != 0 || e.GID != 0 {
			if err := unix.Fchownat(fd, name, int(e.UID), int(e.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
				return fmt.Errorf("setting owner %d:%d: %w", e.UID, e.GID, err)
			}
		}
	case layer.Fifo:
		if err := f.t.fifo(fd, name, &e.Attrs); err != nil {
			return err
		}
	}
	return setTime(fd, name, &e.Attrs, unix.AT_SYMLINK_NOFOLLOW)
}

func (t *Tree) fifo(dirfd int, name string, a *layer.Attrs) error {
	if err := unix.Mkfifoat(dirfd, name, 0o600); err != nil {
		return err
	}
	// O_RDWR does not wait for the other end, see fifo(7).
	fd, err := unix.Openat(dirfd, name, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return t.setNew(fd, a)
}

func (t *Tree) emptyFile(dirfd int, name string, a *layer.Attrs) error {
	fd, err := unix.Openat(dirfd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := t.setNew(fd, a); err != nil {
		return err
	}
	return setTime(dirfd, name, a, unix.AT_SYMLINK_NOFOLLOW)
}

// unpark removes the names that park gave; all that needed them has others by now.
func (f *flusher) unpark(ctx context.Context) error {
	for len(f.t.spares) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := f.t.spares[len(f.t.spares)-1]
		if err := unix.Unlinkat(f.t.rootfd, name, 0); err != nil {
			return fmt.Errorf("removing %s: %w", name, err)
		}
		f.t.spares = f.t.spares[:len(f.t.spares)-1]
	}
	return nil
}

// freeName is a name that nothing visible in the directory d has, and that this tree never used. On disk, something hidden, or left
// by another process, may have it.
func (t *Tree) freeName(d *node) string {
	for {
		t.tries++
		name := temporary + strconv.Itoa(t.tries)
		if d.dir().children[name] == nil {
			return name
		}
	}
}
