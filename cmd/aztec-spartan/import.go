package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/bundle"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/credential"
)

// importFlags are what import was called with.
type importFlags struct{ identity, passphraseFile string }

func (a *app) importCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take over an instance that export wrote on another host",
		Long: `Make an instance of a file that export wrote on another host: settings, keys,
P2P identity, what it has signed, and its data if they are in it. Nothing is
started. Addresses, ports and L1 are those of the other host: change them with
config before the first start.

The first start of an attester asks whether its key runs elsewhere (--not-elsewhere
where there is no terminal), looks for it on L1 and, as far as a bootnode is
configured, on the network, and waits until the other host can have signed
nothing that this one could sign again.`,
		Example: `  aztec-spartan import val1.age
  aztec-spartan config val1 --ip auto
  aztec-spartan start val1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("import", false); err != nil {
				return err
			}
			return a.importFile(cmd.Context(), args[0], f)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.identity, "identity", "", "`file` with the age identity of the recipient")
	fs.StringVar(&f.passphraseFile, "passphrase-file", "", "`file` with the passphrase; - is standard input")
	return cmd
}

func (a *app) importIdentity(ctx context.Context, f importFlags) (age.Identity, error) {
	if f.identity != "" && f.passphraseFile != "" {
		return nil, usage(errors.New("--identity and --passphrase-file exclude each other"))
	}
	if f.identity != "" {
		file, err := os.Open(f.identity)
		if err != nil {
			return nil, usage(fmt.Errorf("--identity: %w", err))
		}
		defer file.Close()
		ids, err := age.ParseIdentities(io.LimitReader(file, 64<<10))
		if err != nil || len(ids) != 1 {
			return nil, withHint(usage(fmt.Errorf("--identity: %s has not one identity of age", f.identity)), "age-keygen makes such a file")
		}
		return ids[0], nil
	}
	words, err := a.passphrase(ctx, f.passphraseFile, false)
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(words)
	if err != nil {
		return nil, usage(errors.New("the passphrase cannot be used"))
	}
	return id, nil
}

// arrival is a bundle under way into this host.
type arrival struct {
	manifest manifest
	inst     profiles.Instance
	sec      secrets
	localEnv []byte
	dropIns  map[string][]byte
}

func (a *app) importFile(ctx context.Context, path string, f importFlags) error {
	fail := func(err error) error { return fmt.Errorf("importing %s: %w", path, err) }
	file, err := os.Open(path)
	if err != nil {
		return usage(fail(err))
	}
	defer file.Close()
	who, err := a.importIdentity(ctx, f)
	if err != nil {
		return err
	}
	r, err := bundle.NewReader(file, who)
	if err != nil {
		return fail(err)
	}
	defer r.Close()
	first, err := r.Next()
	if err != nil {
		return fail(err)
	}
	var m manifest
	data, err := first.All()
	if err != nil {
		return fail(err)
	}
	switch {
	case first.Name != manifestEntry || json.Unmarshal(data, &m) != nil:
		return fail(bundle.ErrForm)
	case m.Schema > manifestSchema:
		return withCode(exitUnsupported, fail(fmt.Errorf("it was written by a newer aztec-spartan: schema %d", m.Schema)))
	}
	if err := profiles.ValidName(m.Name); err != nil {
		return usage(fail(err))
	}
	if err := m.check(); err != nil {
		return usage(fail(err))
	}
	return a.locked(ctx, m.Name, "import", func() error {
		if a.leftOver(m.Name) {
			return withHint(usage(fail(fmt.Errorf("there is an instance %s here, or what is left of one", m.Name))), "aztec-spartan remove %s --purge, if it is nothing", m.Name)
		}
		// The data are put aside until all of the bundle was read: a cut is
		// noticed at its end.
		staging := a.path(filepath.Join(dataRoot, ".import-"+m.Name))
		if err := os.RemoveAll(staging); err != nil {
			return fail(err)
		}
		defer os.RemoveAll(staging)
		arr := &arrival{manifest: m, dropIns: map[string][]byte{}}
		if err := a.unpackBundle(ctx, r, arr, staging); err != nil {
			return fail(err)
		}
		if err := a.judge(ctx, arr); err != nil {
			return err
		}
		if err := a.settleArrival(ctx, arr, staging); err != nil {
			return fail(err)
		}
		a.print("%s (%s, %s) is here; look at it with aztec-spartan config %s, then: aztec-spartan start %s", m.Name, arr.inst.Role, orDefault(m.Version, arr.inst.Image), m.Name, m.Name)
		return nil
	})
}

var dropInName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.conf$`)

func (a *app) unpackBundle(ctx context.Context, r *bundle.Reader, arr *arrival, staging string) error {
	if err := os.MkdirAll(filepath.Dir(staging), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(staging, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(staging)
	if err != nil {
		return err
	}
	defer root.Close()
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if name, ok := strings.CutPrefix(e.Name, "data/"); ok {
			if err := extractTo(root, name, e); err != nil {
				return err
			}
			continue
		}
		data, err := e.All()
		if err != nil {
			return err
		}
		if err := arr.take(e.Name, data); err != nil {
			return err
		}
	}
}

func extractTo(root *os.Root, name string, e bundle.Entry) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, e)
	return errors.Join(err, f.Sync(), f.Close())
}

// take reads one of the small files.
func (arr *arrival) take(name string, data []byte) (err error) {
	switch dir, file := filepath.Split(name); {
	case name == settingsFile:
		arr.inst, err = profiles.ParseInstance(arr.manifest.Name, data)
		return err
	case name == keystoreFile:
		if _, err := keystore.Parse(data); err != nil {
			return fmt.Errorf("its keystore: %w", err)
		}
		arr.sec.replace(data)
	case name == p2pKeyFile:
		arr.sec.p2pKey, err = parseP2PKey(string(data))
		arr.sec.newP2P = err == nil
		return err
	case name == adminKeyFile:
		arr.sec.admin.text, arr.sec.admin.fresh = strings.TrimSpace(string(data)), true
	case name == localEnvFile:
		arr.localEnv = data
	case dir == "drop-ins/" && dropInName.MatchString(file) && file != elsewhereDropIn:
		arr.dropIns[file] = data
	default:
		return fmt.Errorf("%w: %s is nothing that an export writes", bundle.ErrForm, quoted(name))
	}
	return nil
}

// judge refuses what could not run here beside what there is.
func (a *app) judge(ctx context.Context, arr *arrival) error {
	name := arr.manifest.Name
	if arr.inst.Name == "" {
		return fmt.Errorf("importing %s: %w: it has no settings", name, bundle.ErrForm)
	}
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	if arr.inst.DataDir != "" {
		a.note("its data were in %s there, and are in /var/lib/aztec/%s here: config %s --data-dir DIR moves them", quoted(arr.inst.DataDir), name, name)
		arr.inst.DataDir = ""
	}
	a.endStandby(&arr.inst)
	if err := catalog.Validate(arr.inst); err != nil {
		return usage(fmt.Errorf("importing %s: %w", name, err))
	}
	others, err := a.tenants(ctx, name, nil)
	if err != nil {
		return err
	}
	return checkCollisions(catalog, a.tenant(arr.inst, arr.sec.keystore, arr.manifest.Version), others)
}

// settleArrival writes the instance; its settings come last.
func (a *app) settleArrival(ctx context.Context, arr *arrival, staging string) error {
	name := arr.manifest.Name
	unit, err := a.unitOf(arr.inst)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(a.path(instancePath(name, "")), 0o750); err != nil {
		return err
	}
	if len(arr.manifest.Attesters) > 0 || arr.sec.keystore != nil {
		e := elsewhere{Why: cameHere, Since: arr.manifest.Created, Host: arr.manifest.Host, Final: arr.manifest.Moved, Nonces: arr.manifest.Nonces}
		if err := a.markElsewhere(ctx, arr.inst, e); err != nil {
			return err
		}
	}
	if a.canSeal(ctx) == nil {
		arr.sec.seal, arr.sec.admin.want = credential.Host, credential.Host
	}
	if err := a.saveSecrets(ctx, name, arr.sec, nil); err != nil {
		return err
	}
	if arr.localEnv != nil {
		if err := a.writeSecret(name, localEnvFile, arr.localEnv); err != nil {
			return err
		}
	}
	for file, data := range arr.dropIns {
		dir := a.dropInDir(unit)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := atomicfile.Write(filepath.Join(dir, file), data, 0o644); err != nil {
			return err
		}
		a.note("it has a drop-in, which changes its unit: %s", filepath.Join(systemdDir, unit+".d", file))
	}
	found, err := os.ReadDir(staging)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		// systemd gives them to the instance's user at its start (StateDirectory=).
		unix.Sync() // its files, what was signed among them, before their name says that they are whole
		if err := renameDir(staging, a.path(filepath.Join(dataRoot, name))); err != nil {
			return err
		}
	}
	if err := a.saveCarried(name, unit, arr.manifest.carried); err != nil {
		return err
	}
	return a.saveInstance(arr.inst)
}
