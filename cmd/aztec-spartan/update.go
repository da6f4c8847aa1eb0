package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/policy"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// updateFlags are shared by update and rollback.
type updateFlags struct {
	to                  string
	all, check, noPull  bool
	now, unattended     bool
	giveUp              bool // on a node that is busy for as long as one waits, whatever config.toml says
	urgent              bool // the node is down until there is another version: no window, no splay
	gateTimeout, settle time.Duration
}

func (a *app) updateCommand() *cobra.Command {
	var f updateFlags
	cmd := &cobra.Command{
		Use:   "update [NAME...]",
		Short: "Roll instances to a newer version",
		Long: `Roll instances to the newest version that their policy allows, or to the one that
--to names. The image is fetched and checked while the node runs; then the node
is stopped, the new version takes its place and must pass the gate: its start
job is done, its RPC answers with the version and chain asked for, it moves
along the chain, it has peers, its process stays up. If not, the old version is
put back and the exit code is 4. What the old version did not do before is not
asked of the new one; one that is in standby until a cutover stays.

The policy is [update] of instance.toml, and of config.toml for all instances: a
constraint, a channel, an age, a window. Without one it is the newest release of
the same major version. Versions that failed here, and tags that have moved, are
not taken. --to goes before all of that, and says what it overrides. --check says
what would be done, and what it means for the data; with --json, why not for every
other tag. pre_hook and
post_hook there are programs that run before the stop and after the outcome.

Where /etc/aztec-spartan/profiles.d/repositories.toml says that versions are in
several repositories, each is taken from its own, and one that has only older
versions is not asked. aztec-spartan-config.toml(5) has its form.

With several instances the order is prover agents, broker, prover nodes, full
nodes, sequencers; the first that fails stops the rest.

--unattended is what the timer of auto-update runs: all instances, none to
another major version, none whose mode is notify. The first that is updated is
the canary: one that is unhealthy by the turn of the next stops the rest, as a
failed roll does. Images that nothing needs any more are removed afterwards.

The roll runs in aztec-roll@NAME.service: a lost terminal changes nothing.`,
		Example: `  aztec-spartan update val1 --check
  aztec-spartan update val1
  aztec-spartan update val1 --to 4.1.2
  aztec-spartan update val1 --to 4.1.2 --no-pull`,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.unattended && f.to != "":
				return usage(errors.New("--unattended and --to exclude each other"))
			case f.check:
				return a.checkEach(cmd.Context(), args, f)
			case f.unattended:
				return a.unattended(cmd.Context(), args, f)
			}
			return a.rollEach(cmd.Context(), "update", args, f, a.prepareUpdate)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.to, "to", "", "`version`, tag or image reference to roll to, also a skipped one")
	fs.BoolVar(&f.check, "check", false, "only say what would be done")
	fs.BoolVar(&f.noPull, "no-pull", false, "ask no registry: roll to an image that was pulled or loaded before")
	fs.BoolVar(&f.unattended, "unattended", false, "as the timer of auto-update does it")
	f.register(cmd)
	return cmd
}

func (f *updateFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&f.all, "all", false, "every instance, one at a time")
	fs.DurationVar(&f.gateTimeout, "gate-timeout", 0, "how long the new version may take to answer, and then to move and to have peers (default: config.toml, 5m)")
	fs.BoolVar(&f.now, "now", false, "do not wait for a node that proves, or is to propose a block")
	fs.DurationVar(&f.settle, "settle", 0, "how long it must then stay up (default: config.toml, 45s)")
}

// rolled is one roll as update --json and rollback --json print it.
type rolled struct {
	Name string `json:"name"`
	roll.Outcome
}

// rollEach rolls the selected instances one at a time; the first that fails
// stops the rest. prepare records a roll under the instance's lock, and
// reports whether there is one.
func (a *app) rollEach(ctx context.Context, verb string, args []string, f updateFlags,
	prepare func(ctx context.Context, name string, f updateFlags) (bool, error),
) (err error) {
	if err := a.needRoot(verb, false); err != nil {
		return err
	}
	if f.gateTimeout < 0 || f.settle < 0 {
		return usage(errors.New("--gate-timeout and --settle must not be negative"))
	}
	names, err := a.selected(args, f.all, onlyInstance)
	if err != nil {
		return err
	}
	done := []rolled{}
	if a.json {
		defer func() { err = errors.Join(err, a.printJSON(done)) }()
	}
	for _, name := range a.inOrder(verb, names) {
		out, err := a.rollOne(ctx, verb, name, f, prepare)
		if out != nil {
			done = append(done, rolled{name, *out})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// notBegunError is met when a roll could not be prepared: nothing has changed.
type notBegunError struct{ error }

func (e *notBegunError) Unwrap() error { return e.error }

// rollOne returns no outcome if there was nothing to do.
func (a *app) rollOne(ctx context.Context, verb, name string, f updateFlags,
	prepare func(ctx context.Context, name string, f updateFlags) (bool, error),
) (*roll.Outcome, error) {
	if _, err := a.loadInstance(name); err != nil {
		return nil, &notBegunError{err} // before a lock is made for a name that means nothing
	}
	ready := false
	err := a.locked(ctx, name, verb, func() error {
		s, err := a.files().Load(name)
		switch {
		case err != nil:
			return err
		case s.Intent != nil && s.Intent.Begun:
			// After a power cut: the lock is free, so nobody works on it. An
			// engine that finds a roll begun takes it back.
			a.note("the last roll of %s was interrupted; it is taken back instead", name)
			ready = true
			s.Intent.Tries = 0 // something may have been put right since
			return a.files().Save(name, s)
		}
		ready, err = prepare(ctx, name, f)
		return err
	})
	if err != nil {
		return nil, &notBegunError{err}
	}
	if !ready {
		return nil, nil
	}
	out, err := a.carryOut(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := outcomeError(name, out); err != nil {
		return &out, err
	}
	took := ""
	if out.DowntimeSeconds > 0 {
		took = fmt.Sprintf(", down for %.1f s", out.DowntimeSeconds)
	}
	if out.Result == roll.Waiting {
		took = ", " + out.Reason
	}
	a.print("%s: %s -> %s%s", name, out.From, out.To, took)
	return &out, nil
}

func (a *app) gate(f updateFlags) (roll.Gate, error) {
	c, err := a.hostConfig()
	g := roll.Gate{
		Start: c.Update.StartTimeout.Duration, Timeout: c.Update.GateTimeout.Duration, Settle: c.Update.Settle.Duration,
		Progress: c.Update.ProgressTimeout.Duration, Peers: c.Update.PeersTimeout.Duration,
	}
	if f.gateTimeout > 0 {
		g = g.Within(f.gateTimeout)
	}
	if f.settle > 0 {
		g.Settle = f.settle
	}
	return g, err
}

// prepareUpdate does all that can be done while the old version runs, and
// records the roll. It reports whether there is one.
func (a *app) prepareUpdate(ctx context.Context, name string, f updateFlags) (bool, error) {
	inst, state, meta, err := a.updatable(name)
	if err != nil {
		return false, err
	}
	q, err := a.question(ctx, inst, meta, state, f)
	if err != nil {
		return false, err
	}
	t, err := a.target(ctx, &q, meta, f)
	if err != nil {
		return false, err
	}
	a.tellRejected(t.decision)
	a.tellOverrides(t.ref, t.override)
	if f.unattended {
		a.tellDecision(ctx, name, meta, t)
	}
	if len(t.decision.Waits) > 0 {
		a.print("%s: %s -> %s waits: %s", name, meta.Version, t.tag, waitText(t.decision.Waits))
		return false, nil
	}
	ref := t.ref
	if ref == "" && f.unattended {
		a.print("%s: %s is the newest version that its policy allows", name, meta.Version)
		return false, nil
	}
	// Its own tag may have moved: whoever asks for an update gets what it is now.
	ref = orDefault(ref, meta.Reference)
	img, err := a.imageToRoll(ctx, ref, f)
	if err != nil {
		return false, fmt.Errorf("updating %s: %w", inst.Name, err)
	}
	if img.ID == meta.Image {
		a.print("%s runs %s already", inst.Name, meta.Version)
		return false, nil
	}
	if closed, err := a.closedMeanwhile(ctx, q, t, img); err != nil || closed {
		return false, err
	}
	if skip, ok := state.Skips(img.Digest); ok {
		if f.to == "" {
			err := fmt.Errorf("updating %s: %s is skipped: %s", inst.Name, skip.Version, skip.Reason)
			return false, withHint(err, "aztec-spartan update %s --to %s tries it again", inst.Name, skip.Version)
		}
		state.Unskip(img.Digest)
	}
	return true, a.recordUpdate(ctx, inst, img, ref, state, meta.Generation, f)
}

// updatable loads what an update begins with.
func (a *app) updatable(name string) (profiles.Instance, roll.State, units.Meta, error) {
	inst, err := a.loadInstance(name)
	if err != nil {
		return inst, roll.State{}, units.Meta{}, err
	}
	state, meta, err := a.generations(inst)
	if err != nil {
		return inst, state, meta, err
	}
	if meta.Image == "" {
		return inst, state, meta, withHint(fmt.Errorf("updating %s: %w", inst.Name, roll.ErrNotInstalled), "aztec-spartan start %s", inst.Name)
	}
	edited, err := a.edited(inst, meta.Generation)
	if err == nil && edited {
		err = withHint(fmt.Errorf("updating %s: its instance.toml has changes that are not applied", name), "aztec-spartan config %s shows and applies them", name)
	}
	return inst, state, meta, err
}

// closedMeanwhile reports whether the window closed, or the tag became something
// else, while the image was fetched.
func (a *app) closedMeanwhile(ctx context.Context, q policy.Question, t goal, img *extract.Image) (bool, error) {
	if t.tag == "" {
		return false, nil // by hand
	}
	if is := t.decision.Digest; is != "" && is != img.Digest {
		return false, fmt.Errorf("updating %s: %s was %s when it was chosen, and is %s by now", q.Instance, t.ref, is, img.Digest)
	}
	w, err := a.window(ctx, q.Settings, time.Now())
	if err != nil || q.Settings.Window == "" || w.Open {
		return false, err
	}
	a.print("%s: the window closed while %s was fetched, which is here now; the next opens at %s", q.Instance, t.tag, w.Next.Local().Format(time.DateTime))
	return true, nil
}

func (a *app) recordUpdate(ctx context.Context, inst profiles.Instance, img *extract.Image, ref string, state roll.State, from int, f updateFlags) error {
	if err := a.mayReplace(ctx, "updating "+inst.Name, inst, f.unattended && !f.urgent); err != nil {
		return err
	}
	sec, err := a.loadSecrets(ctx, inst.Name)
	if err != nil {
		return err
	}
	inst.Image = ref
	r, err := a.render(ctx, inst, img, sec, state.Next())
	if err != nil {
		return err
	}
	for _, w := range r.warnings {
		a.note("warning: %s", w)
	}
	if err := a.checkStandby(ctx, fmt.Sprintf("updating %s to %s", inst.Name, r.Version), inst, r.Version); err != nil {
		return err
	}
	a.fetchAhead(ctx, img, r)
	if err := a.saveSecrets(ctx, inst.Name, sec, r.secretEnv); err != nil {
		return err
	}
	if err := a.files().Add(inst.Name, &state, r.Generation, r.Content); err != nil {
		return err
	}
	return a.record(inst.Name, state, roll.Update, from, r.Number, f)
}

// record decides what a roll does about data and busy nodes, and writes its
// intent.
func (a *app) record(name string, state roll.State, kind string, from, to int, f updateFlags) error {
	gate, err := a.gate(f)
	if err != nil {
		return err
	}
	inst, err := a.loadInstance(name)
	if err != nil {
		return err
	}
	for _, number := range []int{from, to} {
		if err := a.keepPolicy(inst, number); err != nil {
			return err
		}
	}
	in := &roll.Intent{Kind: kind, From: from, To: to, Requested: time.Now().UTC(), Gate: gate}
	old, _ := state.Generation(from) // the engine finds what is not there
	next, _ := state.Generation(to)
	if in.Data, err = a.dataPlan(name, state, old, next, f.unattended); err != nil {
		return err
	}
	if in.Busy, err = a.busyPlan(f); err != nil {
		return err
	}
	state.Intent = in
	return a.files().Save(name, state)
}
