package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// standby returns the settings of a second instance beside another one, with
// the same keys and on another rollup, to take over at a cutover: a major
// version comes with a rollup of its own, and its nodes must run before
// governance switches to it.
//
// That an attester may sign on two rollups at once rests on what upstream says
// of its change "make proposals EIP-712" (AztecProtocol/aztec-packages#22531,
// 2026-04-28): signatures of proposals and attestations are bound to the chain
// ID of L1 and to the address of the rollup, so that those made for one are
// nothing to another, and older ones, of another form, nothing to those. What
// was read is that description, not the code. For two rollups whose versions
// are both older than that change it could not be verified, and no sentence of
// upstream's documents was found that calls it no equivocation. So keys are
// shared only where rollups are surely different (profiles.Catalog.Collisions),
// and the operator is told which node is the second one.
func (a *app) standby(name, from string) (profiles.Instance, error) {
	if name == from {
		return profiles.Instance{}, usage(fmt.Errorf("--from %s: it is the instance itself", from))
	}
	if _, err := a.loadInstance(name); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return profiles.Instance{}, err
		}
		return profiles.Instance{}, withHint(usage(fmt.Errorf("--from is for new instances, and %s is there", name)), "choose another name")
	}
	source, err := a.loadInstance(from)
	if err != nil {
		return profiles.Instance{}, err
	}
	return source.Standby(name), nil
}

// standbyKeys takes over the keys of the instance that another one is made
// from. One that gets keys of its own stands by for nobody.
func (a *app) standbyKeys(ctx context.Context, inst *profiles.Instance, sec *secrets, f configFlags) error {
	if f.from == "" {
		return nil
	}
	var theirs secrets
	if f.keys() == 0 {
		if err := a.loadKeystore(ctx, f.from, &theirs); err != nil {
			return err
		}
	}
	if theirs.keystore == nil {
		inst.StandbyOf = ""
		return nil
	}
	sec.replace(theirs.keystore)
	return nil
}

// sharedPublishers are the accounts on L1 that an instance shares with the one
// that it stands by for. That harms nobody as long as it stands by: until its
// rollup is there, a node does nothing but look for it
// (aztec/src/cli/cmds/standby.ts). Once both follow a rollup, each takes its
// next nonce from what L1 has pending, knows of no other sender, and gives up a
// transaction whose nonce another one used: UnknownMinedTxError
// (ethereum/src/l1_tx_utils/l1_tx_utils.ts, 4.1.2). So proposals are lost, no
// stake. Upstream's guide has nodes that share an attester pay from different
// accounts (docs.aztec.network, "High Availability Sequencers").
func sharedPublishers(t profiles.Tenant, others []profiles.Tenant) (shared []string) {
	for _, o := range others {
		for _, p := range t.Publishers {
			if o.Name == t.StandbyOf && slices.Contains(o.Publishers, p) {
				shared = append(shared, p.String())
			}
		}
	}
	return shared
}

// endStandby has an instance whose predecessor is gone stand by for nobody: it
// has its keys for itself.
func (a *app) endStandby(inst *profiles.Instance) {
	if inst.StandbyOf == "" {
		return
	}
	if _, err := a.loadInstance(inst.StandbyOf); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	a.note("%s stood by for %s, which is not here: it has its keys for itself now", inst.Name, inst.StandbyOf)
	inst.StandbyOf = ""
}

// checkStandby refuses a version that brings an instance onto the rollup of
// another one with the same keys: the one that stood by, or the one before it.
// doing is for the error.
func (a *app) checkStandby(ctx context.Context, doing string, inst profiles.Instance, version string) error {
	others, err := a.standbys(inst)
	if err != nil || len(others) == 0 {
		return err
	}
	tenants, err := a.tenantsOf(ctx, others)
	if err != nil {
		return err
	}
	var sec secrets
	if err := a.loadKeystore(ctx, inst.Name, &sec); err != nil {
		return err
	}
	err = profiles.KeyCollisions(a.tenant(inst, sec.keystore, version), tenants)
	if c, ok := errors.AsType[*profiles.CollisionError](err); ok && c.Standby {
		return withHint(usage(fmt.Errorf("%s: %w", doing, c)), "%s is there for that rollup: after the cutover, stop %s and let it go on", c.With, inst.Name)
	}
	return nil // other collisions are for config, and nothing else must fail for them
}

// standbys are the instances that stand by for one, or that it stands by for.
func (a *app) standbys(inst profiles.Instance) ([]string, error) {
	names, err := a.instanceNames()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool {
		other, err := a.loadInstance(name)
		return name == inst.Name || err != nil || other.StandbyOf != inst.Name && inst.StandbyOf != name
	}), nil
}

// versionOf is the version that an instance runs, or starts with.
func (a *app) versionOf(inst profiles.Instance) string {
	if _, meta, err := a.generations(inst); err == nil && meta.Version != "" {
		return meta.Version
	}
	return versionOf(inst.Image)
}

// tenant is an instance with what it must not share with another.
func (a *app) tenant(inst profiles.Instance, keys []byte, version string) profiles.Tenant {
	t := profiles.Tenant{Instance: inst, Version: version}
	if keys == nil {
		return t
	}
	if k, err := keystore.Parse(keys); err == nil {
		t.Attesters, t.Publishers = k.Addresses(), k.Publishers()
	}
	return t
}

// tenants are the other instances of the host and of the same call of config.
func (a *app) tenants(ctx context.Context, name string, earlier []*configPlan) ([]profiles.Tenant, error) {
	names, err := a.instanceNames()
	if err != nil {
		return nil, err
	}
	planned := map[string]bool{name: true}
	var list []profiles.Tenant
	for _, p := range earlier {
		planned[p.inst.Name] = true
		list = append(list, a.tenant(p.inst, p.sec.keystore, p.version()))
	}
	found, err := a.tenantsOf(ctx, slices.DeleteFunc(names, func(name string) bool { return planned[name] }))
	return append(list, found...), err
}

// tenantsOf are instances by their names, as far as they can be read.
func (a *app) tenantsOf(ctx context.Context, names []string) ([]profiles.Tenant, error) {
	var list []profiles.Tenant
	for _, other := range names {
		inst, err := a.loadInstance(other)
		if err != nil {
			a.note("warning: ports, data and keys of %s are not known: %v", other, err)
			continue
		}
		var theirs secrets
		if err := a.loadKeystore(ctx, other, &theirs); err != nil {
			a.note("warning: the keys of %s are not known: %v", other, err)
		}
		list = append(list, a.tenant(inst, theirs.keystore, a.versionOf(inst)))
	}
	return list, nil
}

func instancesOf(tenants []profiles.Tenant) []profiles.Instance {
	var list []profiles.Instance
	for _, t := range tenants {
		list = append(list, t.Instance)
	}
	return list
}

// checkCollisions refuses what another instance has, and names it.
func checkCollisions(catalog profiles.Catalog, t profiles.Tenant, others []profiles.Tenant) error {
	err := catalog.Collisions(t, others)
	if err == nil {
		return nil
	}
	failed := usage(fmt.Errorf("configuring %s: %w", t.Name, err))
	c, ok := errors.AsType[*profiles.CollisionError](err)
	if !ok { // the instance before a cutover cannot be read
		return withHint(failed, "put %s right first", instancePath(t.StandbyOf, settingsFile))
	}
	switch {
	case c.What == profiles.SharedPort:
		return withHint(failed, "choose another with --%s", portFlag(c.Listen))
	case c.What == profiles.SharedData:
		return withHint(failed, "choose another with --data-dir")
	}
	return keyCollision("configuring "+t.Name, err)
}

// keyCollision says what to do about keys that another instance has.
func keyCollision(doing string, err error) error {
	c, ok := errors.AsType[*profiles.CollisionError](err)
	if !ok {
		return err
	}
	failed := usage(fmt.Errorf("%s: %w", doing, err))
	switch {
	case c.What == profiles.SharedAttester && c.Standby:
		return withHint(failed, "to stand by, it must run another major version or be on another network: --version, --network")
	case c.What == profiles.SharedAttester:
		return withHint(failed, "aztec-spartan keys %s remove %s takes it from there; to stand by on another rollup: --from %s --version VERSION", c.With, c.Value, c.With)
	}
	return withHint(failed, "every node needs a publisher of its own: --publisher-key-file")
}

// noteStandby says what an instance that is made with the keys of another one
// shares with it.
func (a *app) noteStandby(p *configPlan, others []profiles.Tenant) {
	if p.old != nil || p.inst.StandbyOf == "" {
		return
	}
	name := p.inst.Name
	a.note("%s has the keys of %s, for another rollup: the two must never run on one", name, p.inst.StandbyOf)
	if shared := sharedPublishers(a.tenant(p.inst, p.sec.keystore, ""), others); len(shared) > 0 {
		a.note("warning: from the cutover until promote %s, both pay on L1 from %s, and two senders take each other's nonces; --publisher-key-file gives %s an account of its own", name, join(shared), name)
	}
}
