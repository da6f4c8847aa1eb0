package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/hook"
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

On a terminal, what a new instance needs and no flag gives is asked for, and the
difference is shown before it is written; of an instance that is there, without
flags, the same is asked with what it has as answers. Without a terminal, all flags that are
missing are said at once. The image is fetched, so that settings are checked
against the very version and the unit is complete. What is not named stays as
it is. A running node is not restarted: it is said when a restart is needed. With
--apply it is, as by an update: in aztec-roll@NAME.service, behind the same gate,
and when it fails, the old settings are put back and the exit code is 4. Another
version of an instance that is there is for update, or needs --apply.

--role prover makes NAME-broker and NAME, a prover node that uses it. Ports that
no flag says are the next that neither another instance nor anything else on the
host has; ports, data, attesters and publishers of two instances never are the
same. --from makes a second instance with the same keys on another rollup.`,
		Example: `  aztec-spartan config val1
  aztec-spartan config val1 --version 4.1.2 --network mainnet --ip 203.0.113.7 \
      --ethereum-host https://eth.example \
      --l1-consensus-host-url https://beacon.example --key-file ./key
  aztec-spartan config prover1 --role prover --publisher-key-file ./key ...
  aztec-spartan config agent --role prover-agent --count 6 \
      --broker http://10.0.0.2:8080 ...
  aztec-spartan config val1-v6 --from val1 --version 6.0.0
  aztec-spartan config val1 --set P2P_MAX_PEERS=50 --unset LOG_LEVEL
  aztec-spartan config val1 --explain P2P_MAX_PEERS
  aztec-spartan config val1 --update channel=rc --update 'window=Mon..Thu 02:00'
  aztec-spartan config val1 --p2p-port 40401 --dry-run
  aztec-spartan config val1 --p2p-port 40401 --apply`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("config", true); err != nil {
				return err
			}
			f.changed, f.bare = cmd.Flags().Changed, true
			cmd.Flags().Visit(func(flag *pflag.Flag) {
				f.bare = f.bare && slices.Contains([]string{"root", "json", "no-pull"}, flag.Name)
			})
			if err := takeKeys(&f.keyEnv, &f.publisherKeyEnv); err != nil {
				return err
			}
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
			return a.configAll(cmd.Context(), name, f)
		},
	}
	f.register(cmd.Flags())
	return cmd
}

// configPlan is what config will write for one instance, all of it decided.
type configPlan struct {
	old       *profiles.Instance // what is applied; nil for a new instance
	inst      profiles.Instance
	sec       secrets
	state     roll.State
	active    units.Meta // what is in place
	rendered  *rendered  // nil: the image is not here
	running   bool
	vote      bool // the running node is to be told its payload
	asked     bool // on the terminal
	migration []profiles.Change
	move      *dataMove
	roll      *updateFlags // a running node is to be restarted behind the gate
	recorded  bool         // that roll waits to be carried out
	policy    bool         // [update] is another one
}

// version is that of the image, as far as it is known.
func (p *configPlan) version() string {
	if p.rendered != nil {
		return p.rendered.Version
	}
	if v := versionOf(p.inst.Image); v != "" || p.active.Reference != p.inst.Image {
		return v
	}
	return p.active.Version
}

// planConfig decides everything about one instance and writes nothing but the
// image. earlier are plans of the same call, which are not written either.
func (a *app) planConfig(ctx context.Context, t target, earlier []*configPlan) (*configPlan, error) {
	p := &configPlan{}
	catalog, err := a.catalog()
	if err != nil {
		return nil, err
	}
	if p.old, p.inst, err = a.before(t.name, t.flags); err != nil {
		return nil, err
	}
	if p.old != nil {
		a.endStandby(&p.inst)
	}
	if p.sec, err = a.loadSecrets(ctx, t.name); err != nil {
		return nil, err
	}
	others, err := a.tenants(ctx, t.name, earlier)
	if err != nil {
		return nil, err
	}
	f, err := a.gather(ctx, catalog, p, t, earlier, others)
	if err != nil {
		return nil, err
	}
	if err := a.settle(ctx, catalog, p, f, others); err != nil {
		return nil, err
	}
	if err := a.renderPlan(ctx, catalog, p, f); err != nil {
		return nil, err
	}
	if p.old != nil && bytes.Equal(p.old.Encode(), p.inst.Encode()) && !p.sec.changed() {
		p.asked = false // there is nothing to agree to
	}
	a.noteStandby(p, others)
	// Which rollup an instance is on is known by the version of its image.
	if err := checkCollisions(catalog, a.tenant(p.inst, p.sec.keystore, p.version()), others); err != nil {
		return nil, err
	}
	return p, nil
}

// gather finds all that the instance needs: in the flags, in what others have, and
// by asking. It returns the flags as if they had said what was answered.
func (a *app) gather(ctx context.Context, catalog profiles.Catalog, p *configPlan, t target, earlier []*configPlan, others []profiles.Tenant) (configFlags, error) {
	var err error
	f := t.flags
	for _, e := range earlier {
		if p.old == nil {
			f = f.inherit(&p.inst, e.inst)
		}
		if e.inst.Name == t.broker {
			p.inst.Prover.Broker = rpcURL(e.inst.Ports.RPC)
		}
	}
	if err := a.standbyKeys(ctx, &p.inst, &p.sec, f); err != nil {
		return f, err
	}
	a.decideBroker(catalog, &p.inst, instancesOf(others))
	if p.old == nil {
		if err := a.proposePorts(catalog, &p.inst, instancesOf(others), f); err != nil {
			return f, err
		}
	}
	if p.asked, err = a.asks(p.old, f); err != nil {
		return f, err
	}
	if p.asked {
		if err := a.promptInstance(ctx, p.old, &p.inst, &f, p.sec); err != nil {
			return f, err
		}
	}
	if err := a.decideIP(ctx, &p.inst); err != nil {
		return f, err
	}
	if p.inst.Image != "" {
		if p.inst.Image, err = a.reference(p.inst.Network, p.inst.Image); err != nil {
			return f, err
		}
	}
	if p.inst, err = a.decideNetwork(ctx, catalog, p.inst, f); err != nil {
		return f, err
	}
	if lacks := missing(catalog, p.inst, p.sec, f); p.old == nil && len(lacks) > 0 {
		err := usage(fmt.Errorf("configuring %s: missing: %s", t.name, join(lacks)))
		return f, withHint(err, "without a terminal nothing is asked: give them all; aztec-spartan config --help says what they are")
	}
	return f, nil
}

// renderPlan fetches the image, if it may, and renders the unit for it.
func (a *app) renderPlan(ctx context.Context, catalog profiles.Catalog, p *configPlan, f configFlags) error {
	img, err := a.imageFor(ctx, p.inst, p.active, f)
	if err != nil || img == nil {
		return err
	}
	if p.active.Image == "" {
		if err := a.beginsOn(catalog, p.inst, img); err != nil {
			return err
		}
	}
	if p.rendered, err = a.render(ctx, p.inst, img, p.sec, p.state.Next()); err != nil {
		return err
	}
	for _, w := range p.rendered.warnings {
		a.note("warning: %s", w)
	}
	return nil
}

// settle judges the settings against each other and the host.
func (a *app) settle(ctx context.Context, catalog profiles.Catalog, p *configPlan, f configFlags, others []profiles.Tenant) error {
	name := p.inst.Name
	var err error
	if _, err := catalog.Role(p.inst.Role); err == nil {
		if p.state, p.active, err = a.generations(p.inst); err != nil {
			return err
		}
	}
	if err := a.migrate(catalog, p, f); err != nil {
		return err
	}
	if err := catalog.Validate(p.inst); err != nil {
		return usage(fmt.Errorf("configuring %s: %w", name, err))
	}
	if err := a.checkPolicy(ctx, p, f); err != nil {
		return fmt.Errorf("configuring %s: %w", name, err)
	}
	if err := unfinishedRoll(p.state, "configuring", name); err != nil {
		return err
	}
	if p.running, err = a.isRunning(ctx, p.state.Unit); err != nil {
		return err
	}
	if v, err := a.systemdVersion(ctx); err != nil {
		return err
	} else if err := units.CheckSystemd(v); err != nil {
		return fmt.Errorf("configuring %s: %w", name, err)
	}
	p.vote = p.running && f.changed("payload")
	if err := a.planData(catalog, p); err != nil {
		return err
	}
	var held []profiles.Listen
	if p.running && p.old != nil {
		held = catalog.Listens(*p.old)
	}
	// What needs no image is refused before one is fetched.
	if err := checkCollisions(catalog, profiles.Tenant{Instance: p.inst}, others); err != nil {
		return err
	}
	if err := a.checkKernel(catalog, p.inst, held); err != nil {
		return err
	}
	// What is applied is what changes; edits by hand are part of the change.
	if was, err := a.applied(name, p.active.Generation); err == nil && was != nil {
		p.old = was
	}
	p.vote = p.vote || p.running && p.old != nil && p.old.Payload != p.inst.Payload
	return a.changeKeys(ctx, catalog, p, f)
}

// checkPolicy finds in [update] what needs more than a look at it.
func (a *app) checkPolicy(ctx context.Context, p *configPlan, f configFlags) error {
	u := p.inst.Update.Over(profiles.Update{})
	if _, err := a.window(ctx, u, time.Now()); err != nil {
		return err
	}
	if p.policy = p.old != nil && p.old.Update != p.inst.Update; !f.changed("update") {
		return nil
	}
	for key, path := range map[string]string{"pre_hook": u.PreHook, "post_hook": u.PostHook} {
		if path == "" {
			continue
		}
		if err := hook.Trusted(a.path(path)); err != nil { // it may be put there later
			a.note("warning: %s %s would fail: %v", key, path, err)
		}
	}
	return nil
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
	if old == nil && f.from == "" {
		if inst.DataDir, err = a.keptData(name, f); err != nil {
			return nil, inst, err
		}
	}
	if f.from != "" {
		if inst, err = a.standby(name, f.from); err != nil {
			return nil, inst, err
		}
	}
	if old != nil && f.changed("role") && f.role != old.Role {
		err := usage(fmt.Errorf("configuring %s: it is a %s, and stays one", name, old.Role))
		return nil, inst, withHint(err, "another role is another instance, with another name")
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
