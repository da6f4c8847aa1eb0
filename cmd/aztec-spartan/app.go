package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// app is one run of the program: its streams and the host it works on.
type app struct {
	root     string // "/", or the tree that --root names
	json     bool
	in       io.Reader
	out, err io.Writer

	sealer sealer // nil: that of the running host
	disk   disk   // nil: atomicfile
	// unitRuns is what systemd says of a unit; nil: the running one is asked.
	unitRuns func(ctx context.Context, unit string) (bool, error)
	// table is whether the firewall's is loaded; nil: nft is asked.
	table func(ctx context.Context) error
}

func newApp(out io.Writer) *app { return &app{root: "/", out: out, err: out} }

func run(ctx context.Context, args []string, in io.Reader, out, err io.Writer) int {
	var checked *results
	if !isTerminal(out) { // one that goes away ends the program, or is outlived
		checked = &results{Writer: out}
		out = checked
	}
	a := newApp(out)
	a.in, a.err = in, err
	cmd := a.command()
	cmd.SetArgs(longForm(args))
	cmd.SetIn(in)
	cmd.SetOut(out)
	cmd.SetErr(err)
	code := a.report(cmd.ExecuteContext(ctx))
	if code == 0 && checked != nil {
		code = a.report(checked.failed())
	}
	return code
}

const longHelp = `aztec-spartan runs Aztec nodes as systemd services, with no container runtime.

It pulls the Aztec image from an OCI registry, unpacks it into a versioned root
file system, writes a hardened unit for each instance, and changes versions
behind a health gate: when the new version fails it, the old one is put back.

  aztec-spartan config val1     create an instance, by prompts or flags
  aztec-spartan start val1      start it, and enable it at boot
  aztec-spartan logs -f val1    follow its journal
  aztec-spartan status          version, health, last roll
  aztec-spartan update val1     roll to the newest version
  aztec-spartan rollback val1   roll back to the version before

Most of it needs root. For members of the group aztec, root carries out start,
stop, restart, status, versions and disk, in aztec-operator@.service, where
polkit is 0.106 or newer.

What to do on a bad night, and on twelve other days of an operator, is in
/usr/share/doc/aztec-spartan/handbook.

Exit codes: 0 done, 1 failed, 2 usage or invalid configuration, 3 this host
cannot do it, 4 rolled back, 5 another run holds the lock, 6 unhealthy.`

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "aztec-spartan",
		Short:         "Aztec nodes as systemd services, with no container runtime",
		Long:          longHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          unknownVerb,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
		PersistentPreRunE: func(*cobra.Command, []string) error {
			abs, err := filepath.Abs(a.root)
			if err != nil {
				return usage(err)
			}
			a.root = abs
			return nil
		},
	}
	root.PersistentFlags().StringVar(&a.root, "root", "/", "work on the tree under `DIR` and never talk to systemd")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print results as JSON")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return withHint(usage(err), "%s --help lists the flags", cmd.CommandPath())
	})
	root.SetHelpFunc(printHelp)
	root.SetUsageFunc(printUsage)
	root.SuggestionsMinimumDistance = 2 // cobra sets its default only on a path not taken here
	root.AddCommand(
		a.configCommand(), a.forMembers(a.startCommand()), a.forMembers(a.stopCommand()), a.forMembers(a.restartCommand()),
		a.logsCommand(), a.forMembers(a.statusCommand()), a.updateCommand(), a.rollbackCommand(),
		a.adoptCommand(), a.removeCommand(), a.keysCommand(), a.runCommand(), a.forMembers(a.versionsCommand()), a.pullCommand(), a.loadCommand(), a.verifyCommand(), a.gcCommand(),
		a.pinCommand(), a.unpinCommand(), a.unskipCommand(), a.probeCommand(), a.rollCommand(), a.firewallCommand(), a.versionCommand(),
		a.doctorCommand(), a.notifyCommand(), a.watchCommand(), a.addressCommand(), a.reportCommand(), a.forMembers(a.diskCommand()), a.resyncCommand(), a.exportCommand(), a.importCommand(), a.metricsCommand(), a.promoteCommand(),
		a.autoUpdateCommand(), a.failureCommand(), a.referenceCommand(), a.operatorCommand(),
	)
	for _, c := range root.Commands() {
		if c.Args != nil {
			c.Args = usageArgs(c.Args)
		}
	}
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"}) // has just been made
	help.Args = func(_ *cobra.Command, args []string) error {
		if found, _, err := root.Find(args); err == nil && found != root {
			return nil
		}
		return unknownVerb(root, args)
	}
	return root
}

// unknownVerb answers words that are no verb.
func unknownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := usage(fmt.Errorf("unknown command %q", args[0]))
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return withHint(err, "did you mean %s?", strings.Join(near, " or "))
	}
	return withHint(err, "aztec-spartan help lists the commands")
}

// usageArgs gives wrong arguments the exit code of a usage error, and the words
// of the usage line: cobra's own count arguments.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil {
			return nil
		}
		_, form, _ := strings.Cut(cmd.Use, " ")
		switch {
		case cmd.HasAvailableSubCommands(): // which of them it is not
		case form == "":
			err = fmt.Errorf("%s takes no arguments, and was given %q", cmd.Name(), args[0])
		case len(args) == 0:
			err = fmt.Errorf("%s wants %s", cmd.Name(), form)
		case len(args) > 6: // may be the words of a mnemonic
			err = fmt.Errorf("%s wants %s, and was given %d arguments", cmd.Name(), form, len(args))
		default:
			err = fmt.Errorf("%s wants %s, and was given %q", cmd.Name(), form, args)
		}
		return withHint(usage(err), "%s --help shows how it is called", cmd.CommandPath())
	}
}

// live reports whether this run is about the running host and its systemd.
func (a *app) live() bool { return a.root == "/" }

// path is where a path of the host lies under --root.
func (a *app) path(host string) string { return filepath.Join(a.root, host) }

// Paths of a host, see units.Service for those that units name.
const (
	configDir  = "/etc/aztec-spartan"
	configFile = configDir + "/config.toml"
	// credentialsFile is root's alone, and goes before what users have.
	credentialsFile = configDir + "/registry-auth.json"
	instanceDir     = configDir + "/instances"
	profilesDir     = configDir + "/profiles.d"
	imageDir        = "/var/lib/aztec-spartan/images"
	stateDir        = "/var/lib/aztec-spartan/instances"
	systemdDir      = "/etc/systemd/system"
	sysusersDir     = "/etc/sysusers.d"
	lockDir         = "/run/aztec-spartan"
)

// program is where units find this program. A build for another place than
// that of the packages sets it (-ldflags -X main.program=...).
var program = "/usr/bin/aztec-spartan"

func (a *app) store() *extract.Store { return &extract.Store{Dir: a.path(imageDir)} }

func (a *app) files() roll.Files {
	return roll.Files{State: a.path(stateDir), Config: a.path(instanceDir), Systemd: a.path(systemdDir), Runtime: a.path(transientDir)}
}

// needRoot refuses early, before anything is read that only root may read. A
// tree under --root may be anyone's, unless images are unpacked there, whose
// files have owners.
func (a *app) needRoot(verb string, unpacks bool) error {
	if os.Geteuid() == 0 || !a.live() && !unpacks {
		return nil
	}
	return withHint(fmt.Errorf("%s: needs root", verb), "sudo aztec-spartan %s", verb)
}

// terminal reports whether a person is at both ends.
func (a *app) terminal() bool { return isTerminal(a.in) && isTerminal(a.err) }

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
