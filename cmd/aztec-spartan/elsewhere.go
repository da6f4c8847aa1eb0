package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/charmbracelet/huh"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
)

// elsewhere is why an instance must not start without a word: it moved to
// another host, came from one, or another instance has taken over. It is a file
// beside instance.toml, and the marker of a bar.
type elsewhere struct {
	Schema int               `json:"schema"`
	Why    string            `json:"why"`
	Since  time.Time         `json:"since"` // when the bundle was made
	Host   string            `json:"host"`  // that it was made on
	Final  bool              `json:"final"` // that host refuses to start it
	Nonces map[string]uint64 `json:"nonces,omitempty"`
}

const (
	movedAway = "moved-away"
	cameHere  = "came-here"
	promoted  = "promoted" // Host is the instance of this host that has its keys now

	elsewhereFile   = "elsewhere.json"
	elsewhereDropIn = "50-aztec-spartan-elsewhere.conf"
	elsewhereSchema = 1
)

// How long the other host may have gone on signing. What it signed until the
// bundle was made is in the bundle, so if it refuses to start since, two slots
// of 72 s are enough for messages under way; else it may run still, and is
// watched for an epoch of 32 slots.
const (
	danger      = 2 * 72 * time.Second
	longDanger  = 32 * 72 * time.Second
	dangerCheck = 10 * time.Second
)

// startFlags are what start was called with.
type startFlags struct {
	here, notElsewhere, ignoreActivity bool
	dangerPeriod                       time.Duration
}

// elsewhereBar is what has systemd refuse the instance, too.
func (a *app) elsewhereBar(inst profiles.Instance) (bar, error) {
	unit, err := a.unitOf(inst)
	return bar{
		unit: unit, marker: instancePath(inst.Name, elsewhereFile), dropIn: elsewhereDropIn,
		why: "its key may run on another host. aztec-spartan start " + inst.Name + " decides.",
	}, err
}

func (a *app) markElsewhere(ctx context.Context, inst profiles.Instance, e elsewhere) error {
	e.Schema = elsewhereSchema
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	b, err := a.elsewhereBar(inst)
	if err != nil {
		return err
	}
	return a.barStart(ctx, b, append(data, '\n'))
}

// clearElsewhere lets the instance start.
func (a *app) clearElsewhere(ctx context.Context, inst profiles.Instance) error {
	b, err := a.elsewhereBar(inst)
	if err != nil {
		return err
	}
	return a.letStart(ctx, b)
}

func (a *app) loadElsewhere(name string) (*elsewhere, error) {
	path := instancePath(name, elsewhereFile)
	data, err := os.ReadFile(a.path(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var e elsewhere
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if e.Schema > elsewhereSchema {
		return nil, &units.NewerSchemaError{What: path, Found: e.Schema, Known: elsewhereSchema}
	}
	return &e, nil
}

// settleElsewhere decides whether an instance that was on another host, or went
// to one, may start here.
func (a *app) settleElsewhere(ctx context.Context, inst profiles.Instance, f startFlags) error {
	e, err := a.loadElsewhere(inst.Name)
	if err != nil || e == nil {
		return err
	}
	if e.Why == promoted && !f.here {
		return withHint(fmt.Errorf("starting %s: %s has taken over from it, with the same keys", inst.Name, quoted(e.Host)),
			"if it is to run beside it all the same, on another rollup: aztec-spartan start %s --here", inst.Name)
	}
	if e.Why == movedAway || e.Why == promoted {
		if !f.here {
			return withHint(fmt.Errorf("starting %s: it was exported on %s to move to another host, and must not run on two", inst.Name, e.Since.Local().Format(time.DateTime)),
				"if it never ran there: aztec-spartan start %s --here", inst.Name)
		}
		return a.clearElsewhere(ctx, inst)
	}
	if err := a.askElsewhere(ctx, inst, *e, f); err != nil {
		return err
	}
	if err := a.waitOutDanger(ctx, inst, *e, f); err != nil {
		return err
	}
	return a.clearElsewhere(ctx, inst)
}

// askElsewhere has the operator say that the key runs nowhere else.
func (a *app) askElsewhere(ctx context.Context, inst profiles.Instance, e elsewhere, f startFlags) error {
	if f.notElsewhere {
		return nil
	}
	if !a.terminal() {
		return withHint(usage(fmt.Errorf("starting %s: it came from the host %s, and its key must not run on both", inst.Name, quoted(e.Host))),
			"if it runs nowhere else, and will not: aztec-spartan start %s --not-elsewhere", inst.Name)
	}
	nowhere := false
	cancelled := errors.New("start: cancelled, nothing was changed")
	err := a.form(ctx, cancelled, huh.NewConfirm().Title(fmt.Sprintf("Does the key of %s run anywhere else, on %s for instance?", inst.Name, quoted(e.Host))).
		Description("Two nodes with one key are slashed.").Affirmative("No, nowhere").Negative("Cancel").Value(&nowhere))
	if err == nil && !nowhere {
		err = cancelled
	}
	return err
}

// waitOutDanger looks for the key until nothing that it may have signed
// elsewhere can be signed again.
func (a *app) waitOutDanger(ctx context.Context, inst profiles.Instance, e elsewhere, f startFlags) error {
	var sec secrets
	if err := a.loadKeystore(ctx, inst.Name, &sec); err != nil {
		return err
	}
	t := a.tenant(inst, sec.keystore, "")
	until := e.Since.Add(danger)
	if !e.Final {
		until = time.Now().Add(longDanger)
	}
	if f.dangerPeriod > 0 {
		until = time.Now().Add(f.dangerPeriod)
	}
	was := e.Nonces
	for said := false; ; said = true {
		now := nonces(ctx, inst, t)
		if err := usedElsewhere(ctx, inst, t, e.Since, was, now); err != nil && !f.ignoreActivity {
			return withHint(fmt.Errorf("starting %s: %w", inst.Name, err), "find out who it is; if it was you: aztec-spartan start %s --ignore-activity", inst.Name)
		}
		if len(was) == 0 {
			was = now
		}
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		if !said {
			a.note("waiting %s, until nothing that its key may have signed elsewhere can be signed again", left.Round(time.Second))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(left, dangerCheck)):
		}
	}
}
