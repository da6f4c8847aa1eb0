package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
)

// removedSettings is the name of instance.toml once its instance was removed.
const removedSettings = settingsFile + ".removed"

// removalPlan is what there is of an instance. Paths are the host's, and exist.
type removalPlan struct {
	name, unit string
	installed  bool
	files      []string // units and links of ours
	mount      string   // mount unit of its data; "": none
	state      []string // generations, cache
	data       []string // those that are not at the usual place
	purge      []string // data, keys, and what is the operator's
}

// gone is what goes, in order: links before what they lead to, and data before
// the mount unit that says where they are. The settings come last.
func (p *removalPlan) gone(purge bool) []string {
	list := slices.Clone(p.files)
	if purge {
		list = append(list, p.data...)
	}
	if p.mount != "" {
		list = append(list, p.mount)
	}
	list = append(list, p.state...)
	if purge {
		list = append(list, p.purge...)
	}
	return list
}

// planRemoval finds what there is of an instance, and refuses one that must
// not be removed now. A mistake in its settings does not keep it here.
func (a *app) planRemoval(ctx context.Context, name string, purge bool) (*removalPlan, error) {
	p := &removalPlan{name: name}
	refuse := func(hint string, err error, args ...any) error {
		return withHint(fmt.Errorf("removing %s: %w", name, err), hint, args...)
	}
	newer := (*units.NewerSchemaError)(nil)
	_, err := a.loadInstance(name)
	if errors.Is(err, profiles.ErrSchema) {
		return nil, err
	}
	state, err := a.files().Load(name)
	if errors.As(err, &newer) {
		return nil, err
	}
	if err := unfinishedRoll(state, "removing", name); err != nil {
		return nil, err
	}
	if off := state.NoSigning; off != nil && !purge { // made again, it would know nothing of that
		return nil, refuse("aztec-spartan start %s --sign, from %s on, lets it, and then this again", fmt.Errorf("it must not sign: %s", off.Reason), name, off.Until.Local().Format(time.DateTime))
	}
	adoption, err := a.loadAdoption(name)
	if err != nil {
		return nil, err
	}
	if adoption != nil && !slices.Contains([]string{stepPrepared, stepAdopted, stepUndone}, adoption.Step) {
		return nil, refuse("aztec-spartan adopt --undo %s takes it back", errors.New("its adoption from docker is not finished"), name)
	}
	docker := adoption != nil && adoption.Step != stepAdopted // has the node
	if docker && !purge {                                     // made again, it would start beside its container
		return nil, refuse("remove %s --purge deletes its keys here as well; the container keeps its own", errors.New("it was to take over from docker, and did not, so its keys may be in use"), name)
	}
	if err := a.rolling(ctx, name); err != nil {
		return nil, err
	}
	if err := a.findUnit(p); err != nil {
		return nil, err
	}
	present := func(list []string, paths ...string) []string {
		for _, path := range paths {
			if exists(a.path(path)) {
				list = append(list, path)
			}
		}
		return list
	}
	if mount := mountPath(name); exists(a.path(mount)) {
		p.mount = mount
	}
	for _, dir := range a.dataElsewhere(name) {
		marker := filepath.Join(dir, dataMarker(name))
		switch {
		case docker && adoption.Mode == dataInPlace:
			a.note("%s is the container's, and stays", dir)
			p.data = present(p.data, marker)
		case exists(a.path(marker)):
			p.data = append(p.data, dir)
		default:
			a.note("warning: %s is not known to be the data of %s, and is left alone", dir, name)
		}
	}
	p.state = present(nil, filepath.Join(stateDir, name), filepath.Join(cacheRoot, name))
	p.purge = present(p.purge, filepath.Join(dataRoot, name), units.OutputDir(name))
	if p.unit != "" {
		p.purge = present(p.purge, filepath.Join(systemdDir, p.unit+".d"), filepath.Join("/etc/systemd/system.control", p.unit+".d"))
	}
	p.purge = present(p.purge, sysusersFile(name), instancePath(name, ""))
	return p, nil
}

// rolling refuses while the engine of a roll runs.
func (a *app) rolling(ctx context.Context, name string) error {
	if !a.live() {
		return nil
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := m.State(ctx, rollUnit(name))
	if err != nil || s.Down() {
		return err
	}
	return withHint(withCode(exitLocked, fmt.Errorf("removing %s: a roll is under way", name)), "aztec-spartan stop %s cancels it", name)
}

// findUnit looks for the units of the instance by what they say themselves,
// and for links to them.
func (a *app) findUnit(p *removalPlan) error {
	found, err := a.unitFiles(p.name)
	if err != nil {
		return err
	}
	for _, path := range found {
		file := filepath.Base(path)
		meta, err := a.files().Active(file)
		if newer := (*units.NewerSchemaError)(nil); errors.As(err, &newer) {
			return err
		}
		if err != nil || meta.Instance != p.name {
			continue // somebody else's
		}
		p.unit, p.installed = file, true
		for _, kind := range []string{"wants", "requires"} {
			links, err := filepath.Glob(a.path(filepath.Join(systemdDir, "*."+kind, file)))
			if err != nil {
				return err
			}
			for _, link := range links {
				p.files = append(p.files, a.hostPath(link))
			}
		}
		p.files = append(p.files, filepath.Join(systemdDir, file))
	}
	if inst, err := a.loadInstance(p.name); p.unit == "" && err == nil {
		p.unit, _ = a.unitOf(inst) // of which there may be drop-ins
	}
	return nil
}

// hostPath is the host's name of a path that a.path gave.
func (a *app) hostPath(path string) string {
	return filepath.Join("/", strings.TrimPrefix(path, a.root))
}

// dataElsewhere are the directories of an instance's data that are not the
// usual one, as its mount unit and its settings have them: a remove takes the
// unit, and leaves the settings.
func (a *app) dataElsewhere(name string) []string {
	dirs := []string{a.boundData(mountPath(name))}
	for _, file := range []string{settingsFile, removedSettings} {
		text, err := os.ReadFile(a.path(instancePath(name, file)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var inst profiles.Instance
		if err == nil {
			inst, err = profiles.ParseInstance(name, text)
		}
		if err != nil && dirs[0] == "" {
			a.note("warning: if %s has data elsewhere, %s does not say where: %v", name, instancePath(name, file), err)
		} else if err == nil {
			dirs = append(dirs, inst.DataDir)
		}
	}
	slices.Sort(dirs)
	return slices.DeleteFunc(slices.Compact(dirs), func(dir string) bool { return dir == "" || dir == filepath.Join(dataRoot, name) })
}

// boundData is the directory that a mount unit of ours binds.
func (a *app) boundData(mount string) string {
	text, err := os.ReadFile(a.path(mount))
	if err != nil {
		return ""
	}
	return mountedDir(text)
}

// mountedDir is what a mount unit mounts; "" if it does not say.
func mountedDir(text []byte) string {
	for line := range strings.Lines(string(text)) {
		if dir, ok := strings.CutPrefix(strings.TrimSpace(line), "What="); ok {
			return dir
		}
	}
	return ""
}

// deleteTree removes a path with all that is below it. Links are removed, never
// followed. A directory that something is mounted on is emptied.
func (a *app) deleteTree(path string) error {
	err := os.RemoveAll(a.path(path))
	if errors.Is(err, syscall.EBUSY) {
		if left, rerr := os.ReadDir(a.path(path)); rerr == nil && len(left) == 0 {
			a.note("warning: something is mounted on %s, which is empty now", path)
			return nil
		}
	}
	if err != nil {
		return err
	}
	if err := atomicfile.SyncDir(filepath.Dir(a.path(path))); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// dropUser removes the user of an instance that owns nothing any more.
func (a *app) dropUser(ctx context.Context, name string) error {
	if !a.live() {
		return nil
	}
	const noSuchUser = 6 // userdel(8)
	out, err := exec.CommandContext(ctx, "userdel", userOf(name)).CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == noSuchUser {
		return nil
	}
	if err != nil { // nobody can use it: it has no password and no shell
		a.note("warning: the user %s stays: %v: %s", userOf(name), err, bytes.TrimSpace(out))
	}
	return nil
}

// keysAtStake are the addresses whose keys a purge deletes, as far as they can
// be read.
func (a *app) keysAtStake(ctx context.Context, name string) []string {
	sec, err := a.loadKeys(ctx, name)
	if err != nil || sec.keystore == nil {
		return nil
	}
	addresses, err := sec.addresses()
	if err != nil {
		return nil
	}
	var list []string
	for _, address := range addresses {
		list = append(list, address.String())
	}
	return list
}

// warnDependents names instances that use one of those that go.
func (a *app) warnDependents(names []string) {
	ports := map[string]string{}
	for _, name := range names {
		if inst, err := a.loadInstance(name); err == nil {
			ports[rpcURL(inst.Ports.RPC)] = name
		}
	}
	others, _ := a.instanceNames()
	for _, other := range others {
		inst, err := a.loadInstance(other)
		if err != nil || slices.Contains(names, other) {
			continue
		}
		if broker := ports[strings.TrimSuffix(inst.Prover.Broker, "/")]; broker != "" {
			a.note("warning: %s has %s for its broker", other, broker)
		}
		if slices.Contains(names, inst.StandbyOf) && !a.promotedOver(other, inst.StandbyOf) {
			a.note("warning: %s stands by for %s", other, inst.StandbyOf)
		}
	}
}
