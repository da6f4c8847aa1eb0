package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/lock"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// fetchReference has an image fetch the string, with the rights of the agent.
// env are the agent's variables.
func (a *app) fetchReference(ctx context.Context, name string, img *extract.Image, dir string, env []byte, egress []string) error {
	fail := func(err error) error { return fmt.Errorf("fetching the reference string for %s: %w", name, err) }
	if real, err := a.provesReally(name, env); err != nil || !real || a.fetched(dir, img.ID) {
		return err
	}
	argv, err := commandLine(img, []string{"preload-crs"})
	if err != nil {
		return fail(err)
	}
	if err := a.ensureUser(ctx, name); err != nil {
		return fail(err)
	}
	c := units.Command{WithData: true}
	c.Instance, c.User, c.Slice, c.Rootfs, c.Exec, c.CRS, c.Egress = name, userOf(name), "aztec-prover.slice", img.Rootfs(), argv, dir, egress
	c.Description = "Reference string for Aztec node " + name
	if c.Systemd, err = a.systemdVersion(ctx); err != nil {
		return fail(err)
	}
	l, err := lock.Acquire(ctx, a.path(lockDir), referenceLock, fmt.Sprintf("reference (pid %d)", os.Getpid()), engineWait)
	if err != nil {
		return fail(err)
	}
	defer l.Release()
	if a.fetched(dir, img.ID) { // by who held it
		return nil
	}
	m, err := connect(ctx)
	if err != nil {
		return fail(err)
	}
	defer m.Close()
	a.note("%s: fetching what it needs of the reference string, a gigabyte or more on a host without it", name)
	if err := a.fetchBeside(ctx, m, c, imageEnv(img)); err != nil {
		return fail(err)
	}
	return a.recordReference(dir, img.ID)
}

// fetchBeside runs the command that fetches the string. Upstream's empties a
// file that is too short for it and writes it anew (bb.js/src/crs/node/index.ts,
// 4.1.2), and every proof of a running agent begins with reading it: so the
// command works in a directory of its own, and what it has fetched is moved over
// what is there when it is whole. Who has the old file open keeps it.
func (a *app) fetchBeside(ctx context.Context, m *manager.Manager, c units.Command, env []units.Var) error {
	dir, err := os.OpenRoot(a.path(c.CRS))
	if err != nil {
		return err
	}
	defer dir.Close()
	files, err := stringFiles(dir)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		// All that it needs may be here. If not, it fails at what it may not write.
		code, err := a.fetchApart(ctx, m, c, env, dir, files)
		if code == 0 || err != nil {
			return err
		}
		a.note("%s: the reference string of this host is not the one that it needs, which is fetched beside it; other agents prove with the old one until that is whole", c.Instance)
	}
	code, err := a.fetchApart(ctx, m, c, env, dir, nil)
	if code != 0 && err == nil {
		err = fmt.Errorf("preload-crs exited with code %d", code)
	}
	return err
}

// apartPrefix begins the names of directories in that of the string, in each of
// which one command fetches.
const apartPrefix = ".fetch-"

// fetchApart runs the command, which sees links to the files that are named,
// and moves what it made into dir if it succeeds. Agents, too, write in dir: no
// path of theirs leads out of it (os.Root).
func (a *app) fetchApart(ctx context.Context, m *manager.Manager, c units.Command, env []units.Var, dir *os.Root, files []string) (code int, err error) {
	id := randomHex(4)
	apart := apartPrefix + id
	if err := dir.Mkdir(apart, 0o770); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, dir.RemoveAll(apart)) }()
	if err := dir.Chmod(apart, fs.ModeSetgid|0o770); err != nil { // without the umask; the group is that of dir
		return 0, err
	}
	for _, f := range files {
		if err := dir.Symlink("../"+f, apart+"/"+f); err != nil {
			return 0, err
		}
	}
	c.Unit, c.Fetches = toolUnit(c.Instance, id), filepath.Join(c.CRS, apart)
	c.Environment = append(env[:len(env):len(env)], units.Var{Name: "CRS_PATH", Value: c.Fetches})
	if code, err = a.runUnit(ctx, m, c); code != 0 || err != nil {
		return code, err
	}
	return 0, moveFetched(dir, apart)
}

// stringFiles are the files of the string that are in a directory: none that is
// empty, hidden, or a lock.
func stringFiles(dir *os.Root) ([]string, error) {
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() && info.Size() > 0 && !strings.HasPrefix(e.Name(), ".") && !strings.HasSuffix(e.Name(), ".lock") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// moveFetched moves the files that a command has made into the directory above
// that which it had.
func moveFetched(dir *os.Root, apart string) error {
	from, err := dir.OpenRoot(apart)
	if err != nil {
		return err
	}
	defer from.Close()
	files, err := stringFiles(from)
	if err != nil {
		return err
	}
	for _, name := range files {
		f, err := from.Open(name)
		if err != nil {
			return err
		}
		// A file that is as long as it should be counts as whole, after a power cut too.
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if err := dir.Rename(apart+"/"+name, name); err != nil {
			return err
		}
	}
	return nil
}

// dropFetches ends and removes what killed fetches left, unless one goes on.
func (a *app) dropFetches(ctx context.Context, dir string) error {
	l, err := lock.Acquire(ctx, a.path(lockDir), referenceLock, fmt.Sprintf("reference (pid %d)", os.Getpid()), 0)
	if held := (*lock.HeldError)(nil); errors.As(err, &held) {
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Release()
	left, err := filepath.Glob(filepath.Join(a.path(dir), apartPrefix+"*"))
	if len(left) == 0 {
		return err
	}
	if err := a.withManager(ctx, func(m *manager.Manager) error { return a.forgetOrphans(ctx, m) }); err != nil {
		return err
	}
	root, err := os.OpenRoot(a.path(dir))
	if err != nil {
		return err
	}
	defer root.Close()
	for _, path := range left {
		err = errors.Join(err, root.RemoveAll(filepath.Base(path)))
	}
	return err
}
