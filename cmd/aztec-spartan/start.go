package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

func (a *app) startCommand() *cobra.Command {
	var f startFlags
	var sign bool
	cmd := &cobra.Command{
		Use:   "start [NAME...]",
		Short: "Start instances, and enable them at boot",
		Long: `Start instances and wait until their nodes run. Without names, all of them.

The image is fetched first if it is missing. The instance is enabled: it comes
back after a reboot. Plain systemctl start keeps its meaning.

An instance that export --move took away is refused, but with --here. One that
import brought starts when it is sure that its key runs nowhere else: it asks, or
wants --not-elsewhere, looks whether the key is used, and waits out what the other
host could have signed: 144 s from the export if that host refuses to start it,
an epoch (38 min) else.

Where an update went back to a version that does not know what the newer one
signed, the node runs without its validator. --sign ends that, once every slot
that the newer one could have signed is past, and restarts a node that runs.`,
		Example: `  aztec-spartan start val1
  aztec-spartan start val1 --sign`,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.dangerPeriod < 0 {
				return usage(errors.New("--danger-period must not be negative"))
			}
			if len(args) != 1 && f != (startFlags{}) {
				return usage(errors.New("start: the flags are about one instance: name it"))
			}
			if sign {
				return a.each(cmd.Context(), "start", args, false, onlyInstance, func(ctx context.Context, m *manager.Manager, name string) error {
					return a.startSigning(ctx, m, name, f)
				})
			}
			return a.each(cmd.Context(), "start", args, false, everyInstance, func(ctx context.Context, m *manager.Manager, name string) error {
				return a.start(ctx, m, name, f)
			})
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.here, "here", false, "it was exported with --move, or replaced by promote, and runs here after all")
	fs.BoolVar(&f.notElsewhere, "not-elsewhere", false, "it was imported, and its key runs nowhere else")
	fs.BoolVar(&f.ignoreActivity, "ignore-activity", false, "it was imported, and who used its key meanwhile was you")
	fs.DurationVar(&f.dangerPeriod, "danger-period", 0, "it was imported: how long to wait and look, from now")
	fs.BoolVar(&sign, "sign", false, "let an instance sign again that an update has kept from it")
	return cmd
}

// each runs do for the selected instances, one at a time.
func (a *app) each(ctx context.Context, verb string, args []string, all bool, none selection,
	do func(ctx context.Context, m *manager.Manager, name string) error,
) error {
	if err := a.needRoot(verb, false); err != nil {
		return err
	}
	names, err := a.selected(args, all, none)
	if err != nil {
		return err
	}
	if !a.live() {
		return withCode(exitUnsupported, fmt.Errorf("%s: --root never talks to systemd", verb))
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	if verb != "stop" {
		state, err := m.SystemState(ctx)
		if err == nil {
			err = mayStart(verb, state)
		}
		if err != nil {
			return err
		}
	}
	turn := func(name string) error { return do(ctx, m, name) }
	if verb == "start" || verb == "restart" && !all { // restart --all leaves those stopped that are
		turn = a.inOwnTurn(names, turn)
	}
	return inTurn(ctx, verb, a.inOrder(verb, names), turn)
}

// inTurn does a verb for one instance after the other. That one cannot be started
// keeps no other down, nor does one that cannot be stopped keep another running; a
// restart that went wrong is not done to the next.
func inTurn(ctx context.Context, verb string, names []string, do func(name string) error) error {
	var errs []error
	for _, name := range names {
		if err := do(name); err != nil {
			errs = append(errs, err)
			if ctx.Err() != nil || verb != "start" && verb != "stop" {
				break
			}
		}
	}
	return errors.Join(errs...)
}

func connect(ctx context.Context) (*manager.Manager, error) {
	m, err := manager.Connect(ctx)
	if err != nil {
		return nil, withHint(err, "nodes run as systemd services; --root DIR prepares a tree without one")
	}
	return m, nil
}

func (a *app) start(ctx context.Context, m *manager.Manager, name string, f startFlags) error {
	last := a.lastStop(name)
	return a.lockedInstance(ctx, name, "start", func(inst profiles.Instance) error {
		if err := a.mayRun(name); err != nil {
			return err
		}
		unit, err := a.prepare(ctx, inst)
		if err != nil {
			return err
		}
		if err := a.settleElsewhere(ctx, inst, f); err != nil {
			return err
		}
		now, err := m.State(ctx, unit)
		if err != nil {
			return err
		}
		if now.Down() {
			if err := a.checkPorts(inst, nil); err != nil {
				return err
			}
		}
		if now.UnitFileState != "enabled" { // its first start, or that after a stop
			a.checkup(ctx, inst)
		}
		if err := a.closePorts(ctx); err != nil {
			return err
		}
		return a.unlessStopped(ctx, m, name, unit, last, func() error {
			if err := m.Enable(ctx, unit); err != nil {
				return err
			}
			if err := a.awaitReference(ctx, m, unit); err != nil || a.lastStop(name) != last {
				return err
			}
			began := time.Now()
			if err := m.Start(ctx, unit, a.waiting(unit, "start")...); err != nil {
				return a.explain(ctx, m, name, unit, err)
			}
			if err := unmet(ctx, m, unit); err != nil {
				return err
			}
			if now.ActiveState == "active" {
				a.print("%s runs already, and is enabled at boot", name)
				return nil
			}
			a.print("started %s in %.1f s, and enabled it at boot", name, time.Since(began).Seconds())
			return nil
		})
	})
}

// prepare makes sure that the instance has a unit and the unit its image.
func (a *app) prepare(ctx context.Context, inst profiles.Instance) (string, error) {
	state, meta, err := a.generations(inst)
	if err != nil {
		return "", err
	}
	if err := unfinishedRoll(state, "starting", inst.Name); err != nil {
		return "", err
	}
	if err := a.checkStandby(ctx, "starting "+inst.Name, inst, a.versionOf(inst)); err != nil {
		return "", err
	}
	if meta.Image != "" {
		if _, err := a.have(meta.Image); err == nil {
			return state.Unit, nil
		}
		// The very image that the unit names, whatever its tag means today.
		_, _, err := a.pull(ctx, repositoryOf(meta.Reference)+"@"+meta.Digest)
		return state.Unit, err
	}
	// What was pulled or loaded ahead of the first start is what was meant.
	img, err := a.here(inst.Image)
	if errors.Is(err, extract.ErrNotFound) {
		img, _, err = a.pull(ctx, inst.Image)
	}
	if err != nil {
		return "", err
	}
	catalog, err := a.catalog()
	if err != nil {
		return "", err
	}
	if err := a.beginsOn(catalog, inst, img); err != nil {
		return "", err
	}
	sec, err := a.loadSecrets(ctx, inst.Name)
	if err != nil {
		return "", err
	}
	r, err := a.render(ctx, inst, img, sec, state.Next())
	if err != nil {
		return "", err
	}
	for _, w := range r.warnings { // config --no-pull had no image to check names against
		a.note("warning: %s", w)
	}
	return r.unit, a.apply(ctx, &configPlan{inst: inst, sec: sec, state: state, rendered: r, running: false})
}

// waiting says what a job waits for, so that a slow one is not taken for a
// hanging one: at once on a terminal, which forgets it again, and every ten
// seconds elsewhere.
func (a *app) waiting(unit, verb string) []manager.Option {
	const quiet = 10
	columns := 0
	return []manager.Option{
		manager.OnWait(func(elapsed time.Duration) {
			seconds := int(elapsed.Seconds())
			text := fmt.Sprintf("waiting for %s to %s (%d s)", unit, verb, seconds)
			switch {
			case isTerminal(a.err):
				columns = len(text)
				fmt.Fprintf(a.err, "\r%s\r", text)
			case seconds > 0 && seconds%quiet == 0:
				a.note("%s", text)
			}
		}),
		manager.OnEnd(func() {
			if columns > 0 {
				fmt.Fprintf(a.err, "\r%*s\r", columns, "")
			}
		}),
	}
}

// explain adds what the node's own end says to a failed job.
func (a *app) explain(ctx context.Context, m *manager.Manager, name, unit string, err error) error {
	if ctx.Err() != nil { // a unit whose start has begun goes on with it
		return withHint(err, "aztec-spartan status %s shows what it does; aztec-spartan stop %s ends it", name, name)
	}
	if s, serr := m.State(ctx, unit); serr == nil {
		if words := exitWords(s); words != "" {
			err = fmt.Errorf("%w: the node %s", err, words)
		}
		if obstacle := a.obstacle(ctx, name, s); obstacle != nil {
			return fmt.Errorf("%w: %w", err, obstacle)
		}
	}
	return withHint(err, "aztec-spartan logs %s -n 50", name)
}
