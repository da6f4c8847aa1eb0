package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// shown is an instance as it may appear on a screen: URLs of L1 carry the keys
// of their providers.
func shown(inst profiles.Instance) []byte {
	redact := func(urls []string) []string {
		var out []string
		for _, u := range urls {
			out = append(out, profiles.RedactURL(u))
		}
		return out
	}
	inst.L1.RPC, inst.L1.Consensus = redact(inst.L1.RPC), redact(inst.L1.Consensus)
	env := map[string]string{}
	for name, value := range inst.Env {
		env[name] = profiles.RedactValue(value)
	}
	inst.Env = env
	return inst.Encode()
}

// showChange prints how instance.toml will change, as a unified diff.
func (a *app) showChange(old *profiles.Instance, inst profiles.Instance) {
	name := instancePath(inst.Name, settingsFile)
	from, before := "/dev/null", []byte(nil)
	if old != nil {
		from, before = name, shown(*old)
	}
	// Its first line repeats the names below it.
	_, text, _ := bytes.Cut(diff.Diff(from, before, name, shown(inst)), []byte("\n"))
	fmt.Fprintf(a.err, "%s", text)
	if old != nil && len(text) == 0 && !bytes.Equal(old.Encode(), inst.Encode()) {
		a.note("%s changes in a part of a URL that is not shown", name)
	}
}

// showPlan prints every file that config would write, and writes none.
func (a *app) showPlan(p *configPlan) error {
	inst, r := p.inst, p.rendered
	a.print("# %s\n%s", instancePath(inst.Name, settingsFile), shown(inst))
	if r == nil {
		a.note("the image is not here yet, so the unit and the environment cannot be shown: aztec-spartan pull %s", inst.Image)
		return nil
	}
	a.print("# %s\n%s", filepath.Join(systemdDir, r.unit), r.Unit)
	a.print("# %s/%s/%d/env", stateDir, inst.Name, r.Number)
	for line := range strings.Lines(string(r.Env)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if ok && !strings.HasPrefix(line, "#") {
			line = name + "=" + profiles.RedactValue(strings.Trim(value, `"`)) + "\n"
		}
		fmt.Fprint(a.out, line)
	}
	a.print("\n# where each variable comes from")
	if err := a.showOrigins(r.node.Origins); err != nil {
		return err
	}
	a.print("\n# %s", sysusersFile(inst.Name))
	for _, secret := range p.secretFiles() {
		a.print("# %s (0600, not shown)", instancePath(inst.Name, secret))
	}
	if m := p.move; m != nil {
		a.print("# %s, bound at %s", m.to, filepath.Join(dataRoot, inst.Name))
	}
	return nil
}

// secretFiles are the files of secrets that config would write.
func (p *configPlan) secretFiles() []string {
	var list []string
	if p.sec.rekey || p.sec.reform() {
		list = append(list, keystoreName(p.sec.seal))
	}
	if p.sec.movesAdmin() {
		list = append(list, adminKeyName(p.sec.adminForm()))
	}
	if p.sec.newP2P {
		list = append(list, p2pKeyFile)
	}
	if p.rendered != nil && p.rendered.secretEnv != nil {
		list = append(list, secretEnvFile)
	}
	return list
}
