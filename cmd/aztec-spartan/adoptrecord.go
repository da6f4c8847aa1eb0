package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/docker"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
)

// Steps of an adoption. Each is recorded before it is begun, so that a run
// that was interrupted is carried on by the next, or undone.
const (
	stepPrepared = "prepared" // the container runs; ours is configured
	stepStopping = "stopping" // the container, for good
	stepMoving   = "moving"   // data
	stepStarting = "starting" // ours
	stepAdopted  = "adopted"
	stepUndoing  = "undoing"
	stepUndone   = "undone"
)

const adoptionSchema = 1

// adoptionRecord is what is needed to carry an adoption on, and to undo it.
type adoptionRecord struct {
	Schema    int               `json:"schema"`
	Name      string            `json:"name"`
	Dir       string            `json:"dir"`
	Step      string            `json:"step"`
	Container *docker.Container `json:"container,omitempty"`
	Unit      string            `json:"unit,omitempty"` // that wraps docker
	UnitWas   *unitWas          `json:"unit_was,omitempty"`
	Service   string            `json:"service,omitempty"` // of the instance
	Mode      string            `json:"mode"`
	From      string            `json:"from,omitempty"` // data, before
	To        string            `json:"to,omitempty"`
	UID       int               `json:"uid"` // of the data, before
	GID       int               `json:"gid"`

	nameless bool // docker run gives its container no name, so it cannot be found
}

func (a *app) adoptionPath(name string) string {
	return a.path(filepath.Join(stateDir, name, "adoption.json"))
}

// loadAdoption returns nil if NAME was never adopted.
func (a *app) loadAdoption(name string) (*adoptionRecord, error) {
	data, err := os.ReadFile(a.adoptionPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the adoption of %s: %w", name, err)
	}
	var r adoptionRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("reading the adoption of %s: %w", name, err)
	}
	if r.Schema > adoptionSchema {
		return nil, withCode(exitUnsupported, fmt.Errorf("reading the adoption of %s: it was written by a newer aztec-spartan", name))
	}
	return &r, nil
}

// ours reports whether the container has ended for good.
func ours(step string) bool { return step == stepStarting || step == stepAdopted }

// mayRun refuses an instance whose container has not ended for good: one of the
// two would sign what the other signs.
func (a *app) mayRun(name string) error {
	r, err := a.loadAdoption(name)
	if err != nil || r == nil || ours(r.Step) {
		return err
	}
	return withHint(fmt.Errorf("starting %s: it was to take over from docker, and did not (%s): both would sign with one key", name, r.Step),
		"aztec-spartan adopt %s %s carries it on", r.Dir, name)
}

// inContainer is the name of the marker that bars the start of an instance as
// long as it is its container that may run. systemctl status forgets at once what
// systemd says of a start that is refused (252, 257), and shows the description.
const (
	inContainer       = "its-keys-are-in-a-container"
	inContainerDropIn = "50-aztec-spartan-adopt.conf"
)

// barAdopted brings what systemd does in line with a step.
func (a *app) barAdopted(ctx context.Context, r *adoptionRecord, step string) error {
	b := bar{
		unit: r.Service, marker: filepath.Join(stateDir, r.Name, inContainer), dropIn: inContainerDropIn,
		why:         fmt.Sprintf("the container of %s may run, and two with one key are slashed.", quoted(r.Dir)),
		description: fmt.Sprintf("Aztec node %s, which does not start: its keys are in a container until aztec-spartan adopt has taken over", r.Name),
	}
	switch {
	case r.Service == "":
		return nil
	case ours(step):
		return a.letStart(ctx, b)
	}
	return a.barStart(ctx, b, nil)
}

// saveAdoption records a step, before it is begun.
func (a *app) saveAdoption(ctx context.Context, r *adoptionRecord, step string) error {
	if err := a.barAdopted(ctx, r, step); err != nil {
		return fmt.Errorf("recording the adoption of %s: %w", r.Name, err)
	}
	r.Schema, r.Step = adoptionSchema, step
	data, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(a.adoptionPath(r.Name)), 0o700)
	}
	if err == nil {
		err = atomicfile.Write(a.adoptionPath(r.Name), append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("recording the adoption of %s: %w", r.Name, err)
	}
	return nil
}
