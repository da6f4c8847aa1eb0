package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

func (a *app) configCommand() *cobra.Command {
	var f configFlags
	cmd := &cobra.Command{
		Use:   "config [NAME]",
		Short: "Create or change an instance",
		Long: `Create an instance, or change the settings of one.

On a terminal, what a new instance needs and no flag gives is asked for. The
image is fetched, so that settings are checked against the very version and
the unit is complete. What is not named stays as it is. A running node is not
restarted: it is said when a restart is needed.`,
		Example: `  aztec-spartan config val1
  aztec-spartan config val1 --version 4.1.2 --network mainnet --ip 203.0.113.7 \
      --ethereum-host https://eth.example --l1-consensus-host-url https://beacon.example \
      --key-file ./key
  aztec-spartan config val1 --set P2P_MAX_PEERS=50 --unset LOG_LEVEL
  aztec-spartan config val1 --p2p-port 40401 --dry-run`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("config", true); err != nil {
				return err
			}
			f.changed = cmd.Flags().Changed
			name := strings.Join(args, "")
			if name == "" && a.terminal() {
				var err error
				if name, err = a.promptName(cmd.Context()); err != nil {
					return err
				}
			}
			if name == "" {
				return withHint(usage(errors.New("config: the name of the instance is missing")), "aztec-spartan config val1 ...")
			}
			if err := profiles.ValidName(name); err != nil {
				return usage(err)
			}
			do := func() error { return a.config(cmd.Context(), name, f) }
			if f.dryRun { // writes nothing, so needs no lock
				return do()
			}
			return a.locked(cmd.Context(), name, "config", do)
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (a *app) config(ctx context.Context, name string, f configFlags) error {
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	old, inst, err := a.before(name, f)
	if err != nil {
		return err
	}
	sec, err := a.loadSecrets(ctx, name)
	if err != nil {
		return err
	}
	if old == nil && a.terminal() {
		if err := a.promptInstance(ctx, &inst, &f, sec); err != nil {
			return err
		}
	}
	if inst.Image, err = a.reference(inst.Image); err != nil {
		return err
	}
	if err := catalog.Validate(inst); err != nil {
		return usage(fmt.Errorf("configuring %s: %w", name, err))
	}
	state, meta, err := a.generations(inst)
	if err != nil {
		return err
	}
	if state.Intent != nil && state.Intent.Begun {
		return withHint(fmt.Errorf("configuring %s: its roll to another version is not finished", name), "if nothing rolls, it was interrupted: aztec-spartan rollback %s takes it back", name)
	}
	running, err := a.isRunning(ctx, state.Unit)
	if err != nil {
		return err
	}
	var held []profiles.Listen
	if running && old != nil {
		held = catalog.Listens(*old)
	}
	if err := a.checkPorts(inst, held); err != nil {
		return err
	}
	// What is applied is what changes; edits by hand are part of the change.
	if was, err := a.applied(name, meta.Generation); err == nil && was != nil {
		old = was
	}
	if err := a.changeKeys(ctx, &sec, old, inst, f); err != nil {
		return err
	}
	img, err := a.imageFor(ctx, inst, meta, f)
	if err != nil {
		return err
	}
	var r *rendered
	if img != nil {
		if r, err = a.render(ctx, inst, img, sec, state.Next()); err != nil {
			return err
		}
		for _, w := range r.warnings {
			a.note("warning: %s", w)
		}
	}
	a.showChange(old, inst)
	if f.dryRun {
		return a.showPlan(inst, r)
	}
	return a.apply(ctx, inst, sec, state, meta.Generation, r, running)
}

// changeKeys brings the keystore in line with the flags and the settings.
func (a *app) changeKeys(ctx context.Context, sec *secrets, old *profiles.Instance, inst profiles.Instance, f configFlags) error {
	key, given, err := a.givenKey(f)
	switch {
	case err != nil:
		return err
	case given:
		was, now, err := sec.setKey(key, old, inst)
		if err != nil {
			return withHint(usage(fmt.Errorf("configuring %s: %w", inst.Name, err)), "aztec-spartan keys %s add adds to it, and --keystore FILE --replace changes it", inst.Name)
		}
		if was != "" && was != now {
			a.note("attester: %s -> %s; the old key is kept beside the new one", was, now)
		}
	case sec.keystore == nil:
		return withHint(usage(fmt.Errorf("configuring %s: its key is missing", inst.Name)), "--key-file FILE, or --key-file - for standard input")
	case old != nil && (old.Coinbase != inst.Coinbase || old.FeeRecipient != inst.FeeRecipient):
		if err := sec.setRecipients(old, inst); err != nil {
			return withHint(usage(fmt.Errorf("configuring %s: %w", inst.Name, err)), "change your own copy, then: aztec-spartan keys %s add --keystore FILE --replace", inst.Name)
		}
	}
	if f.changed("encrypt-keys") {
		if err := a.sealAs(ctx, sec, f.encryptKeys); err != nil {
			return fmt.Errorf("configuring %s: %w", inst.Name, err)
		}
	}
	if !sec.rekey {
		return nil
	}
	return a.checkAttesters(ctx, inst, *sec)
}

// before returns the settings that are there, nil for a new instance, and
// those with the flags applied.
func (a *app) before(name string, f configFlags) (old *profiles.Instance, inst profiles.Instance, err error) {
	inst, err = a.loadInstance(name)
	switch {
	case err == nil:
		before := inst
		old = &before
	case errors.Is(err, fs.ErrNotExist):
		inst = profiles.New(name)
	default:
		return nil, inst, err
	}
	return old, inst, f.apply(&inst)
}

// imageFor returns the image of the instance; nil if it is not here and was
// not to be fetched.
func (a *app) imageFor(ctx context.Context, inst profiles.Instance, meta units.Meta, f configFlags) (*extract.Image, error) {
	// A setting was changed, the image was not: a tag that moved must not
	// change the version behind the operator's back.
	if meta.Image != "" && meta.Reference == inst.Image {
		if img, err := a.have(meta.Image); err == nil {
			return img, nil
		}
	}
	if !f.noPull && !f.dryRun {
		return a.fetch(ctx, inst.Image)
	}
	img, err := a.here(inst.Image)
	if !errors.Is(err, extract.ErrNotFound) {
		return img, err
	}
	if meta.Image != "" && !f.dryRun {
		err := usage(fmt.Errorf("configuring %s: %s is not here, and --no-pull was given", inst.Name, inst.Image))
		return nil, withHint(err, "aztec-spartan pull %s", inst.Image)
	}
	return nil, nil
}

// apply writes what config decided. The unit comes last: until it is in
// place nothing that runs, or starts at boot, has changed.
func (a *app) apply(ctx context.Context, inst profiles.Instance, sec secrets, state roll.State, active int, r *rendered, running bool) error {
	if err := a.files().Drop(inst.Name); err != nil { // of a roll that was recorded and never begun
		return err
	}
	state.Intent = nil
	if err := os.MkdirAll(a.path(instancePath(inst.Name, "")), 0o750); err != nil {
		return fmt.Errorf("configuring %s: %w", inst.Name, err)
	}
	if err := a.ensureUser(ctx, inst.Name); err != nil {
		return err
	}
	var env []byte
	if r != nil {
		env = r.secretEnv
	}
	if err := a.saveSecrets(ctx, inst.Name, sec, env); err != nil {
		return err
	}
	changed := sec.changed()
	if r == nil {
		if err := a.saveInstance(inst); err != nil {
			return err
		}
		a.print("%s is configured; its image is fetched at the first start", inst.Name)
		return nil
	}
	current, err := a.files().Read(inst.Name, active)
	if active == 0 || err != nil || !r.same(current, active) {
		changed = true
		if err := a.switchOffline(ctx, inst.Name, &state, active, r); err != nil {
			return err
		}
	}
	switch {
	case !changed && sec.reform():
		a.print("%s: only the form of its keystore on disk changed; no restart is needed", inst.Name)
	case !changed:
		a.print("%s: nothing to change", inst.Name)
	case running:
		a.print("%s is configured: restart needed (aztec-spartan restart %s)", inst.Name, inst.Name)
	default:
		a.print("%s is configured (%s, %s); next: aztec-spartan start %s", inst.Name, inst.Role, r.Version, inst.Name)
	}
	return nil
}

// switchOffline adds a generation and puts it in place without touching what
// runs.
func (a *app) switchOffline(ctx context.Context, name string, state *roll.State, active int, r *rendered) error {
	state.Unit = r.unit
	if old, ok := state.Generation(active); ok && old.Image != r.Image {
		state.Previous = active
	}
	if err := a.files().Add(name, state, r.Generation, r.Content); err != nil {
		return err
	}
	if err := a.files().Activate(name, r.unit, r.Number); err != nil {
		return err
	}
	if !a.live() {
		return nil
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Reload(ctx)
}
