package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bench is a run.
type bench struct {
	options options
	tools   []tool
	reg     *images
	result  *result
}

// every is how often tools without a goal, and the rebuilt images, have a round:
// all of them in all rounds take an hour on two cores.
const every = 5

func newBench(ctx context.Context, o options, tools []tool, reg *images) (*bench, error) {
	m, err := thisMachine()
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, tools: tools, reg: reg}
	b.result = &result{Date: time.Now().UTC().Format(time.DateOnly), Machine: m, Rounds: o.rounds}
	for _, t := range tools {
		version, err := line(ctx, t.version)
		if err != nil {
			return nil, err
		}
		b.result.Tools = append(b.result.Tools, &entrant{
			Key: t.key, Name: t.name, Version: version, Shares: t.shares, Syncs: t.syncs, Drivers: map[string]string{},
		})
	}
	for _, path := range o.dirs {
		p, err := newPlace(path)
		if err != nil {
			return nil, errors.Join(err, b.clean())
		}
		b.result.Places = append(b.result.Places, p)
	}
	return b, nil
}

// clean removes everything from the places.
func (b *bench) clean() error {
	var all []error
	for _, p := range b.result.Places {
		all = append(all, p.remove(""))
	}
	return errors.Join(all...)
}

// rounds measures in memory first: a disk that needs a rest has it meanwhile.
func (b *bench) rounds(ctx context.Context) error {
	began := time.Now()
	order := slices.SortedStableFunc(slices.Values(b.result.Places), func(x, y *place) int {
		return boolean(y.Memory) - boolean(x.Memory)
	})
	for _, p := range order {
		// Whoever was here before may have removed much.
		if err := p.forget(ctx, began); err != nil {
			return err
		}
		for round := range b.options.rounds {
			err := b.round(ctx, round, p)
			// What is known by now is of use however the run goes on.
			if err := errors.Join(err, b.result.write(b.options.out)); err != nil {
				return err
			}
		}
	}
	return nil
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// round lets every tool run in one place, beginning with another one each time.
func (b *bench) round(ctx context.Context, round int, p *place) error {
	full := b.options.all || round%every == 0
	for i := range b.tools {
		n := (i + round) % len(b.tools)
		t := b.tools[n]
		if !t.goal && !full || b.result.failed(p.Path, t.key) {
			continue
		}
		if err := p.makeRoom(ctx); err != nil {
			return err
		}
		// Sockets of daemons lie in the store, and their paths are short.
		name := fmt.Sprintf("%d-%d", round, n)
		p.kept = append(p.kept, name)
		if err := b.turn(ctx, round, p, t, b.result.Tools[n], name, full); err != nil {
			if t.key == ourKey || ctx.Err() != nil {
				return fmt.Errorf("measuring %s in %s: %w", t.name, p.Path, err)
			}
			// Other people's tools may not like this machine; the rest is of use.
			fmt.Fprintf(os.Stderr, "bench: leaving out %s in %s: %v\n", t.name, p.Path, err)
			b.result.Failures = append(b.result.Failures, failure{p.Path, t.key, strings.Join(strings.Fields(err.Error()), " ")})
		}
		if p.Memory {
			if err := p.removeKept(); err != nil {
				return err
			}
		}
	}
	return nil
}

// due tells whether a tool does a step in this round.
func (b *bench) due(t tool, s step, full bool) bool {
	switch s.name {
	case stepPull:
		return true
	case stepUpdate:
		// What keeps nothing would pull again.
		return t.shares
	default:
		// To all others that share, a layer is its digest.
		return t.shares && (b.options.all || full && t.goal)
	}
}

// turn is all steps of one tool.
func (b *bench) turn(ctx context.Context, round int, p *place, t tool, e *entrant, name string, full bool) (err error) {
	store := filepath.Join(p.dir, name)
	if err := os.Mkdir(store, 0o755); err != nil {
		return err
	}
	var d *daemon
	memory := idle{Round: round, Dir: p.Path, Tool: t.key}
	if t.daemon != "" {
		d, err = start(ctx, t.name, shell(context.WithoutCancel(ctx), t.daemon, "STORE="+store), func(ctx context.Context) error {
			return shell(ctx, t.ready, "STORE="+store).Run()
		})
		if err != nil {
			return err
		}
		defer d.stop()
		if memory.Empty, err = d.idle(ctx); err != nil {
			return err
		}
	}
	if t.driver != "" && e.Drivers[p.Path] == "" {
		if e.Drivers[p.Path], err = line(ctx, t.driver, "STORE="+store); err != nil {
			return err
		}
	}
	for _, s := range b.reg.steps {
		if !b.due(t, s, full) {
			continue
		}
		one, err := b.measure(ctx, t, d, s, store)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		one.Round, one.Dir, one.Tool, one.Step = round, p.Path, t.key, s.name
		fmt.Fprintf(os.Stderr, "round %d  %-10s %-13s %-14s %6.2f s, %6.2f s of CPU, %5d MB more\n",
			round+1, p.Path, t.key, s.name, one.Seconds, one.User+one.System, one.Added/1e6)
		b.result.Samples = append(b.result.Samples, one)
	}
	if d != nil {
		if memory.After, err = d.idle(ctx); err != nil {
			return err
		}
		b.result.Idle = append(b.result.Idle, memory)
	}
	return nil
}
