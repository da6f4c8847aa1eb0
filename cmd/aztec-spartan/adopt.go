package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/charmbracelet/huh"
	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/docker"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

type adoptFlags struct {
	network, service, image       string
	dryRun, inPlace, asCopy, undo bool
	yes, gone                     bool
}

func (a *app) adoptCommand() *cobra.Command {
	var f adoptFlags
	cmd := &cobra.Command{
		Use:   "adopt DIR [NAME]",
		Short: "Take over a node that runs with docker",
		Long: `Take over a node that runs with docker: DIR is a directory of aztec-spartan.sh or
aztec-sequencer.sh, one with a compose file like upstream's or EthPillar's, or a
systemd unit that runs docker. NAME is the instance to make, by default node.

What the container is set up with is read and shown: role, settings, what becomes
of each variable, keys by their addresses, and where its data are. The very image
that runs is pulled by its digest, and the instance configured, while the
container still runs. Then, on consent, the container is stopped and kept from
coming back, its data are renamed (one file system), used where they are
(--in-place) or copied, and the instance is started. The two never run together.

An adoption that was interrupted goes on when it is called again; a terminal that
goes away after the consent interrupts none. --undo NAME stops the instance, puts
data back, and unit and container are as they were.`,
		Example: `  aztec-spartan adopt ~/aztec val1 --dry-run
  aztec-spartan adopt ~/aztec val1
  aztec-spartan adopt /etc/systemd/system/aztec.service agent1 --yes
  aztec-spartan adopt --undo val1`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("adopt", true); err != nil {
				return err
			}
			dir, name := args[0], "node"
			if len(args) == 2 {
				name = args[1]
			}
			if f.undo {
				if len(args) == 2 {
					return usage(errors.New("adopt --undo wants the name of an instance, and nothing else"))
				}
				dir, name = "", args[0]
			}
			if err := profiles.ValidName(name); err != nil {
				return usage(err)
			}
			if f.inPlace && f.asCopy {
				return usage(errors.New("--in-place and --copy exclude each other"))
			}
			ad := a.adopter()
			if f.undo {
				return a.locked(cmd.Context(), name, "adopt", func() error { return ad.undo(cmd.Context(), name, f.yes) })
			}
			if !a.live() && !filepath.IsAbs(dir) {
				return usage(errors.New("adopt: with --root, DIR is an absolute path in that tree"))
			}
			dir, err := filepath.Abs(dir)
			if err != nil {
				return usage(err)
			}
			return ad.adopt(cmd.Context(), dir, name, f)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.network, "network", "n", "", "network, where the set-up does not say one that is known here")
	fs.StringVar(&f.service, "service", "", "`service` of the compose file, if several run Aztec")
	fs.StringVarP(&f.image, "image", "i", "", "OCI `reference` of the image, where docker cannot say what runs")
	fs.BoolVar(&f.dryRun, "dry-run", false, "show the plan, change nothing")
	fs.BoolVar(&f.inPlace, "in-place", false, "use the data where they are")
	fs.BoolVar(&f.asCopy, "copy", false, "copy the data, and leave the old ones")
	fs.BoolVarP(&f.yes, "yes", "y", false, "stop the container without asking")
	fs.BoolVar(&f.gone, "no-container", false, "it is known that the node runs nowhere, though docker was not asked")
	fs.BoolVar(&f.undo, "undo", false, "put an instance that was adopted back into its container")
	return cmd
}

// adopter is an adoption with the two that must not run together: docker, nil
// where there is none, and the services of this host.
type adopter struct {
	*app
	docker *docker.CLI
	begin  func(ctx context.Context, name string) error // ours
	end    func(ctx context.Context, name string) error
	units  func(ctx context.Context) (wrappers, error) // of this host; one of them may wrap docker
}

func (a *app) adopter() *adopter {
	ad := &adopter{app: a}
	if !a.live() { // a tree has no docker, and nothing runs there
		ad.begin = func(context.Context, string) error { return nil }
		ad.end = ad.begin
		ad.units = func(context.Context) (wrappers, error) { return noWrappers{}, nil }
		return ad
	}
	ad.docker = docker.Installed()
	ad.begin = func(ctx context.Context, name string) error {
		return a.withManager(ctx, func(m *manager.Manager) error { return a.start(ctx, m, name, startFlags{}) })
	}
	ad.end = func(ctx context.Context, name string) error {
		return a.withManager(ctx, func(m *manager.Manager) error { return a.stop(ctx, m, name) })
	}
	ad.units = func(ctx context.Context) (wrappers, error) { return connect(ctx) }
	return ad
}

func (ad *adopter) adopt(ctx context.Context, dir, name string, f adoptFlags) error {
	if f.dryRun {
		_, err := ad.plan(ctx, dir, name, f)
		return err
	}
	// Not before, as a question to a terminal that is gone would wait for ever.
	mortal := func() {}
	defer func() { mortal() }()
	agreed := func() { _, mortal = outlive() }
	err := ad.locked(ctx, name, "adopt", func() error { return ad.handOver(ctx, dir, name, f, agreed) })
	if err != nil {
		return err
	}
	// start takes the lock of the instance itself.
	r, err := ad.loadAdoption(name)
	if err != nil {
		return err
	}
	if err := ad.stopped(ctx, r); err != nil {
		return err
	}
	if err := ad.begin(ctx, name); err != nil {
		return withHint(fmt.Errorf("adopting %s: %w", dir, err), "aztec-spartan adopt --undo %s puts the container back", name)
	}
	if err := ad.saveAdoption(ctx, r, stepAdopted); err != nil {
		return err
	}
	ad.print("%s is adopted; aztec-spartan adopt --undo %s takes it back", name, name)
	return nil
}

// handOver does all but start ours. It calls agreed before it stops the container:
// a copy may take hours, in which neither of the two runs.
func (ad *adopter) handOver(ctx context.Context, dir, name string, f adoptFlags, agreed func()) error {
	r, err := ad.loadAdoption(name)
	if err != nil {
		return err
	}
	switch {
	case r == nil:
		if _, err := ad.loadInstance(name); !errors.Is(err, fs.ErrNotExist) {
			return withHint(usage(fmt.Errorf("adopting %s: there is an instance %s", dir, name)), "choose another name: aztec-spartan adopt DIR NAME")
		}
	case r.Step == stepAdopted:
		return withHint(usage(fmt.Errorf("adopting %s: %s was adopted from %s already", dir, name, r.Dir)), "aztec-spartan adopt --undo %s takes it back", name)
	case r.Step == stepUndoing:
		return withHint(fmt.Errorf("adopting %s: its undoing is not finished", dir), "aztec-spartan adopt --undo %s", name)
	case r.Dir != dir && r.Step != stepUndone:
		return withHint(usage(fmt.Errorf("adopting %s: %s is being adopted from %s", dir, name, r.Dir)), "aztec-spartan adopt %s %s carries on", r.Dir, name)
	}
	if r == nil || r.Step == stepPrepared || r.Step == stepUndone {
		p, err := ad.plan(ctx, dir, name, f)
		if err != nil {
			return err
		}
		if r, err = ad.prepare(ctx, p); err != nil {
			return err
		}
		if err := ad.consent(ctx, f, r); err != nil {
			return err
		}
	} else {
		ad.note("carrying on with the adoption of %s, which was interrupted", dir)
	}
	agreed()
	if err := ad.saveAdoption(ctx, r, stepStopping); err != nil {
		return err
	}
	if err := ad.hold(ctx, r); err != nil {
		return withHint(fmt.Errorf("stopping the container: %w", err), "the same command carries on; aztec-spartan adopt --undo %s takes it back", name)
	}
	if err := ad.stopped(ctx, r); err != nil {
		return err
	}
	if err := ad.saveAdoption(ctx, r, stepMoving); err != nil {
		return err
	}
	if err := ad.takeData(ctx, *r); err != nil {
		return withHint(err, "the same command carries on; aztec-spartan adopt --undo %s takes it back", name)
	}
	return ad.saveAdoption(ctx, r, stepStarting)
}

func (ad *adopter) hold(ctx context.Context, r *adoptionRecord) error {
	if r.Unit != "" {
		if err := ad.holdUnit(ctx, r.Unit); err != nil {
			return err
		}
	}
	if r.Container == nil || ad.docker == nil {
		return nil
	}
	// One that ended with its unit comes back with docker all the same, if it is
	// to be restarted always.
	err := ad.docker.Hold(ctx, r.Container.ID)
	if r.Unit != "" && docker.NoContainer(err, r.Container.ID) {
		return nil // with --rm it is gone once its unit has stopped
	}
	return err
}

// stopped fails while the container runs, or if that is not known.
func (ad *adopter) stopped(ctx context.Context, r *adoptionRecord) error {
	if r.Container == nil {
		return nil
	}
	if ad.docker == nil {
		return errors.New("docker is gone, so whether the container runs is not known: nothing was started")
	}
	c, err := ad.docker.Inspect(ctx, r.Container.ID)
	if r.Unit != "" && docker.NoContainer(err, r.Container.ID) {
		return nil // with --rm it went with its unit
	}
	if err != nil {
		return fmt.Errorf("asking whether the container runs: %w", err)
	}
	if c.Running {
		return withHint(fmt.Errorf("the container %s runs: two nodes with one key are slashed, so the instance is not started", c.Name), "docker stop %s, and this again", c.Name)
	}
	return nil
}

// found fails if nothing tells whether the node still runs.
func (r *adoptionRecord) found() error {
	switch {
	case r.Container != nil, r.Unit != "" && !r.nameless:
		return nil
	case r.Unit != "": // of docker run --detach, a stop of the unit ends nothing
		return withHint(usage(errors.New("adopt: docker run gives the container no name, so whether it runs is not known: two nodes with one key are slashed; the instance is configured, and not started")),
			"systemctl stop %s; once docker ps shows that the container is gone: the same with --no-container", r.Unit)
	}
	return withHint(usage(errors.New("adopt: no container was found, so whether the node runs is not known: two with one key are slashed; the instance is configured, and not started")),
		"once you are sure that it runs nowhere: the same with --no-container")
}

func (ad *adopter) consent(ctx context.Context, f adoptFlags, r *adoptionRecord) error {
	if ad.live() && !f.gone {
		if err := r.found(); err != nil {
			return err
		}
	}
	if f.yes {
		return nil
	}
	if !ad.terminal() {
		return withHint(usage(errors.New("adopt: without a terminal nobody can be asked; the instance is configured, the container was not touched")), "--yes stops the container and goes on")
	}
	yes := false
	cancelled := errors.New("adopt: cancelled; the instance is configured, the container was not touched")
	err := ad.form(ctx, cancelled, huh.NewConfirm().Title("Stop the container and go on as "+r.Name+"?").Affirmative("Stop it").Negative("Cancel").Value(&yes))
	if err == nil && !yes {
		err = cancelled
	}
	return err
}

// undo puts everything back, in the other order.
func (ad *adopter) undo(ctx context.Context, name string, yes bool) error {
	r, err := ad.loadAdoption(name)
	if err != nil {
		return err
	}
	if r == nil || r.Step == stepUndone || r.Step == stepPrepared {
		return usage(fmt.Errorf("adopt --undo %s: it was not adopted", name))
	}
	if r.Container != nil && ad.docker == nil && r.Unit == "" && ad.live() {
		return withCode(exitUnsupported, errors.New("adopt --undo: there is no docker to start the container with; nothing was changed"))
	}
	if r.Mode == dataCopy && r.Step == stepAdopted && !yes {
		return withHint(usage(fmt.Errorf("adopt --undo %s: its data were copied, so the container goes on with those of before, and knows nothing of what was signed since", name)),
			"--yes does it all the same; let an epoch pass between its stop and the container's start")
	}
	_, mortal := outlive() // the container has to run again
	defer mortal()
	if err := ad.saveAdoption(ctx, r, stepUndoing); err != nil {
		return err
	}
	if err := ad.end(ctx, name); err != nil {
		return err
	}
	if err := ad.giveBack(ctx, *r); err != nil {
		return err
	}
	if r.Mode == dataCopy {
		ad.note("warning: the container goes on with its data as they were; what the instance signed since is in %s", r.To)
	}
	if err := ad.release(ctx, r); err != nil {
		return withHint(fmt.Errorf("starting the container: %w", err), "the same command tries again")
	}
	if err := ad.saveAdoption(ctx, r, stepUndone); err != nil {
		return err
	}
	ad.print("%s is stopped, and its data and container are back", name)
	return nil
}
