package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
)

// How data come from a container.
const (
	dataNone    = "none"     // the role keeps none, or they are in the container alone
	dataRename  = "rename"   // one file system
	dataCopy    = "copy"     // what was there stays
	dataInPlace = "in-place" // bound to where the node looks
)

// tombstone is a file where the data were: docker would make an empty
// directory there, and the node sign again with nothing known of what it
// signed.
func tombstone(name string) []byte {
	return fmt.Appendf(nil, "The data that were here are the instance %s's now; aztec-spartan adopt --undo %s puts them back.\n", name, name)
}

// dataMode decides how data come to their new place.
func (a *app) dataMode(from, to string, inPlace, asCopy bool) (string, error) {
	info, err := os.Lstat(a.path(from))
	if err != nil {
		return "", withHint(usage(fmt.Errorf("reading the data: %w", err)), "start the container once, or check the volume")
	}
	if !info.IsDir() {
		return "", usage(fmt.Errorf("reading the data: %s is no directory", from))
	}
	switch {
	case inPlace:
		return dataInPlace, nil
	case asCopy:
		return dataCopy, nil
	}
	same, err := sameDisk(a.path(from), a.path(to))
	if err != nil {
		return "", err
	}
	// What is mounted at from cannot be renamed.
	inner, err := sameDisk(a.path(from), filepath.Dir(a.path(from)))
	if err != nil {
		return "", err
	}
	if same && inner {
		return dataRename, nil
	}
	return dataCopy, nil
}

// usedBytes is what a tree takes on the disk: holes take nothing.
func usedBytes(dir string) (int64, error) {
	var n int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the node runs
		}
		if err == nil {
			n += allocated(info)
		}
		return err
	})
	return n, err
}

// roomFor fails if data do not fit where they go.
func (a *app) roomFor(used int64, to string) error {
	dir := a.path(filepath.Dir(to))
	for !exists(dir) {
		dir = filepath.Dir(dir)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("asking for free space: %w", err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < used+used/20 {
		return withHint(fmt.Errorf("copying the data: they need %s, and %s has %s", humanize.IBytes(uint64(used)), filepath.Dir(to), humanize.IBytes(uint64(free))), "--in-place uses them where they are")
	}
	return nil
}

// takeData may be interrupted anywhere, and called again.
func (a *app) takeData(ctx context.Context, r adoptionRecord) error {
	from, to := a.path(r.From), a.path(r.To)
	fail := func(err error) error { return fmt.Errorf("moving the data of %s: %w", r.Name, err) }
	switch r.Mode {
	case dataRename:
		if info, err := os.Lstat(from); err == nil && info.IsDir() {
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return fail(err)
			}
			if err := renameDir(from, to); err != nil {
				return fail(err)
			}
		} else if had, herr := hasData(to); herr != nil || !had {
			return fail(fmt.Errorf("they are neither in %s nor in %s", r.From, r.To))
		}
		if err := atomicfile.Write(from, tombstone(r.Name), 0o644); err != nil {
			return fail(err)
		}
	case dataCopy:
		if err := copyData(ctx, from, to); err != nil {
			return fail(err)
		}
	}
	if r.Mode == dataNone || !a.live() {
		return nil
	}
	dir := to
	if r.Mode == dataInPlace {
		dir = from
	}
	u, err := user.Lookup(userOf(r.Name))
	if err != nil {
		return fail(err)
	}
	uid, err := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err, err2); err != nil {
		return fail(err)
	}
	return chownTree(dir, uid, gid)
}

// copyData does nothing where the data are already: they have their name once
// all of them are there.
func copyData(ctx context.Context, from, to string) error {
	if had, err := hasData(to); err != nil || had {
		return err
	}
	part := filepath.Join(filepath.Dir(to), "."+filepath.Base(to)+".adopting")
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(filepath.Dir(to), 0o755)); err != nil {
		return err
	}
	cp := exec.CommandContext(ctx, "cp", "-a", "--sparse=always", "--reflink=auto", "--", from, part)
	cp.SysProcAttr = ownGroup()
	if out, err := cp.CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	unix.Sync() // its files, before their name says that they are whole
	return renameDir(part, to)
}

// giveBack is takeData backwards. A copy stays: it is what was signed last.
func (a *app) giveBack(ctx context.Context, r adoptionRecord) error {
	from, to := a.path(r.From), a.path(r.To)
	fail := func(err error) error { return fmt.Errorf("putting back the data of %s: %w", r.Name, err) }
	switch r.Mode {
	case dataRename:
		had, err := hasData(to)
		if err != nil {
			return fail(err)
		}
		if info, lerr := os.Lstat(from); had && (lerr != nil || !info.IsDir()) {
			if err := atomicfile.Remove(from); err != nil {
				return fail(err)
			}
			if err := renameDir(to, from); err != nil {
				return fail(err)
			}
		}
	case dataInPlace:
		if err := a.unbind(ctx, r); err != nil {
			return fail(err)
		}
	default:
		return nil
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return chownTree(from, r.UID, r.GID)
}

// unbind takes away what says that the data of a container are ours.
func (a *app) unbind(ctx context.Context, r adoptionRecord) error {
	mount := mountPath(r.Name)
	if a.live() && exists(mount) { // else it was stopped before it was removed
		if err := a.stopMount(ctx, mount); err != nil {
			return err
		}
	}
	err := errors.Join(atomicfile.Remove(filepath.Join(a.path(r.From), dataMarker(r.Name))), atomicfile.Remove(a.path(mount)))
	if err != nil {
		return err
	}
	return a.reload(ctx)
}

// renameDir moves a directory to a name that nothing or an empty one has.
func renameDir(from, to string) error {
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is in the way: %w", to, err)
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return errors.Join(atomicfile.SyncDir(filepath.Dir(to)), atomicfile.SyncDir(filepath.Dir(from)))
}

// chownTree follows no links.
func chownTree(dir string, uid, gid int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("changing the owner of the data: %w", err)
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = root.Lchown(path, uid, gid)
		}
		if err != nil {
			return fmt.Errorf("changing the owner of the data: %w", err)
		}
		return nil
	})
}
