package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	"github.com/charmbracelet/huh"
	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/bundle"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/data"
)

// manifest is manifest.json of a bundle, its first entry.
type manifest struct {
	Schema    int       `json:"schema"`
	Name      string    `json:"name"`
	Host      string    `json:"host"`
	Created   time.Time `json:"created"`
	Moved     bool      `json:"moved"` // the host that it is from refuses to start it
	Version   string    `json:"version"`
	Digest    string    `json:"digest"`
	Attesters []string  `json:"attesters"`
	// Nonces are those of the publishers on L1 when the bundle was made, as far
	// as L1 could be asked: one that has changed was used since.
	Nonces map[string]uint64 `json:"nonces"`
	carried
}

const (
	manifestSchema = 1
	manifestEntry  = "manifest.json"
	// signingDir is what an attester has signed, which goes wherever its key does.
	signingDir = "signing-protection"
	// cacheRoot has a directory for every instance that was started once.
	cacheRoot = "/var/cache/aztec"
)

// exportFlags are what export was called with.
type exportFlags struct {
	recipient, passphraseFile string
	data, move                bool
}

func (a *app) exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export NAME FILE",
		Short: "Write an instance with its keys into an encrypted file",
		Long: `Write an instance into one file, for another host or as a copy: settings, keys,
P2P identity, drop-ins and the newest signing protection; with --data all of its
data. It is encrypted with age, to a passphrase, which is asked for, or to a
recipient (age1...). age itself can decrypt it.

The instance must be stopped: what it signs later would be missing. With --move
this host refuses to start it from then on, by whatever road, unless told with
start --here: a key in two running nodes is slashed.`,
		Example: `  aztec-spartan export val1 val1.age --move
  aztec-spartan export val1 val1.age --recipient age1...`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("export", false); err != nil {
				return err
			}
			inst, err := a.loadInstance(args[0])
			if err != nil {
				return err
			}
			if err := a.mayExport(cmd.Context(), inst, args[1], f); err != nil {
				return err
			}
			to, err := a.exportRecipient(cmd.Context(), f)
			if err != nil {
				return err
			}
			return a.lockedInstance(cmd.Context(), args[0], "export", func(inst profiles.Instance) error {
				return a.export(cmd.Context(), inst, args[1], to, f)
			})
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.recipient, "recipient", "", "age `recipient` to encrypt to, instead of a passphrase")
	fs.StringVar(&f.passphraseFile, "passphrase-file", "", "`file` with the passphrase; - is standard input")
	fs.BoolVar(&f.data, "data", false, "all data, not only what was signed")
	fs.BoolVar(&f.move, "move", false, "it moves: this host refuses to start it afterwards")
	return cmd
}

func (a *app) exportRecipient(ctx context.Context, f exportFlags) (age.Recipient, error) {
	switch {
	case f.recipient != "" && f.passphraseFile != "":
		return nil, usage(errors.New("--recipient and --passphrase-file exclude each other"))
	case f.recipient != "":
		r, err := age.ParseX25519Recipient(f.recipient)
		if err != nil {
			return nil, withHint(usage(errors.New("--recipient: not an age recipient")), "age-keygen makes an identity, and prints its recipient, age1...")
		}
		return r, nil
	}
	words, err := a.passphrase(ctx, f.passphraseFile, true)
	if err != nil {
		return nil, err
	}
	r, err := age.NewScryptRecipient(words)
	if err != nil {
		return nil, usage(errors.New("the passphrase cannot be used")) // the cause may hold it
	}
	return r, nil
}

// shortestPassphrase is what an export takes.
const shortestPassphrase = 10

// passphrase reads one from a file, or asks for it on a terminal.
func (a *app) passphrase(ctx context.Context, file string, fresh bool) (string, error) {
	words := ""
	switch {
	case file == "" && !a.terminal():
		return "", withHint(usage(errors.New("a passphrase is needed, and there is no terminal to ask for it")), "--passphrase-file FILE")
	case file == "":
		again := ""
		fields := []huh.Field{huh.NewInput().Title("Passphrase").EchoMode(huh.EchoModePassword).Value(&words)}
		if fresh {
			fields = append(fields, huh.NewInput().Title("Again").EchoMode(huh.EchoModePassword).Value(&again).Validate(func(s string) error {
				if s != words {
					return errors.New("the two differ")
				}
				return nil
			}))
		}
		if err := a.form(ctx, errors.New("cancelled, nothing was changed"), fields...); err != nil {
			return "", err
		}
	default:
		in := a.in
		if file != "-" {
			f, err := os.Open(file)
			if err != nil {
				return "", usage(fmt.Errorf("--passphrase-file: %w", err))
			}
			defer f.Close()
			in = f
		}
		data, err := io.ReadAll(io.LimitReader(in, 4096))
		if err != nil {
			return "", fmt.Errorf("reading the passphrase: %w", err)
		}
		words = string(bytes.TrimRight(data, "\r\n"))
	}
	if fresh && len(words) < shortestPassphrase {
		return "", usage(fmt.Errorf("the passphrase is shorter than %d characters", shortestPassphrase))
	}
	return words, nil
}

func (a *app) export(ctx context.Context, inst profiles.Instance, file string, to age.Recipient, f exportFlags) (err error) {
	fail := func(err error) error { return fmt.Errorf("exporting %s: %w", inst.Name, err) }
	if err := a.mayExport(ctx, inst, file, f); err != nil {
		return err
	}
	placed := false
	if f.move {
		// From the mark on nothing starts it, so what is read after a second
		// look is the last that was signed here.
		defer func() {
			if err != nil && !placed {
				err = errors.Join(err, a.clearElsewhere(context.WithoutCancel(ctx), inst))
			}
		}()
		e := elsewhere{Why: movedAway, Since: time.Now().UTC()}
		e.Host, _ = os.Hostname()
		if err := a.markElsewhere(ctx, inst, e); err != nil {
			return fail(err)
		}
		if err := a.isStopped(ctx, inst); err != nil {
			return fail(err)
		}
	}
	m, err := a.manifestOf(ctx, inst, f.move)
	if err != nil {
		return fail(err)
	}
	out, err := os.CreateTemp(filepath.Dir(file), ".aztec-export-*")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(out.Name()) // unless it was renamed
	defer out.Close()
	w, err := bundle.NewWriter(out, to)
	if err != nil {
		return fail(err)
	}
	if err := a.exportParts(ctx, w, inst, m, f.data); err != nil {
		return fail(err)
	}
	if err := errors.Join(w.Close(), out.Sync()); err != nil {
		return fail(err)
	}
	if err := a.isStopped(ctx, inst); err != nil { // systemctl knows no lock
		return fail(err)
	}
	if err := os.Rename(out.Name(), file); err != nil {
		return fail(err)
	}
	placed = true
	if err := atomicfile.SyncDir(filepath.Dir(file)); err != nil {
		return fail(err)
	}
	a.print("%s is in %s; on the other host: aztec-spartan import %s", inst.Name, file, filepath.Base(file))
	if f.move {
		a.note("this host refuses to start %s from now on; aztec-spartan start %s --here takes that back, if it never ran elsewhere", inst.Name, inst.Name)
	}
	return nil
}

// mayExport says what is in the way, so that nobody types a passphrase for
// nothing, and once more when the instance is locked.
func (a *app) mayExport(ctx context.Context, inst profiles.Instance, file string, f exportFlags) error {
	fail := func(err error) error { return fmt.Errorf("exporting %s: %w", inst.Name, err) }
	if err := a.mayRun(inst.Name); err != nil {
		return fail(err)
	}
	if err := a.mayMove(inst.Name, f); err != nil {
		return fail(err)
	}
	if err := a.isStopped(ctx, inst); err != nil {
		return fail(err)
	}
	if a.markOfResync(inst.Name) != nil {
		return withHint(withCode(exitLocked, fail(errors.New("a resync that was interrupted may start it"))), "aztec-spartan stop %s", inst.Name)
	}
	state, err := a.files().Load(inst.Name)
	if err != nil {
		return fail(err)
	}
	if err := unfinishedRoll(state, "exporting", inst.Name); err != nil {
		return err
	}
	if off := state.NoSigning; off != nil {
		err := fail(fmt.Errorf("it must not sign, which another host would not know: %s", off.Reason))
		return withHint(err, "aztec-spartan start %s --sign, from %s on, lets it, and then this again", inst.Name, off.Until.Local().Format(time.DateTime))
	}
	if exists(file) {
		return withHint(usage(fail(fmt.Errorf("%s is there already", file))), "choose another name")
	}
	return nil
}

// mayMove refuses --move where this host cannot promise that it was the last to
// sign: the key is on another one, or the instance is not yet sure that it is not.
func (a *app) mayMove(name string, f exportFlags) error {
	e, err := a.loadElsewhere(name)
	if err != nil || e == nil || !f.move {
		return err
	}
	const asCopy = "without --move the file is a copy, which waits for an epoch where it is imported"
	switch e.Why {
	case cameHere:
		return withHint(fmt.Errorf("it came from the host %s and has not run here yet: only that file says until when its key may have signed", quoted(e.Host)),
			"import that file on the third host, or start it here first; "+asCopy)
	case promoted:
		return withHint(fmt.Errorf("%s has taken over from it, with the same keys", quoted(e.Host)), "aztec-spartan export %s FILE --move moves that one", e.Host)
	}
	return withHint(fmt.Errorf("it moved to another host on %s, and may have signed there since", e.Since.Local().Format(time.DateTime)),
		"import the file of then; if it never ran there: aztec-spartan start %s --here, and this again once it is stopped; "+asCopy, name)
}

// isStopped refuses an instance that runs, or may, as systemd does not say.
func (a *app) isStopped(ctx context.Context, inst profiles.Instance) error {
	unit, err := a.unitOf(inst)
	if err != nil {
		return err
	}
	running, err := a.isRunning(ctx, unit)
	if err == nil && running {
		err = withHint(errors.New("it runs: what it signs from now on would be missing"), "aztec-spartan stop %s", inst.Name)
	}
	return err
}

func (a *app) manifestOf(ctx context.Context, inst profiles.Instance, move bool) (manifest, error) {
	m := manifest{Schema: manifestSchema, Name: inst.Name, Created: time.Now().UTC(), Moved: move, Attesters: []string{}, Nonces: map[string]uint64{}}
	m.Host, _ = os.Hostname()
	if state, meta, err := a.generations(inst); err == nil {
		m.Version, m.Digest = meta.Version, meta.Digest
		m.carried = carried{state.Pin, state.Skipped}
	}
	var sec secrets
	if err := a.loadKeystore(ctx, inst.Name, &sec); err != nil {
		return m, err
	}
	t := a.tenant(inst, sec.keystore, m.Version)
	for _, address := range t.Attesters {
		m.Attesters = append(m.Attesters, address.String())
	}
	m.Nonces = nonces(ctx, inst, t)
	return m, nil
}

// exportParts writes what a bundle has. Small files first: who imports decides
// by them before the data come.
func (a *app) exportParts(ctx context.Context, w *bundle.Writer, inst profiles.Instance, m manifest, all bool) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	sec, err := a.loadKeys(ctx, inst.Name)
	if err != nil {
		return err
	}
	if sec.admin, err = a.readAdminKey(ctx, inst.Name); err != nil {
		return err
	}
	type file struct {
		name string
		data []byte
	}
	small := []file{{manifestEntry, text}, {settingsFile, inst.Encode()}, {keystoreFile, sec.keystore}, {p2pKeyFile, []byte(sec.p2pKey)}, {adminKeyFile, []byte(sec.admin.text)}}
	local, err := os.ReadFile(a.path(instancePath(inst.Name, localEnvFile)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	small = append(small, file{localEnvFile, local})
	unit, err := a.unitOf(inst)
	if err != nil {
		return err
	}
	dropIns, err := filepath.Glob(filepath.Join(a.dropInDir(unit), "*.conf"))
	if err != nil {
		return err
	}
	for _, path := range dropIns {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if filepath.Base(path) != elsewhereDropIn {
			small = append(small, file{"drop-ins/" + filepath.Base(path), data})
		}
	}
	for _, s := range small {
		if len(s.data) == 0 {
			continue
		}
		if err := w.Add(s.name, int64(len(s.data)), bytes.NewReader(s.data)); err != nil {
			return err
		}
	}
	return a.exportData(ctx, w, inst, all)
}

// exportData adds what was signed, the node's own P2P key, and, if asked for,
// the rest.
func (a *app) exportData(ctx context.Context, w *bundle.Writer, inst profiles.Instance, all bool) error {
	name := inst.Name
	dir, err := a.dataPath(name)
	if err != nil {
		return withHint(err, "mount the disk that they are on")
	}
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		// systemd makes both directories at the first start.
		if !exists(a.path(filepath.Join(cacheRoot, name))) {
			return nil
		}
		err := fmt.Errorf("it has run here, and its data, with what it has signed, are not in %s", dir)
		return withHint(err, "mount the disk that they are on; if they are lost for good: mkdir %s", dir)
	}
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case path == ".":
			return nil
		case path == asideDir, path == droppedDir, path == data.SavedDir, path == dataMarker(name):
			return skip(d)
		case !all && filepath.Dir(path) == "." && path != signingDir && path != p2pKeyFile:
			return skip(d)
		case !d.Type().IsRegular():
			return nil
		}
		f, err := root.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		fi, err := f.Stat()
		if err != nil {
			return err
		}
		return w.Add("data/"+path, fi.Size(), f)
	})
}

func skip(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}
