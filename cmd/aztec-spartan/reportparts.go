package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
	"github.com/aztec-spartan/aztec-spartan/units/doctor"
	"github.com/aztec-spartan/aztec-spartan/units/journal"
)

// reportParts are what a report has, in the order in which people read it.
func (a *app) reportParts(inst profiles.Instance, since string) []part {
	name := inst.Name
	unit, _ := a.installedUnit(name)
	return []part{
		{name: "versions.txt", about: "this program, the image, the distribution, kernel and systemd", collect: a.reportVersions(inst)},
		{name: "status.json", about: "what aztec-spartan status says, with the last roll and its evidence", collect: a.reportStatus(name)},
		{name: "doctor.json", about: "what aztec-spartan doctor says", collect: a.reportDoctor(inst)},
		{name: "instance.toml", about: "settings, URLs cut to their hosts", collect: a.reportSettings(inst)},
		{name: "local.env", about: "your own variables: names, and values that are known to be no secrets", collect: a.reportVariables(inst)},
		{name: "config.toml", about: "settings of this host", collect: a.reportHostConfig},
		{name: "unit.service", about: "the generated unit", collect: a.copyFile(filepath.Join(systemdDir, unit))},
		{name: "drop-ins.txt", about: "what systemctl edit added, without values of Environment=", collect: a.reportDropIns(unit)},
		{name: "state.json", about: "generations, skipped versions, last roll", collect: a.copyFile(filepath.Join(stateDir, name, "state.json"))},
		{name: "data.txt", about: "what the data directory has, in bytes", collect: a.reportData(inst)},
		{name: "errors.txt", about: "errors and warnings of the node, with their times", hashes: true, collect: a.reportJournal(name, unit, since, "warn")},
		{name: "journal.txt", about: "the journal since " + since + ", with rolls", hashes: true, collect: a.reportJournal(name, unit, since, "")},
	}
}

// reportHostConfig copies config.toml, unless it is wrong: what of it is secret
// is known from its settings.
func (a *app) reportHostConfig(ctx context.Context, w io.Writer) error {
	if _, err := a.hostConfig(); err != nil {
		return fmt.Errorf("left out, as what of it is secret cannot be told: %w", err)
	}
	return a.copyFile(configFile)(ctx, w)
}

func (a *app) reportVersions(inst profiles.Instance) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		fmt.Fprintf(w, "aztec-spartan %s (%s, %s)\n", orDefault(version, "not released"), runtime.Version(), runtime.GOARCH)
		fmt.Fprintf(w, "image %s\n", inst.Image)
		if _, meta, err := a.generations(inst); err == nil {
			fmt.Fprintf(w, "runs %s, %s, generation %d\n", orDefault(meta.Version, "nothing yet"), meta.Digest, meta.Generation)
		}
		if v, err := a.systemdVersion(ctx); err == nil {
			fmt.Fprintf(w, "systemd %d\n", v)
		}
		fmt.Fprintf(w, "at %s\n", time.Now().Format(time.RFC3339))
		for _, path := range []string{"/proc/version", "/proc/uptime", "/proc/loadavg", "/etc/os-release"} {
			data, err := os.ReadFile(a.path(path))
			if err == nil {
				fmt.Fprintf(w, "\n# %s\n%s", path, data)
			}
		}
		return nil
	}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (a *app) reportStatus(name string) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		if !a.live() {
			s, err := a.status(ctx, nil, name)
			if err != nil {
				return err
			}
			return writeJSON(w, s)
		}
		m, err := connect(ctx)
		if err != nil {
			return err
		}
		defer m.Close()
		s, err := a.statusOrWhy(ctx, m, name)
		if err == nil {
			err = a.askVote(ctx, &s)
		}
		if err != nil {
			return err
		}
		return writeJSON(w, s)
	}
}

func (a *app) reportDoctor(inst profiles.Instance) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		list, err := a.examine(ctx, &inst, doctor.Everything)
		if err != nil {
			return err
		}
		return writeJSON(w, list)
	}
}

// reportVariables shows values of variables that this program knows, and knows
// to be no secret.
func (a *app) reportVariables(inst profiles.Instance) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		catalog, err := a.catalog()
		if err != nil {
			return err
		}
		local, err := a.localEnv(inst.Name)
		for _, v := range local {
			value := v.Value
			if !shownVariable(catalog, v.Name) {
				value = notShown
			}
			fmt.Fprintf(w, "%s=%s\n", v.Name, value)
		}
		return err
	}
}

const notShown = "(not shown)"

// shownVariable reports whether a variable is known, and known to be no secret.
func shownVariable(catalog profiles.Catalog, name string) bool {
	_, known := catalog.Variable(name)
	return known && !catalog.Secret(name)
}

// reportSettings are the settings as config shows them, less the values that
// could be secrets.
func (a *app) reportSettings(inst profiles.Instance) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		catalog, err := a.catalog()
		if err != nil {
			return err
		}
		env := map[string]string{}
		for name, value := range inst.Env {
			if env[name] = value; !shownVariable(catalog, name) {
				env[name] = notShown
			}
		}
		inst.Env = env
		_, err = w.Write(shown(inst))
		return err
	}
}

// reportData lists the stores of the data directory with what they take.
func (a *app) reportData(inst profiles.Instance) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		catalog, err := a.catalog()
		if err != nil {
			return err
		}
		dir := catalog.DataDir(inst)
		if dir == "" {
			return nil
		}
		files, err := os.ReadDir(a.path(dir))
		for _, f := range files {
			fmt.Fprintf(w, "%14d %s\n", diskUsage(a.path(filepath.Join(dir, f.Name()))), quoted(f.Name()))
		}
		if free, total, err := (doctor.Disks{}).Room(a.path(dir)); err == nil {
			fmt.Fprintf(w, "%14d free of %d\n", free, total)
		}
		return err
	}
}

// reportJournal is the journal of the instance and of its rolls from a level on.
func (a *app) reportJournal(name, unit, since, level string) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		if !a.live() {
			fmt.Fprintln(w, "--root has no journal")
			return nil
		}
		q := journal.Query{Units: []string{unit, rollUnit(name)}, Since: since, Lines: -1}
		if level != "" {
			var err error
			if q.Level, err = journal.ParseLevel(level); err != nil {
				return err
			}
		}
		out, err := journal.NewWriter(w, "short", false)
		if err != nil {
			return err
		}
		return journal.Read(ctx, q, out.Write)
	}
}

// hostSecrets are all secrets of the host that are known, for a report: of all
// instances, also of what they had before, and of the host's own settings. What
// cannot be read is an error: it could be in what is reported. But files that are
// encrypted, and that this host cannot decrypt any more, are when a report is
// needed; lost says which.
func (a *app) hostSecrets(ctx context.Context) (words redact.Words, lost []error, err error) {
	names, err := a.instanceNames()
	if err != nil {
		return words, nil, err
	}
	var list []string
	for _, name := range names {
		found, errs := a.instanceSecrets(ctx, name)
		for _, err := range errs {
			if _, ok := errors.AsType[*sealedError](err); !ok {
				return words, nil, err
			}
		}
		lost = append(lost, errs...)
		former, err := a.formerSecrets(name)
		if err != nil {
			return words, nil, err
		}
		list = append(append(list, found...), former...)
	}
	list = append(list, a.notifySecrets()...)
	if data, err := os.ReadFile(a.path(credentialsFile)); err == nil {
		list = append(list, credentialWords(data)...)
	}
	return redact.NewWords(list), lost, nil
}

// notifySecrets are those of [notify]. In a config.toml that is wrong nothing
// tells which those are: all that it may have there is one, since what is wrong
// is quoted where it is said.
func (a *app) notifySecrets() []string {
	var words []string
	c, err := a.hostConfig()
	if err != nil {
		data, _ := os.ReadFile(a.path(configFile)) // what cannot be read is not quoted
		_, section, _ := strings.Cut(string(data), "[notify]")
		for line := range strings.Lines(section) {
			if strings.HasPrefix(strings.TrimSpace(line), "[") {
				break
			}
			_, value, _ := strings.Cut(line, "=")
			value = strings.TrimSpace(value)
			for _, w := range append(strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" \t\"'[],", r) }), strings.Trim(value, "\"'[] ")) {
				words = append(words, secretWords(w, true)...)
			}
		}
		return words
	}
	if receiver, err := a.notifyURL(c); err == nil {
		words = append(words, redact.URLWords(receiver)...)
		if u, err := url.Parse(receiver); err == nil && u.Scheme != "http" && u.Scheme != "https" {
			words = append(words, secretWords(u.Host, true)...) // pushbullet://KEY
		}
	}
	for _, word := range c.Notify.Command[min(1, len(c.Notify.Command)):] {
		for _, w := range append(strings.Fields(word), word) {
			words = append(words, secretWords(w, true)...)
		}
	}
	return words
}

// formerSecrets are those in drop-ins, in the environment file of old versions,
// and in variables that this program does not know.
func (a *app) formerSecrets(name string) ([]string, error) {
	var words []string
	if unit, err := a.installedUnit(name); err == nil {
		found, err := a.dropInSecrets(unit)
		if err != nil {
			return nil, fmt.Errorf("reading the drop-ins of %s: %w", name, err)
		}
		words = append(words, found...)
	}
	if data, err := os.ReadFile(a.path(instancePath(name, secretEnvFile))); err == nil {
		if file, err := envfile.Parse(data); err == nil {
			for _, v := range file.Vars {
				words = append(words, secretWords(v.Value, true)...)
			}
		}
	}
	// One that systemd refuses was read before, maybe.
	if data, err := os.ReadFile(a.path(instancePath(name, localEnvFile))); err == nil {
		if _, err := envfile.Parse(data); err != nil {
			return nil, fmt.Errorf("reading %s: %w", instancePath(name, localEnvFile), err)
		}
	}
	catalog, err := a.catalog()
	if err != nil {
		return nil, err
	}
	inst, err := a.loadInstance(name)
	if err != nil {
		return nil, err
	}
	for name, value := range a.ownVariables(inst) {
		if !shownVariable(catalog, name) {
			words = append(words, secretWords(value, true)...)
		}
	}
	return words, nil
}

// credentialWords are what is secret in a file of registries' credentials: all
// values, and what is encoded in "auth".
func credentialWords(data []byte) []string {
	var root any
	if json.Unmarshal(data, &root) != nil {
		return nil
	}
	var words []string
	var walk func(value any)
	walk = func(value any) {
		switch v := value.(type) {
		case map[string]any:
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		case string:
			words = append(words, secretWords(v, true)...)
			if plain, err := base64.StdEncoding.DecodeString(v); err == nil {
				_, password, _ := strings.Cut(string(plain), ":")
				words = append(words, secretWords(password, true)...)
			}
		}
	}
	walk(root)
	return words
}
