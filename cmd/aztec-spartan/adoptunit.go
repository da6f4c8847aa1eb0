package main

import (
	"context"
	"errors"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/docker"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// wrappers are the units of this host, as far as one of them runs docker for a
// node. They are those of [manager.Manager].
type wrappers interface {
	State(ctx context.Context, unit string) (manager.UnitState, error)
	Enable(ctx context.Context, units ...string) error
	Disable(ctx context.Context, units ...string) error
	Start(ctx context.Context, unit string, opts ...manager.Option) error
	Stop(ctx context.Context, unit string, opts ...manager.Option) error
	Close()
}

// unitWas is how a unit was before its node was taken over: an undo starts
// nothing that did not run, and enables nothing that was not enabled.
type unitWas struct {
	Enabled bool `json:"enabled"`
	Active  bool `json:"active"` // false, too, of one that has done its work: docker run --detach
}

// withUnits calls do with the units of this host.
func (ad *adopter) withUnits(ctx context.Context, do func(wrappers) error) error {
	w, err := ad.units(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	return do(w)
}

// lookAtUnit returns nil if no unit runs docker.
func (ad *adopter) lookAtUnit(ctx context.Context, unit string) (*unitWas, error) {
	if unit == "" {
		return nil, nil
	}
	var was unitWas
	err := ad.withUnits(ctx, func(w wrappers) error {
		s, err := w.State(ctx, unit)
		was = unitWas{Enabled: s.UnitFileState == "enabled", Active: !s.Down()}
		return err
	})
	return &was, err
}

// holdUnit stops the unit for good.
func (ad *adopter) holdUnit(ctx context.Context, unit string) error {
	return ad.withUnits(ctx, func(w wrappers) error {
		return errors.Join(w.Disable(ctx, unit), w.Stop(ctx, unit))
	})
}

// release has unit and container be as they were. A unit that ran starts its
// container, or makes another one, by itself; and so does one that had done its
// work, if its container ran and is there no more (docker run --detach --rm).
func (ad *adopter) release(ctx context.Context, r *adoptionRecord) error {
	was := r.was()
	gone := r.Container == nil || ad.docker == nil
	if !gone {
		err := ad.docker.Restore(ctx, *r.Container)
		gone = r.Unit != "" && docker.NoContainer(err, r.Container.ID)
		if err != nil && !gone {
			return err
		}
		was.Active = was.Active || gone && r.Container.Running
	}
	if was.Enabled || was.Active {
		err := ad.withUnits(ctx, func(w wrappers) error {
			var errs []error
			if was.Enabled {
				errs = append(errs, w.Enable(ctx, r.Unit))
			}
			if was.Active {
				errs = append(errs, w.Start(ctx, r.Unit))
			}
			return errors.Join(errs...)
		})
		if err != nil {
			return err
		}
	}
	if gone || was.Active || !r.Container.Running {
		return nil
	}
	return ad.docker.Start(ctx, r.Container.ID)
}

// was is how the unit was. A record that does not say it is an older one, of a
// unit that is taken to run at boot.
func (r *adoptionRecord) was() unitWas {
	switch {
	case r.Unit == "":
		return unitWas{}
	case r.UnitWas == nil:
		return unitWas{Enabled: true, Active: true}
	}
	return *r.UnitWas
}

// noWrappers are the units of a tree, where nothing runs.
type noWrappers struct{}

func (noWrappers) State(context.Context, string) (manager.UnitState, error) {
	return manager.UnitState{ActiveState: "inactive"}, nil
}
func (noWrappers) Enable(context.Context, ...string) error                { return nil }
func (noWrappers) Disable(context.Context, ...string) error               { return nil }
func (noWrappers) Start(context.Context, string, ...manager.Option) error { return nil }
func (noWrappers) Stop(context.Context, string, ...manager.Option) error  { return nil }
func (noWrappers) Close()                                                 {}
