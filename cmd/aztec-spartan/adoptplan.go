package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/docker"
	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/adoption"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// volumeRoot is where docker keeps named volumes, unless it says otherwise.
const volumeRoot = "/var/lib/docker/volumes"

// adoptPlan is an adoption, decided.
type adoptPlan struct {
	adoption.Plan
	network  string // as asked for
	setup    adoption.Setup
	record   adoptionRecord
	keystore []byte // of a keystore that it had; nil: of its keys
}

// plan reads what there is and says what will be. It changes nothing.
func (ad *adopter) plan(ctx context.Context, dir, name string, f adoptFlags) (*adoptPlan, error) {
	catalog, err := ad.catalog()
	if err != nil {
		return nil, err
	}
	host := os.DirFS(ad.root)
	p := &adoptPlan{network: f.network, record: adoptionRecord{Name: name, Dir: dir, Mode: dataNone}}
	if f.service != "" {
		p.setup, err = adoption.ReadService(host, dir, f.service)
	} else {
		p.setup, err = adoption.Read(host, dir)
	}
	if _, ok := errors.AsType[*adoption.ManyError](err); ok {
		return nil, withHint(usage(err), "--service says which")
	}
	if err != nil {
		return nil, usage(err)
	}
	p.record.Unit = p.setup.Unit
	if p.record.UnitWas, err = ad.lookAtUnit(ctx, p.setup.Unit); err != nil {
		return nil, err
	}
	if p.record.Container, err = ad.findContainer(ctx, p.setup); err != nil {
		return nil, err
	}
	p.record.nameless = p.setup.Project == "" && p.setup.Name == ""
	if p.Plan, err = p.setup.Plan(catalog, name, f.network, versionOf(p.setup.Image)); err != nil {
		return nil, usage(err)
	}
	c := p.record.Container
	switch {
	case f.image != "":
		p.setup.Image = f.image
	case c != nil && c.Digest != "":
		p.setup.Image = repositoryOf(c.Image) + "@" + c.Digest
	case c != nil:
		p.Warnings = append(p.Warnings, "docker knows no digest of the image that runs: it was built here, or loaded")
	}
	p.Instance.Image = p.setup.Image
	if len(p.KeyStores) > 1 {
		return nil, withHint(usage(fmt.Errorf("adopting %s: it has %d keystores", dir, len(p.KeyStores))), "put them into one directory")
	}
	for _, path := range p.KeyStores {
		if p.keystore, err = loadKeystoreFile(ad.path(path)); err != nil {
			return nil, err
		}
	}
	if err := ad.planTakeData(catalog, p, f); err != nil {
		return nil, err
	}
	others, err := ad.tenants(ctx, name, nil)
	if err != nil {
		return nil, err
	}
	if err := ad.choosePorts(catalog, p, instancesOf(others)); err != nil {
		return nil, err
	}
	return p, ad.showAdoption(p)
}

// findContainer returns the container of a set-up, nil if there is none.
func (ad *adopter) findContainer(ctx context.Context, s adoption.Setup) (*docker.Container, error) {
	switch {
	case ad.docker == nil:
		return nil, nil
	case s.Project != "":
		return ad.docker.OfService(ctx, s.Project, s.Service)
	case s.Name != "":
		return ad.docker.Named(ctx, s.Name)
	}
	return nil, nil
}

func (ad *adopter) planTakeData(catalog profiles.Catalog, p *adoptPlan, f adoptFlags) error {
	r := &p.record
	to := catalog.DataDir(p.Instance)
	if p.Data == nil || to == "" {
		return nil
	}
	r.To, r.From = to, p.Data.Path
	if p.Data.Volume != "" {
		at := filepath.Join(volumeRoot, p.Data.Volume, "_data")
		if r.Container != nil {
			for _, m := range r.Container.Mounts {
				if m.Name == p.Data.Volume && m.Source != "" {
					at = m.Source
				}
			}
		}
		r.From = filepath.Join(at, p.Data.Path)
	}
	had, err := hasData(ad.path(to))
	if err != nil {
		return err
	}
	if had {
		return withHint(usage(fmt.Errorf("adopting %s: %s has data already", r.Dir, to)), "choose another name: aztec-spartan adopt DIR NAME")
	}
	if r.Mode, err = ad.dataMode(r.From, to, f.inPlace, f.asCopy); err != nil {
		return err
	}
	info, err := os.Stat(ad.path(r.From))
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		r.UID, r.GID = int(st.Uid), int(st.Gid)
	}
	return nil
}

// showAdoption prints the plan.
func (ad *adopter) showAdoption(p *adoptPlan) error {
	r := p.record
	ad.print("%s: %s, read from %s", r.Name, p.Instance.Role, p.setup.File)
	switch c := r.Container; {
	case c == nil:
		ad.print("container: none that docker knows of")
	default:
		state := "stopped"
		if c.Running {
			state = "running"
		}
		ad.print("container: %s (%s)", c.Name, state)
	}
	ad.print("image: %s", p.setup.Image)
	ad.print("\n# %s\n%s", instancePath(r.Name, settingsFile), shown(p.Instance))
	for _, c := range p.Changes {
		to := ""
		if c.To != "" && c.To != c.Name {
			to = " -> " + c.To
		}
		ad.print("%-9s %s%s: %s", c.Action, c.Name, to, c.Reason)
	}
	for _, k := range p.Attesters {
		ad.print("key: attester %s", k.Address())
	}
	for _, k := range p.Publishers {
		ad.print("key: publisher %s", k.Address())
	}
	for _, path := range p.KeyStores {
		ad.print("keystore: %s", path)
	}
	if p.P2PKey != "" {
		ad.print("P2P key: of %s", p2pKeyVariable)
	} else if r.From != "" && exists(ad.path(filepath.Join(r.From, p2pKeyFile))) {
		ad.print("P2P key: with the data")
	}
	for _, w := range p.Warnings {
		ad.note("warning: %s", w)
	}
	return ad.showData(r)
}

// copyRate is what disks do at least, in bytes a second.
const copyRate = 150 << 20

// showData says what becomes of the data, and how long the node is down.
func (ad *adopter) showData(r adoptionRecord) error {
	downtime := "the time that the container takes to stop and the node to start, under two minutes"
	switch r.Mode {
	case dataNone:
		ad.print("data: none are taken over")
	case dataRename:
		ad.print("data: %s is renamed to %s", r.From, r.To)
	case dataInPlace:
		ad.print("data: %s is used where it is, and bound at %s", r.From, r.To)
	case dataCopy:
		used, err := usedBytes(ad.path(r.From))
		if err != nil {
			return fmt.Errorf("measuring the data: %w", err)
		}
		if err := ad.roomFor(used, r.To); err != nil {
			return err
		}
		ad.print("data: %s, %s, are copied to %s", r.From, humanize.IBytes(uint64(used)), r.To)
		downtime += fmt.Sprintf(", and about %d minutes for the copy", used/copyRate/60+1)
	}
	ad.print("downtime: %s", downtime)
	return nil
}

// prepare configures the instance while the container still runs.
func (ad *adopter) prepare(ctx context.Context, p *adoptPlan) (*adoptionRecord, error) {
	fail := func(err error) (*adoptionRecord, error) {
		return nil, fmt.Errorf("adopting %s: %w", p.record.Dir, err)
	}
	img, err := ad.fetchAdopted(ctx, p)
	if err != nil {
		return nil, err
	}
	catalog, err := ad.catalog()
	if err != nil {
		return nil, err
	}
	// Now the version is known, whatever the tag was.
	again, err := p.setup.Plan(catalog, p.record.Name, p.network, img.Version)
	if err != nil {
		return nil, usage(err)
	}
	var refused []string
	for _, c := range (profiles.Migration{Changes: again.Changes}).Refused() {
		refused = append(refused, c.Name+": "+c.Reason)
	}
	if len(refused) > 0 {
		return nil, withHint(usage(fmt.Errorf("adopting %s: %s", p.record.Dir, strings.Join(refused, "; "))), "correct them where they are set, and this again; nothing was changed")
	}
	inst, cfg := again.Instance, &configPlan{}
	inst.Image, inst.Ports = p.setup.Image, p.Instance.Ports
	if p.record.Mode == dataInPlace {
		inst.DataDir = p.record.From
		cfg.move = &dataMove{to: p.record.From}
	}
	sec, err := ad.loadSecrets(ctx, inst.Name)
	if err != nil {
		return nil, err
	}
	if err := p.giveKeys(catalog, again, inst, &sec); err != nil {
		return fail(usage(err))
	}
	if lacks := missing(catalog, inst, sec, configFlags{changed: func(string) bool { return false }}); len(lacks) > 0 {
		return fail(withHint(usage(fmt.Errorf("it does not say %s", join(lacks))), "--network is a flag of adopt, too; the others are set in the .env of the container"))
	}
	if err := catalog.Validate(inst); err != nil {
		return fail(usage(err))
	}
	others, err := ad.tenants(ctx, inst.Name, nil)
	if err != nil {
		return nil, err
	}
	if err := checkCollisions(catalog, ad.tenant(inst, sec.keystore, img.Version), others); err != nil {
		return nil, err
	}
	cfg.inst, cfg.sec = inst, sec
	if cfg.state, cfg.active, err = ad.generations(inst); err != nil {
		return nil, err
	}
	if cfg.rendered, err = ad.render(ctx, inst, img, sec, cfg.state.Next()); err != nil {
		return nil, err
	}
	for _, w := range cfg.rendered.warnings {
		ad.note("warning: %s", w)
	}
	r := p.record
	r.Service = cfg.rendered.unit
	if err := ad.saveAdoption(ctx, &r, stepPrepared); err != nil {
		return nil, err
	}
	quiet := *ad.app // what config says next is not what comes next here
	quiet.out = io.Discard
	if err := quiet.apply(ctx, cfg); err != nil {
		return nil, err
	}
	ad.note("%s is configured (%s, %s); the container was not touched yet", inst.Name, inst.Role, img.Version)
	return &r, nil
}

// fetchAdopted takes the image from the store where it is there: it is named
// by its digest.
func (ad *adopter) fetchAdopted(ctx context.Context, p *adoptPlan) (*extract.Image, error) {
	if img, err := ad.here(p.setup.Image); err == nil {
		return img, nil
	}
	return ad.fetch(ctx, p.setup.Image)
}

// giveKeys makes the keystore of the instance, and its key among its peers.
func (p *adoptPlan) giveKeys(catalog profiles.Catalog, plan adoption.Plan, inst profiles.Instance, sec *secrets) error {
	role, err := catalog.Role(inst.Role)
	if err != nil {
		return err
	}
	if plan.P2PKey != "" && role.P2P() {
		key, err := parseP2PKey(plan.P2PKey)
		if err != nil {
			return fmt.Errorf("%s: %w", p2pKeyVariable, err)
		}
		if key != sec.p2pKey {
			sec.p2pKey, sec.newP2P = key, true
		}
	}
	own := keystore.Plain{Attesters: plan.Attesters, Publishers: plan.Publishers}
	switch {
	case !role.Keys:
		return nil
	case p.keystore != nil:
		if _, err := keystore.Parse(p.keystore); err != nil {
			return err
		}
		sec.replace(p.keystore)
		return nil
	case role.Prover:
		own.Attesters = nil
	case len(own.Attesters) == 0:
		return nil // said with all that is missing
	}
	if role.Prover && len(own.Publishers) == 0 {
		return nil
	}
	data, err := made(own, inst)
	if err == nil {
		sec.replace(data)
	}
	return err
}
