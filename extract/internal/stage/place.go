package stage

import (
	"context"
	"errors"
	"io"
	"path"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
)

// ErrAbsent says that the contents of a file are not here.
var ErrAbsent = rootfs.ErrAbsent

// lastDir is the directory of the last file that was linked, kept open since they come by directory.
type lastDir struct {
	root int32
	dir  string
	fd   int // 0 if there is none
}

func (l *lastDir) close() error {
	if l.fd == 0 {
		return nil
	}
	fd := l.fd
	l.fd = 0
	return unix.Close(fd)
}

// Place makes the file of e, an entry of layer n, name in the open directory dirfd, where nothing has that name. It is for one
// goroutine. The error is ErrAbsent if its contents are not here; they may be later. The name is accounted for in the budget.
func (s *Stage) Place(n int, e *layer.Entry, dirfd int, name string) error {
	if err := s.budget.Take(0); err != nil {
		return err
	}
	switch {
	case e.Size == 0:
		return s.write(e, dirfd, name, nil)
	case e.Staged != 0:
		if err := s.take(n, e, dirfd, name); !errors.Is(err, ErrAbsent) {
			return err
		}
	}
	p, how := s.index.find(e.Digest, e.Path, e.Attrs)
	if how == none {
		return ErrAbsent
	}
	if how == link && p.mtime == e.MTime {
		err := s.link(p, e, dirfd, name)
		if !errors.Is(err, unix.EMLINK) {
			return err
		}
	}
	return s.write(e, dirfd, name, &p)
}

// take makes name of what was put aside for e. An earlier run may have put it aside, and something else has removed it, or a crash has
// cut it short.
func (s *Stage) take(n int, e *layer.Entry, dirfd int, name string) error {
	d := s.dir(n)
	number, alone := e.Aside()
	from, staged := d.fd, aloneName(number)
	if !alone {
		if err := s.taken.enter(d, number); err != nil {
			return ErrAbsent
		}
		from = s.taken.fd
		_, staged = layer.Split(e.Path)
	}
	var st unix.Stat_t
	err := unix.Fstatat(from, staged, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != e.Size {
		return ErrAbsent
	}
	if d.kept {
		return space(unix.Linkat(from, staged, dirfd, name, 0))
	}
	err = moveTo(from, staged, dirfd, name)
	if errors.Is(err, unix.EINVAL) {
		err = unix.Linkat(from, staged, dirfd, name, 0)
	}
	return space(err)
}

// moveTo is rename(2) that replaces nothing. What is free in a tree need not be on a file system that takes two names for one, such as
// those that differ in case. The error is EINVAL where the file system cannot tell, as with NFS.
func moveTo(from int, old string, to int, name string) error {
	return unix.Renameat2(from, old, to, name, unix.RENAME_NOREPLACE)
}

// PlaceDir makes name in the open directory dirfd of a numbered directory of layer n, with all the files in it, and says whether it
// could. It is for the goroutine of Place.
func (s *Stage) PlaceDir(n int, number uint32, dirfd int, name string) (bool, error) {
	d := s.dir(n)
	if d == nil || d.kept {
		return false, nil
	}
	if err := s.taken.leave(); err != nil {
		return false, err
	}
	// A file system may refuse to move directories, as overlayfs does at times: EXDEV. Their files come one by one then.
	if err := moveTo(d.fd, numbered(number), dirfd, name); err != nil {
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			return false, space(err)
		}
		return false, nil
	}
	return true, nil
}

// link makes a hard link to the file at p, if that is still what was recorded.
func (s *Stage) link(p place, e *layer.Entry, dirfd int, name string) error {
	root := s.index.roots[p.root]
	if root.unfinished {
		if err := s.has(p, e); err != nil {
			return err
		}
	}
	dir, base := path.Split(p.path)
	if s.linked.fd == 0 || s.linked.dir != dir || s.linked.root != p.root {
		if err := s.linked.close(); err != nil {
			return err
		}
		fd, err := root.Openat(dir, unix.O_PATH|unix.O_DIRECTORY, root.resolve())
		if err != nil {
			return ErrAbsent
		}
		s.linked = lastDir{root: p.root, dir: dir, fd: fd}
	}
	var st unix.Stat_t
	if err := unix.Fstatat(s.linked.fd, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || !p.unchanged(&st, s.index.attrs[p.attrs]) {
		return ErrAbsent
	}
	return space(unix.Linkat(s.linked.fd, base, dirfd, name, 0))
}

// has says whether the contents and attributes of e are at p; ErrAbsent if not.
func (s *Stage) has(p place, e *layer.Entry) error {
	fd, err := s.index.open(p)
	if err != nil {
		return ErrAbsent
	}
	defer unix.Close(fd)
	scratch := make([]byte, scratchSize)
	if d, err := s.digest(fd, e.Size, scratch); err != nil || d != e.Digest || !hasXattrs(fd, e.Xattrs, scratch) {
		return ErrAbsent
	}
	return nil
}

// write makes a new file with the attributes of e, and with the contents of the one at from, if there is one.
func (s *Stage) write(e *layer.Entry, dirfd int, name string, from *place) error {
	in := -1
	if from != nil {
		var err error
		if in, err = s.index.open(*from); err != nil {
			return ErrAbsent
		}
		defer unix.Close(in)
		if d, err := s.digest(in, e.Size, make([]byte, scratchSize)); err != nil || d != e.Digest {
			return ErrAbsent
		}
		if err := s.budget.take(e.Size); err != nil {
			return err
		}
	}
	to := &dir{fd: dirfd, budget: s.budget}
	defer func() { s.lost.Add(to.dropped.Load()) }()
	f, err := create(dirfd, name, e)
	if err != nil {
		return space(err)
	}
	defer unix.Close(f.fd)
	if in >= 0 {
		if err := unix.IoctlFileClone(f.fd, in); err == nil {
			s.shared.Add(e.Size)
		} else if err := copyRange(in, f.fd, e.Size); err != nil {
			return space(err)
		} else {
			s.written.Add(e.Size)
		}
	}
	return space(to.finish(f, e))
}

// asidePath is where the contents of e are in the directory of its layer.
func asidePath(e *layer.Entry) string {
	number, alone := e.Aside()
	if alone {
		return aloneName(number)
	}
	_, name := layer.Split(e.Path)
	return numbered(number) + "/" + name
}

// Recover reads a layer again, from its plain tar archive, and puts the files whose contents are wanted aside in the directory path,
// which is made. Place finds them then.
func (s *Stage) Recover(ctx context.Context, archive io.Reader, path string, wanted func(layer.Digest) bool) error {
	d, err := s.openDir(path)
	if err != nil {
		return err
	}
	var found []*layer.Entry
	_, err = s.read(ctx, d, archive, wanted, func(e *layer.Entry) error {
		if e.Staged != 0 {
			e.Path = asidePath(e)
			found = append(found, e)
		}
		return nil
	})
	if err := errors.Join(err, d.Close()); err != nil {
		return err
	}
	return s.index.add(Version{Rootfs: path, Files: func(each func(*layer.Entry) error) error {
		for _, e := range found {
			if err := each(e); err != nil {
				return err
			}
		}
		return nil
	}}, true)
}
