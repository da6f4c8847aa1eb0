package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

// chainStores are what a node can have again from L1, peers and snapshots. All
// else stays: signing-protection above all, which is what an attester has
// signed, the P2P key, admin, transactions on L1 under way (l1-tx-utils), and
// what is not known.
var chainStores = []string{"archiver", "world_state", "p2p", "p2p-archive"}

const (
	// asideDir is within the data directory: a rename brings a store there, and
	// back, whatever its size.
	asideDir = ".aztec-spartan-resync"
	// movedMark is written when all stores were moved: what is in their places
	// from then on is new.
	movedMark = "moved"
	// droppedDir are old stores that are being removed.
	droppedDir = asideDir + "-dropped"
)

// resyncFlags are what resync was called with.
type resyncFlags struct {
	undo, noWait bool
	timeout      time.Duration
}

func (a *app) resyncCommand() *cobra.Command {
	var f resyncFlags
	cmd := &cobra.Command{
		Use:   "resync NAME",
		Short: "Have a node sync its chain anew",
		Long: `Have a node sync its chain anew, as when its stores are damaged. The node is
stopped, its chain stores are moved aside (archiver, world_state, p2p,
p2p-archive), and it is started. When it is healthy again, the old stores are
removed. What it has signed (signing-protection), its keys and all else stay.

A sync takes minutes to hours. When it is not waited for (--no-wait, Ctrl-C, a
lost terminal, a node in standby), the old stores stay until resync is called
again. --undo puts them back.

A resync that is killed while its node is stopped leaves it stopped. status says
so, where it is enabled at boot. The same call goes on with it, and so does
aztec-watch.timer, if enabled, unless aztec-spartan stop says that the node is
to stay stopped.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.timeout < 0 {
				return usage(errors.New("--timeout must not be negative"))
			}
			return a.each(cmd.Context(), "resync", args, false, onlyInstance, func(ctx context.Context, m *manager.Manager, name string) error {
				last := a.lastStop(name)
				return a.lockedInstance(ctx, name, "resync", func(inst profiles.Instance) error { return a.resync(ctx, m, inst, last, f) })
			})
		},
	}
	cmd.Flags().BoolVar(&f.undo, "undo", false, "put the old stores back")
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, "do not wait until the node is healthy")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 3*time.Hour, "how long to wait until the node is healthy")
	return cmd
}

// resync has an instance, whose lock is held, sync anew. It is started unless it was
// stopped since last.
func (a *app) resync(ctx context.Context, m stopStart, inst profiles.Instance, last string, f resyncFlags) error {
	fail := func(err error) error { return fmt.Errorf("resyncing %s: %w", inst.Name, err) }
	if err := a.mayRun(inst.Name); err != nil {
		return err // its stores may be those of a container that runs
	}
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	unit, err := a.unitOf(inst)
	if err != nil {
		return err
	}
	state, err := a.files().Load(inst.Name)
	if err != nil {
		return fail(err)
	}
	if err := unfinishedRoll(state, "resyncing", inst.Name); err != nil {
		return err
	}
	meta, err := a.files().Active(unit)
	if err != nil {
		return fail(err)
	}
	if catalog.DataDir(inst) == "" || !probeTarget(meta).FollowsChain() {
		return usage(fail(fmt.Errorf("a %s has no stores of the chain", inst.Role)))
	}
	r, err := a.asideOf(inst.Name)
	if err != nil {
		return fail(err)
	}
	s, err := m.State(ctx, unit)
	if err != nil {
		return err
	}
	left := a.leftByResync(inst.Name, s) != nil
	if s.ActiveState == "deactivating" && s.Job && !left {
		return withHint(withCode(exitLocked, fail(errors.New("somebody stops it, or restarts it"))), "this again, when that is done")
	}
	running := !s.Down() || left
	pending, complete := r.state()
	switch {
	case f.undo && !pending && !left:
		return usage(fail(errors.New("no stores are aside")))
	case f.undo, !complete, left:
		if err := a.exchange(ctx, m, inst.Name, s, last, running, f.undo, r); err != nil {
			return fail(err)
		}
	}
	if f.undo {
		a.print("%s has its old stores again", inst.Name)
		return nil
	}
	if !running && !complete {
		a.print("%s is stopped, and syncs anew when it is started; then aztec-spartan resync %s removes the old stores", inst.Name, inst.Name)
		return nil
	}
	if f.noWait {
		a.print("%s syncs anew; aztec-spartan resync %s waits for it, and removes the old stores", inst.Name, inst.Name)
		return nil
	}
	if err := a.awaitHealth(ctx, inst.Name, probeTarget(meta), f.timeout); err != nil {
		return withHint(fail(err), "the old stores are kept: aztec-spartan resync %s goes on waiting, with --undo it puts them back", inst.Name)
	}
	freed := diskUsage(r.dir())
	if err := r.drop(); err != nil {
		return fail(err)
	}
	a.print("%s is healthy; its old stores are removed: %s", inst.Name, bytesOf(freed))
	return nil
}

// stopStart is what an exchange of stores needs of [manager.Manager].
type stopStart interface {
	stopper
	unitReader
	Start(ctx context.Context, unit string, opts ...manager.Option) error
}

// exchange moves stores aside, or back, while the node does not run. Whatever ends
// it, Ctrl-C while the node stops, or a terminal that goes away, the node that ran
// is started, unless somebody has stopped it since last: our own stop is not to be
// told from that one by what the unit does. was is how the unit is before; running,
// whether it ran, now or before another exchange that was killed.
func (a *app) exchange(ctx context.Context, m stopStart, name string, was manager.UnitState, last string, running, back bool, r aside) (err error) {
	unit := was.Unit
	gone, mortal := outlive()
	defer mortal()
	if running {
		if err := a.noteResync(name, last, was, back); err != nil {
			return err
		}
		defer func() {
			serr := a.unlessStopped(ctx, m, name, unit, last, func() error {
				return m.Start(context.WithoutCancel(ctx), unit, a.waiting(unit, "start")...)
			})
			if !mayComeLater(serr) {
				err = errors.Join(err, atomicfile.Remove(a.resyncMarkPath(name)))
			}
			err = errors.Join(err, serr)
			select {
			case <-gone:
				err = errors.Join(err, errHungUp)
			default:
			}
		}()
		if err := m.Stop(ctx, unit, a.waiting(unit, "stop")...); err != nil {
			return err
		}
	}
	if back {
		return r.back()
	}
	return r.move()
}

// mayComeLater reports whether a start that failed is worth another try: it was not
// taken back by somebody who wants the node down.
func mayComeLater(err error) bool {
	job, ended := errors.AsType[*manager.JobError](err)
	return err != nil && !errors.Is(err, errStoppedMeanwhile) && !(ended && job.Result == manager.Canceled)
}

// awaitHealth asks the node until it is healthy. It does not wait for one in
// standby.
func (a *app) awaitHealth(ctx context.Context, name string, t probe.Target, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	last := ""
	for {
		r := probe.Check(ctx, probe.Client(), t)
		switch {
		case r.Health == probe.Healthy:
			return nil
		case r.Health == probe.Standby: // which may be a node that has shut down, and may last for weeks
			return fmt.Errorf("waiting for it to be healthy: it is in standby: %s", r.Reason)
		case ctx.Err() != nil:
			return fmt.Errorf("waiting for it to be healthy: %w", ctx.Err())
		case r.Reason != last:
			last = r.Reason
			a.note("%s: %s: %s", name, r.Health, r.Reason)
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

// aside is the data directory of an instance, with what was moved aside in it.
type aside struct{ data string }

func (a *app) asideOf(name string) (aside, error) {
	dir, err := a.dataPath(name)
	if err != nil {
		err = withHint(err, "mount the disk that they are on")
	}
	return aside{dir}, err
}

func (r aside) dir() string { return filepath.Join(r.data, asideDir) }

// state reports whether stores are aside, and whether all are.
func (r aside) state() (pending, complete bool) {
	return exists(r.dir()), exists(filepath.Join(r.dir(), movedMark))
}

// move brings the stores aside; one that was killed in it goes on. The
// directory is the node's: no link in it leads out.
func (r aside) move() error {
	data, err := os.OpenRoot(r.data)
	if err != nil {
		return err
	}
	defer data.Close()
	if err := data.RemoveAll(droppedDir); err != nil {
		return err
	}
	if err := data.Mkdir(asideDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	for _, store := range chainStores {
		to := filepath.Join(asideDir, store)
		if _, err := data.Lstat(to); err == nil {
			continue
		}
		if err := data.Rename(store, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := errors.Join(atomicfile.SyncDir(r.data), atomicfile.SyncDir(r.dir())); err != nil {
		return err
	}
	mark, err := data.Create(filepath.Join(asideDir, movedMark))
	if err != nil {
		return err
	}
	return errors.Join(mark.Sync(), mark.Close(), atomicfile.SyncDir(r.dir()))
}

// back removes the new stores and brings the old ones back.
func (r aside) back() error {
	data, err := os.OpenRoot(r.data)
	if err != nil {
		return err
	}
	defer data.Close()
	for _, store := range chainStores {
		from := filepath.Join(asideDir, store)
		if _, err := data.Lstat(from); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := data.RemoveAll(store); err != nil {
			return err
		}
		if err := data.Rename(from, store); err != nil {
			return err
		}
	}
	if err := atomicfile.SyncDir(r.data); err != nil {
		return err
	}
	return data.RemoveAll(asideDir)
}

// drop removes the old stores. One that is killed in it has left nothing that would
// be put back.
func (r aside) drop() error {
	data, err := os.OpenRoot(r.data)
	if err != nil {
		return err
	}
	defer data.Close()
	if err := data.RemoveAll(droppedDir); err != nil {
		return err
	}
	if err := data.Rename(asideDir, droppedDir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return data.RemoveAll(droppedDir)
}
