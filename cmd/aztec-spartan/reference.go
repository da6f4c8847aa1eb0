package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// referenceCommand is what aztec-crs@.service runs before agents start. They
// write one file and upstream takes no lock (bb.js/src/crs/node/index.ts,
// 4.1.2): those that start together on an empty directory would all fetch the
// string, and one could use what another still writes. So it is fetched once
// for each image, by the image's own command, before any of them starts.
func (a *app) referenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "reference DIR",
		Short:  "Fetch the reference string that agents share",
		Hidden: true, // for aztec-crs@.service
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("reference", false); err != nil {
				return err
			}
			if !a.live() {
				return withCode(exitUnsupported, errors.New("reference: --root never talks to systemd"))
			}
			return a.fetchReferences(cmd.Context(), args[0])
		},
	}
}

// fetchReferences is for the agents whose units have a directory bound. What
// one of them cannot fetch is told, and keeps no other.
func (a *app) fetchReferences(ctx context.Context, dir string) error {
	names, err := a.instanceNames()
	if err != nil {
		return err
	}
	errs := []error{a.dropFetches(ctx, dir)}
	failed := map[string]bool{} // for all that have the image and reach the same
	for _, name := range names {
		inst, err := a.loadInstance(name)
		if err != nil {
			continue // said by whoever works at it
		}
		_, meta, err := a.generations(inst)
		if err != nil || meta.Image == "" || a.fetched(dir, meta.Image) {
			continue
		}
		unit, err := a.unitOf(inst)
		if err != nil {
			continue
		}
		text, err := os.ReadFile(a.path(filepath.Join(systemdDir, unit)))
		if err != nil || !bytes.Contains(text, []byte("\nBindPaths="+dir+"\n")) {
			continue
		}
		env, err := os.ReadFile(a.files().EnvPath(name, meta.Generation))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		img, err := a.have(meta.Image)
		if err != nil {
			continue // its start fetches it first
		}
		egress := egressOf(text)
		like := strings.Join(append([]string{img.ID}, egress...), " ")
		if failed[like] {
			continue
		}
		err = a.fetchReference(ctx, name, img, dir, env, egress)
		errs, failed[like] = append(errs, err), err != nil
	}
	return errors.Join(errs...)
}

// awaitReference has the string of an agent fetched before it is started, for
// longer than a start may take. What fails is told, and its start tries again.
func (a *app) awaitReference(ctx context.Context, m *manager.Manager, unit string) error {
	text, err := os.ReadFile(a.path(filepath.Join(systemdDir, unit)))
	if err == nil {
		err = a.startReference(ctx, m, text)
	}
	if err != nil && ctx.Err() == nil {
		a.note("warning: %v; %s tries for itself", err, unit)
		return nil
	}
	return err
}

// startReference starts the unit that makes the directory which a unit has bound.
func (a *app) startReference(ctx context.Context, m *manager.Manager, text []byte) error {
	makes := referenceUnit(text)
	if makes == "" {
		return nil
	}
	return m.Start(ctx, makes, append(a.waiting(makes, "fetch the reference string"), manager.Timeout(engineWait+time.Minute))...)
}

// referenceUnit is that unit, "" if there is none.
func referenceUnit(text []byte) string {
	for word := range strings.FieldsSeq(string(text)) {
		if strings.HasPrefix(word, "aztec-crs@") { // of Wants=, and of After=
			return word
		}
	}
	return ""
}

// egressOf are the addresses that a unit may exchange packets with.
func egressOf(unit []byte) []string {
	for line := range strings.Lines(string(unit)) {
		if list, ok := strings.CutPrefix(line, "IPAddressAllow=localhost "); ok {
			return strings.Fields(list)
		}
	}
	return nil
}

// fetchAhead has the next version of an agent fetch what it needs while the old
// one still works: its start then waits for nothing.
func (a *app) fetchAhead(ctx context.Context, img *extract.Image, r *rendered) {
	dir := r.service.CRS
	if dir == "" || !a.live() {
		return
	}
	fail := func(err error) { a.note("warning: %v; its start tries again", err) }
	if !exists(dir) { // as beside an image that carries the string
		running, err := a.isRunning(ctx, r.unit)
		if err == nil && running {
			err = a.withManager(ctx, func(m *manager.Manager) error { return a.startReference(ctx, m, r.Unit) })
		}
		if err != nil {
			fail(err)
		}
		if err != nil || !running { // what is stopped fetches it when it is started
			return
		}
	}
	if err := a.fetchReference(ctx, r.meta.Instance, img, dir, r.Env, r.service.Egress); err != nil {
		fail(err)
	}
}

// provesReally reports whether an agent makes proofs, and so needs the string:
// the node does where PROVER_REAL_PROOFS is not set
// (stdlib/src/interfaces/prover-client.ts).
func (a *app) provesReally(name string, env []byte) (bool, error) {
	file, err := envfile.Parse(env)
	if err != nil {
		return false, err
	}
	local, err := a.localEnv(name)
	if err != nil {
		return false, err
	}
	value := ""
	for _, v := range append(file.Vars, local...) {
		if v.Name == "PROVER_REAL_PROOFS" {
			value = strings.ToLower(strings.TrimSpace(v.Value))
		}
	}
	return value == "" || value == "1" || value == "true", nil
}

// references is what images have fetched: sizes of files, by directory and ID of the
// image. It is not in the directory, which agents write and anybody may empty.
type references struct {
	Schema int                                    `json:"schema"`
	Dirs   map[string]map[string]map[string]int64 `json:"dirs"`
}

const (
	referencesSchema = 1
	referenceLock    = "crs.reference" // no name of an instance
)

func (a *app) referencesPath() string {
	return a.path(filepath.Join(filepath.Dir(stateDir), "reference.json"))
}

// loadReferences takes what it cannot read for nothing: it is a cache.
func (a *app) loadReferences() references {
	var r references
	data, err := os.ReadFile(a.referencesPath())
	if err != nil || json.Unmarshal(data, &r) != nil || r.Schema != referencesSchema || r.Dirs == nil {
		return references{Schema: referencesSchema, Dirs: map[string]map[string]map[string]int64{}}
	}
	return r
}

// fetched reports whether all that an image fetched into a directory is there.
func (a *app) fetched(dir, image string) bool {
	files := a.loadReferences().Dirs[dir][image]
	for name, size := range files {
		if info, err := os.Lstat(filepath.Join(a.path(dir), name)); err != nil || info.Size() < size {
			return false
		}
	}
	return len(files) > 0
}

func (a *app) recordReference(dir, image string) error {
	entries, err := os.ReadDir(a.path(dir))
	if err != nil {
		return err
	}
	files := map[string]int64{}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			files[e.Name()] = info.Size()
		}
	}
	r := a.loadReferences()
	images := map[string]map[string]int64{image: files}
	for id, files := range r.Dirs[dir] {
		if _, err := a.have(id); err == nil && id != image { // those that are gone are forgotten
			images[id] = files
		}
	}
	r.Dirs[dir] = images
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return atomicfile.Write(a.referencesPath(), append(data, '\n'), 0o600)
}
