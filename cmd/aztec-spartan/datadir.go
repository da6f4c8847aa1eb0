package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

const dataRoot = "/var/lib/aztec"

// dataMarker says whose data a directory has. An empty disk has none, so a
// node does not start on one: it would sync anew, and forget what it signed.
func dataMarker(name string) string { return ".aztec-spartan-" + name }

// dataMove is a change of the directory of an instance's data.
type dataMove struct{ from, to string }

// planData refuses a directory that would make a node start empty.
func (a *app) planData(catalog profiles.Catalog, p *configPlan) error {
	usual := filepath.Join(dataRoot, p.inst.Name)
	before := usual
	if p.old != nil {
		before = catalog.DataDir(*p.old)
	}
	after := catalog.DataDir(p.inst)
	if before == after && after != usual && after != "" && !exists(a.path(mountPath(p.inst.Name))) {
		before = usual // settings that were put back by hand: nothing is bound yet
	}
	if before == after || after == "" {
		return nil
	}
	refuse := func(hint string, err error, args ...any) error {
		return withHint(usage(fmt.Errorf("configuring %s: --data-dir %s: %w", p.inst.Name, after, err)), hint, args...)
	}
	info, err := os.Lstat(a.path(after))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return refuse("choose another directory", err)
	case !info.IsDir():
		return refuse("choose another; a link may lead elsewhere at the next boot", errors.New("it is no directory"))
	}
	had, err := hasData(a.path(before))
	if err != nil {
		return refuse("nothing was changed", err)
	}
	if !had {
		if other, err := os.ReadDir(a.path(after)); err == nil && len(other) > 0 && !exists(a.path(filepath.Join(after, dataMarker(p.inst.Name)))) {
			return refuse("an empty one, or one that does not exist; aztec-spartan adopt takes over the data of another program", errors.New("it has files, and they are not known to be this instance's"))
		}
		p.move = &dataMove{to: after}
		return nil
	}
	if p.running {
		return refuse("aztec-spartan stop %s first", errors.New("the node runs, and its data would have to be moved"), p.inst.Name)
	}
	if other, err := os.ReadDir(a.path(after)); err == nil && len(other) > 0 {
		return refuse("choose a directory that is empty or does not exist", fmt.Errorf("it has files, and so has %s", before))
	}
	same, err := sameDisk(a.path(before), a.path(after))
	if err != nil {
		return refuse("nothing was changed", err)
	}
	if !same {
		return refuse("stop it, then: cp -a --sparse=always %[1]s/. %[2]s/ && mv %[1]s %[1]s.moved && touch %[2]s/%[3]s, and this again", fmt.Errorf("%s has data, on another file system", before), before, after, dataMarker(p.inst.Name))
	}
	p.move = &dataMove{from: before, to: after}
	return nil
}

// dataHome is the directory that the data of an instance are in; "" if its role
// has none.
func (a *app) dataHome(inst profiles.Instance) string {
	if catalog, err := a.catalog(); err == nil && catalog.DataDir(inst) == "" {
		return ""
	}
	return a.boundOrUsual(inst.Name)
}

// boundOrUsual is the directory of data: that on another disk, whether it is
// mounted where the node looks or not.
func (a *app) boundOrUsual(name string) string {
	return orDefault(a.boundData(mountPath(name)), filepath.Join(dataRoot, name))
}

// keptData is the directory of the data of an instance of that name and role
// that was removed, "" if it was the usual one: made again, it must not begin
// on an empty one.
func (a *app) keptData(name string, f configFlags) (string, error) {
	path := instancePath(name, removedSettings)
	data, err := os.ReadFile(a.path(path))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("configuring %s: %w", name, err)
	}
	was, err := profiles.ParseInstance(name, data)
	if err != nil {
		return "", withHint(fmt.Errorf("configuring %s: reading %s, which says where the data of before are: %w", name, path, err), "put it right or away")
	}
	if was.DataDir == "" || was.Role != f.role || f.changed("data-dir") {
		return "", nil
	}
	a.note("the data of before are in %s", was.DataDir)
	return was.DataDir, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// hasData reports whether a directory has anything but our marker.
func hasData(dir string) (bool, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	for _, f := range files {
		if matched, _ := filepath.Match(dataMarker("*"), f.Name()); !matched {
			return true, nil
		}
	}
	return false, err
}

// sameDisk reports whether a rename can bring one directory to the place of
// another, which need not exist.
func sameDisk(from, to string) (bool, error) {
	one, err := device(from)
	if err != nil {
		return false, err
	}
	two, err := device(to)
	return one == two, err
}

// device is the file system that a path is on, or would be.
func device(path string) (uint64, error) {
	for {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path) {
			path = filepath.Dir(path)
			continue
		}
		if err != nil {
			return 0, err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return 0, errors.New("its file system is not known")
		}
		return st.Dev, nil
	}
}

// moveData brings the data to their new place, and binds it where the node
// looks: its unit needs what is mounted there (RequiresMountsFor=), so that a
// disk that is away keeps the node down.
func (a *app) moveData(ctx context.Context, p *configPlan) error {
	if p.move == nil {
		return nil
	}
	name, to := p.inst.Name, p.move.to
	where := filepath.Join(dataRoot, name)
	fail := func(err error) error { return fmt.Errorf("moving the data of %s: %w", name, err) }
	mount := mountPath(name)
	if a.live() && exists(mount) {
		if err := a.stopMount(ctx, mount); err != nil {
			return fail(err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(a.path(to)), 0o755); err != nil {
		return fail(err)
	}
	if p.move.from == "" {
		if err := os.MkdirAll(a.path(to), 0o700); err != nil {
			return fail(err)
		}
	}
	marker := filepath.Join(a.path(orDefault(p.move.from, to)), dataMarker(name))
	if err := atomicfile.Write(marker, []byte(name+"\n"), 0o644); err != nil {
		return fail(err)
	}
	// While data and mount unit do not agree, the marker is not where it is looked
	// for. A node that started in between would sync anew, and sign with nothing
	// known of what it signed.
	path := a.path(mount)
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err)
	}
	if to != where {
		if err := a.bindData(ctx, path, mountUnit(name, to)); err != nil {
			return fail(err)
		}
	}
	if p.move.from != "" {
		if err := renameDir(a.path(p.move.from), a.path(to)); err != nil {
			return fail(errors.Join(err, a.bindData(ctx, path, before)))
		}
	}
	if to == where {
		if err := atomicfile.Remove(path); err != nil {
			return fail(err)
		}
		return nil
	}
	a.note("the data of %s are in %s", name, to)
	return nil
}

// stopMount unmounts the data of an instance from where the node looks.
func (a *app) stopMount(ctx context.Context, mount string) error {
	return a.withManager(ctx, func(m *manager.Manager) error { return m.Stop(ctx, filepath.Base(mount)) })
}

// bindData puts a mount unit in place, and has systemd read it; nil is none.
func (a *app) bindData(ctx context.Context, path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	var err error
	if text == nil {
		err = atomicfile.Remove(path)
	} else {
		err = atomicfile.Write(path, text, 0o644)
	}
	if err != nil {
		return err
	}
	return a.reload(ctx)
}

// mountPath is the unit that binds the data of an instance to where they are
// looked for.
func mountPath(name string) string {
	return filepath.Join(systemdDir, unit.UnitNamePathEscape(filepath.Join(dataRoot, name))+".mount")
}

// mountUnit binds a directory where the data of an instance are looked for.
// Without the marker it fails, and with it the node's start.
func mountUnit(name, dir string) []byte {
	return fmt.Appendf(nil, `# Generated by aztec-spartan.
[Unit]
Description=Data of Aztec node %[1]s
Documentation=man:aztec-spartan(1)
RequiresMountsFor=%[2]s
AssertPathExists=%[2]s/%[3]s

[Mount]
What=%[2]s
Where=%[4]s
Type=none
Options=bind
`, name, dir, dataMarker(name), filepath.Join(dataRoot, name))
}
