package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/credential"
)

// keysFlags are what keys add was called with.
type keysFlags struct {
	keyFile, keystore     string
	newKey                string // a file to make
	keyEnv                envKey
	remoteSigner, address string
	coinbase, fees        string
	replace               bool
}

// keysReport is what keys --json prints.
type keysReport struct {
	Name          string           `json:"name"`
	Encrypted     credential.Key   `json:"encrypted"` // host, tpm2, host+tpm2; "": a file that only root can read
	Prover        bool             `json:"prover"`    // accounts of a prover are there, too
	Attesters     []keystore.Entry `json:"attesters"`
	RestartNeeded bool             `json:"restart_needed"` // the running node has other keys
}

func (a *app) keysCommand() *cobra.Command {
	var f keysFlags
	cmd := &cobra.Command{
		Use:   "keys NAME [list | add | remove ADDRESS]",
		Short: "List, add and remove the keys of an instance",
		Long: `List the attesters of an instance with what the node will use for each:
addresses and kinds of signers, never keys. Add a private key, or one that is
made now (--new-key), a whole keystore (a file, or a directory of them), or an
account that a remote signer such as web3signer signs for. Remove an attester.

What is added is checked as the node would, and merged; --replace puts it in the
place of all that is there. The keystore before is kept beside the new one. A
node gets a copy of its keystore when it starts: a running one is not changed,
and it is said when a restart is needed. An attester must not run twice: it
would be slashed. One that another instance here has is refused.`,
		Example: `  aztec-spartan keys val1
  aztec-spartan keys val1 add --key-file ./key
  aztec-spartan keys val1 add --key-env AZTEC_KEY
  aztec-spartan keys val1 add --new-key ./key
  aztec-spartan keys val1 add --keystore ./keystore.json
  aztec-spartan keys val1 add --remote-signer https://signer.example:9000 \
      --address 0x...
  aztec-spartan keys val1 remove 0x...`,
		Args: cobra.RangeArgs(1, 3),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return []string{"list", "add", "remove"}, cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeNames(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("keys", false); err != nil {
				return err
			}
			if err := takeKeys(&f.keyEnv); err != nil {
				return err
			}
			do, err := a.keysAction(args[1:], f)
			if err != nil {
				return err
			}
			return a.lockedInstance(cmd.Context(), args[0], "keys", func(inst profiles.Instance) error {
				return do(cmd.Context(), inst)
			})
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.keyFile, "key-file", "", "`file` with a private key to add; - is standard input")
	fs.StringVar(&f.keyEnv.name, "key-env", "", "`NAME` of the environment variable that has it; no program that is started inherits it")
	fs.StringVar(&f.newKey, "new-key", "", "make a private key, which goes into the new `file` too; it has no BLS key, so it registers no validator")
	fs.StringVar(&f.keystore, "keystore", "", "keystore `file` to add, or a directory of them")
	fs.StringVar(&f.remoteSigner, "remote-signer", "", "`URL` of the remote signer of --address")
	fs.StringVar(&f.address, "address", "", "L1 `address` that the remote signer signs for")
	fs.StringVar(&f.coinbase, "coinbase", "", "L1 `address` for rewards of what is added (default: the instance's, else its own)")
	fs.StringVar(&f.fees, "fee-recipient", "", "Aztec `address` for fees of what is added (default: the instance's)")
	fs.BoolVar(&f.replace, "replace", false, "in place of all keys that are there")
	return cmd
}

type keysAction func(ctx context.Context, inst profiles.Instance) error

func (a *app) keysAction(args []string, f keysFlags) (keysAction, error) {
	verb := "list"
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	wrong := func(words string) error {
		return withHint(usage(errors.New("keys: "+words)), "aztec-spartan keys --help shows how it is called")
	}
	if verb != "add" && f != (keysFlags{}) {
		return nil, wrong("the flags are those of add")
	}
	switch verb {
	case "list", "add":
		if len(args) > 0 {
			return nil, wrong(verb + " takes no address")
		}
		if verb == "list" {
			return a.listKeys, nil
		}
		return func(ctx context.Context, inst profiles.Instance) error { return a.addKeys(ctx, inst, f) }, nil
	case "remove":
		if len(args) != 1 {
			return nil, wrong("remove wants the address of an attester")
		}
		address, err := keystore.ParseAddress(args[0])
		if err != nil {
			return nil, usage(fmt.Errorf("keys: remove: %w", err))
		}
		return func(ctx context.Context, inst profiles.Instance) error { return a.removeKeys(ctx, inst, address) }, nil
	}
	return nil, wrong(fmt.Sprintf("%q is none of list, add, remove", verb))
}

func (a *app) listKeys(ctx context.Context, inst profiles.Instance) error {
	sec, err := a.loadKeys(ctx, inst.Name)
	if err != nil {
		return err
	}
	return a.showKeys(inst, sec, false)
}

func (a *app) showKeys(inst profiles.Instance, sec secrets, restart bool) error {
	report := keysReport{Name: inst.Name, Encrypted: sec.seal, Attesters: []keystore.Entry{}, RestartNeeded: restart}
	if sec.keystore != nil {
		k, err := keystore.Parse(sec.keystore)
		if err != nil {
			return withHint(fmt.Errorf("keys of %s: %w", inst.Name, err), "aztec-spartan keys %s add --keystore FILE --replace puts another one in its place", inst.Name)
		}
		report.Attesters, report.Prover = k.Entries(), k.Prover
	}
	if a.json {
		return a.printJSON(report)
	}
	if restart {
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ATTESTER\tSIGNER\tBLS\tPUBLISHER\tCOINBASE\tFEE RECIPIENT")
	for _, e := range report.Attesters {
		bls := "no"
		if e.BLS {
			bls = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", unknownIfEmpty(e.Attester), e.Signer, bls, unknownIfEmpty(strings.Join(e.Publishers, ",")), unknownIfEmpty(e.Coinbase), e.FeeRecipient)
	}
	return w.Flush()
}

func unknownIfEmpty(s string) string { return orDefault(s, "(not known here)") }

func (a *app) addKeys(ctx context.Context, inst profiles.Instance, f keysFlags) error {
	sec, err := a.loadKeys(ctx, inst.Name)
	if err != nil {
		return err
	}
	added, err := a.addedKeystore(ctx, inst, f)
	if err != nil {
		return fmt.Errorf("adding keys to %s: %w", inst.Name, err)
	}
	if sec.keystore != nil && !f.replace {
		if added, err = keystore.Merge(sec.keystore, added); err != nil {
			return usage(fmt.Errorf("adding keys to %s: %w", inst.Name, err))
		}
	}
	was, err := sec.addresses()
	if err != nil && !f.replace {
		return err
	}
	sec.replace(added)
	now, err := sec.addresses()
	if err != nil {
		return err
	}
	if err := a.checkAttesters(ctx, inst, sec); err != nil {
		return err
	}
	for _, address := range now {
		if !slices.Contains(was, address) {
			a.note("attester added: %s", address)
		}
	}
	return a.keepKeys(ctx, inst, sec)
}

// addedKeystore is what add was called with, as a keystore of its own.
func (a *app) addedKeystore(ctx context.Context, inst profiles.Instance, f keysFlags) ([]byte, error) {
	o := keystore.Options{Coinbase: orDefault(f.coinbase, inst.Coinbase), FeeRecipient: orDefault(f.fees, inst.FeeRecipient)}
	given := 0
	for _, s := range []string{f.keyFile, f.keyEnv.value, f.newKey, f.keystore, f.remoteSigner} {
		if s != "" {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, usage(errors.New("--key-file, --key-env, --new-key, --keystore and --remote-signer exclude each other"))
	case (f.remoteSigner == "") != (f.address == ""):
		return nil, usage(errors.New("--remote-signer and --address belong together"))
	case f.keystore != "" && (f.coinbase != "" || f.fees != ""):
		return nil, usage(errors.New("a keystore says itself what --coinbase and --fee-recipient are"))
	case f.keystore != "":
		return loadKeystoreFile(f.keystore)
	case f.remoteSigner != "":
		address, err := keystore.ParseAddress(f.address)
		if err != nil {
			return nil, usage(fmt.Errorf("--address: %w", err))
		}
		if err := profiles.ValidURL(f.remoteSigner); err != nil {
			return nil, usage(fmt.Errorf("--remote-signer: %w", err))
		}
		data, err := keystore.Remote(address, f.remoteSigner, o)
		if err != nil {
			return nil, usage(err)
		}
		return data, nil
	}
	key, err := a.askedKey(ctx, f)
	if err != nil {
		return nil, err
	}
	data, err := keystore.New([]keystore.Key{key}, o)
	if err != nil {
		return nil, usage(err)
	}
	return data, nil
}

func loadKeystoreFile(path string) ([]byte, error) {
	data, err := keystore.Load(path)
	switch {
	case errors.Is(err, keystore.ErrExposed):
		return nil, withHint(usage(err), "chmod 600 %s; and if others could read it, are its keys still yours alone?", path)
	case errors.Is(err, keystore.ErrStakerOutput):
		return nil, withHint(usage(err), "keep it for the registration, in another directory than the keystore")
	case err != nil:
		return nil, usage(err)
	}
	return data, nil
}

// askedKey is the key in a file or variable, one that is made, or the one that
// is typed.
func (a *app) askedKey(ctx context.Context, given keysFlags) (keystore.Key, error) {
	if given.newKey != "" {
		return a.makeKey(given.newKey)
	}
	f := configFlags{keyFile: given.keyFile, keyEnv: given.keyEnv}
	if f.keys() == 0 {
		if !a.terminal() {
			return keystore.Key{}, withHint(usage(errors.New("what to add is missing")), "--key-file FILE (- is standard input), --key-env NAME, --new-key FILE, --keystore FILE, or --remote-signer URL --address ADDRESS")
		}
		err := a.form(ctx, errors.New("cancelled, nothing was changed"), typed("Private key of the attester", "0x and 64 digits; not echoed", &f.typedKey, checkKey).secret())
		if err != nil {
			return keystore.Key{}, err
		}
	}
	key, _, err := a.givenKey(f)
	return key, err
}

// makeKey makes a key and puts it into a new file first: nobody could go to
// another host with a keystore that is encrypted for this one.
func (a *app) makeKey(path string) (keystore.Key, error) {
	key, err := keystore.NewKey()
	if err != nil {
		return keystore.Key{}, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return keystore.Key{}, withHint(usage(fmt.Errorf("--new-key: %s is there already", path)), "--key-file %s adds the key in it", path)
	}
	if err != nil {
		return keystore.Key{}, usage(fmt.Errorf("--new-key: %w", err))
	}
	_, err = f.WriteString(key.Reveal() + "\n")
	if err := errors.Join(err, f.Sync(), f.Close(), atomicfile.SyncDir(filepath.Dir(path))); err != nil {
		return keystore.Key{}, fmt.Errorf("writing the new key: %w", err)
	}
	a.note("the new key is in %s: keep it safe, and away from this host", path)
	return key, nil
}

func (a *app) removeKeys(ctx context.Context, inst profiles.Instance, address keystore.Address) error {
	sec, err := a.loadKeys(ctx, inst.Name)
	if err != nil {
		return err
	}
	if sec.keystore == nil {
		return usage(fmt.Errorf("removing keys of %s: it has no keystore", inst.Name))
	}
	left, err := keystore.Remove(sec.keystore, address)
	switch {
	case errors.Is(err, keystore.ErrLastAttester):
		return withHint(usage(fmt.Errorf("%s: %w", inst.Name, err)), "aztec-spartan stop %s stops the node; keys add --replace exchanges its keys", inst.Name)
	case errors.Is(err, keystore.ErrNoAttester):
		return withHint(usage(fmt.Errorf("%s: %w", inst.Name, err)), "aztec-spartan keys %s lists them", inst.Name)
	case err != nil:
		return fmt.Errorf("%s: %w", inst.Name, err)
	}
	sec.replace(left)
	a.note("attester removed: %s; until the node is restarted it goes on signing for it", address)
	return a.keepKeys(ctx, inst, sec)
}

// keepKeys writes a keystore that was changed, and says what is left to do.
func (a *app) keepKeys(ctx context.Context, inst profiles.Instance, sec secrets) error {
	state, meta, err := a.generations(inst)
	if err != nil {
		return err
	}
	if err := unfinishedRoll(state, "changing the keys of", inst.Name); err != nil {
		return err
	}
	changed := sec.rekey
	if err := os.MkdirAll(a.path(instancePath(inst.Name, "")), 0o750); err != nil {
		return err
	}
	if err := a.saveSecrets(ctx, inst.Name, sec, nil); err != nil {
		return err
	}
	running := false
	if meta.Generation != 0 {
		if running, err = a.isRunning(ctx, state.Unit); err != nil {
			return err
		}
	}
	switch {
	case !changed:
		a.print("%s: nothing to change", inst.Name)
	case running:
		// reloadKeystore of the admin API would read the same copy again.
		a.print("the keys of %s are changed: restart needed (aztec-spartan restart %s), the running node has a copy of those before", inst.Name, inst.Name)
	default:
		a.print("the keys of %s are changed; its next start takes them", inst.Name)
	}
	if a.json {
		return a.showKeys(inst, sec, changed && running)
	}
	return nil
}

// checkAttesters refuses attesters and publishers that another instance of this
// host has, as config does.
func (a *app) checkAttesters(ctx context.Context, inst profiles.Instance, sec secrets) error {
	if _, err := sec.addresses(); err != nil {
		return err
	}
	others, err := a.tenants(ctx, inst.Name, nil)
	if err != nil {
		return err
	}
	return keyCollision("keys of "+inst.Name, profiles.KeyCollisions(a.tenant(inst, sec.keystore, a.versionOf(inst)), others))
}
