package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

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

// checkStandby refuses a version that brings an instance onto the rollup of
// another one with the same keys: the one that stood by, or the one before it.
func (a *app) checkStandby(ctx context.Context, inst profiles.Instance, sec secrets, version string) error {
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	others, err := a.tenants(ctx, inst.Name, nil)
	if err != nil {
		return err
	}
	err = checkCollisions(catalog, a.tenant(inst, sec.keystore, version), others)
	if c, ok := errors.AsType[*profiles.CollisionError](err); ok && c.Standby {
		return withHint(usage(fmt.Errorf("updating %s to %s: %w", inst.Name, version, c)), "%s is there for that rollup: after the cutover, stop %s and let it go on", c.With, inst.Name)
	}
	return nil // other collisions are for config, and an update must not fail for them
}

// tenant is an instance with what it must not share with another.
func (a *app) tenant(inst profiles.Instance, keys []byte, version string) profiles.Tenant {
	t := profiles.Tenant{Instance: inst, Version: version}
	if keys == nil {
		return t
	}
	if k, err := keystore.Parse(keys); err == nil {
		t.Attesters = k.Addresses()
	}
	switch own, err := plainKeys(keys); {
	case err != nil:
	case own.publisher.IsZero(): // each attester pays for itself
		t.Publishers = t.Attesters
	default:
		t.Publishers = []keystore.Address{own.publisher.Address()}
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
	for _, other := range names {
		if planned[other] {
			continue
		}
		inst, err := a.loadInstance(other)
		if err != nil {
			a.note("warning: ports, data and keys of %s are not known: %v", other, err)
			continue
		}
		var theirs secrets
		if err := a.loadKeystore(ctx, other, &theirs); err != nil {
			a.note("warning: the keys of %s are not known: %v", other, err)
		}
		version := versionOf(inst.Image)
		if _, meta, err := a.generations(inst); err == nil && meta.Version != "" {
			version = meta.Version
		}
		list = append(list, a.tenant(inst, theirs.keystore, version))
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
	if !ok { // the instance before a cutover is gone
		return withHint(failed, "take standby_of out of %s: it has its keys for itself now", instancePath(t.Name, "instance.toml"))
	}
	switch {
	case c.What == profiles.SharedPort:
		return withHint(failed, "choose another with --%s", portFlag(c.Listen))
	case c.What == profiles.SharedData:
		return withHint(failed, "choose another with --data-dir")
	case c.What == profiles.SharedAttester && c.Standby:
		return withHint(failed, "to stand by, it must run another major version or be on another network: --version, --network")
	case c.What == profiles.SharedAttester:
		return withHint(failed, "aztec-spartan keys %s remove %s takes it from there; to stand by on another rollup: --from %s --version VERSION", c.With, c.Value, c.With)
	}
	return withHint(failed, "every node needs a publisher of its own: --publisher-key-file")
}
