package units

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/unit"
)

// Var is one environment variable.
type Var struct{ Name, Value string }

// Credential is a file handed to the service by systemd as
// $CREDENTIALS_DIRECTORY/Name, readable by the service's user only
// (systemd.exec(5), LoadCredential=). If Variable is set, the service finds
// the path of the credential in that environment variable. If Encrypted is
// set, Source is what systemd-creds(1) made for that Name, from systemd 250 on.
type Credential struct {
	Name, Source, Variable string
	Encrypted              bool
}

// Directive is the line of a unit file that hands the credential over.
func (c Credential) Directive() string {
	if c.Encrypted {
		return "LoadCredentialEncrypted=" + c.Name + ":" + c.Source
	}
	return "LoadCredential=" + c.Name + ":" + c.Source
}

// Service is what a unit file is rendered from.
type Service struct {
	Meta
	Unit        string // aztec-sequencer@val1.service
	Description string
	User        string // the instance's own system user and group
	Slice       string
	Rootfs      string // real path, no symlink
	WorkingDir  string // inside Rootfs
	Exec        []string
	Environment []Var        // from the image's configuration; readable by every local user over D-Bus
	EnvFiles    []string     // in order, the last one wins; a leading "-" lets the file be absent
	Credentials []Credential // secrets
	StopTimeout time.Duration
	Probe       string        // host path of the program that ExecStartPost= runs
	Systemd     int           // major version of the systemd that will read the unit
	Reads       []string      // host paths of files bound read-only at the same path
	StartWait   time.Duration // how long ExecStartPost= may take
	Broker      BrokerPart    // of the role in a prover
	Limits      []Limit       // what it may use of its host
	Egress      []string      // addresses and networks that it may exchange packets with, besides this host; none: all
	CRS         string        // host directory of the reference string, writable at the same path and shared with other instances; "": none
}

// Limit is a directive of systemd.resource-control(5) or systemd.exec(5), such
// as CPUWeight=50.
type Limit struct{ Directive, Value string }

// limitDirectives are those that a Limit may be: all older than minSystemd.
var limitDirectives = []string{"CPUWeight", "IOWeight", "MemoryHigh", "MemoryMax", "Nice", "OOMScoreAdjust", "AllowedCPUs", "LogRateLimitIntervalSec", "LogRateLimitBurst"}

var limitForm = regexp.MustCompile(`^(infinity|-?[0-9]{1,8}[MGT%]?|[0-9]{1,8}(ms|s|min|h)|[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)$`)

// limits are the lines of what the service may use of its host.
func (s Service) limits() ([]string, error) {
	var lines []string
	for _, l := range s.Limits {
		if !slices.Contains(limitDirectives, l.Directive) {
			return nil, fmt.Errorf("%q is no directive of a limit", l.Directive)
		}
		if !limitForm.MatchString(l.Value) {
			return nil, fmt.Errorf("%s: %q cannot be a value", l.Directive, l.Value)
		}
		lines = append(lines, l.Directive+"="+l.Value) // 90% is no specifier in them
	}
	egress, err := s.egress()
	return append(lines, egress...), err
}

// egress are the lines about whom the service may exchange packets with.
func (s Service) egress() ([]string, error) {
	if len(s.Egress) == 0 {
		return nil, nil
	}
	for _, e := range s.Egress {
		if _, err := netip.ParsePrefix(e); err != nil {
			if _, err := netip.ParseAddr(e); err != nil {
				return nil, fmt.Errorf("%q is neither an address nor a network", e)
			}
		}
	}
	return []string{"IPAddressDeny=any", "IPAddressAllow=localhost " + strings.Join(s.Egress, " ")}, nil
}

// BrokerPart is what a service has to do with prover brokers.
type BrokerPart int

// The parts.
const (
	NoBroker    BrokerPart = iota
	IsBroker               // it is one
	NeedsBroker            // it asks one for jobs, or gives it some
)

// BrokerTarget stands between the brokers of a host and who needs one, as
// network-online.target does for the network: it orders, and binds nobody to
// anybody. A broker that fails takes none along. They stop before it: a prover
// node without its broker takes 31 s to (measured).
const BrokerTarget = "aztec-prover-broker.target"

// CRSGroup is the group of who may write the reference string that instances
// of a host share. No user is a member of it, only running services are
// (systemd.exec(5), SupplementaryGroups=), and of these only those that prove:
// who can replace the string can make proofs fail, but nothing that holds keys
// reads it.
const CRSGroup = "aztec-crs"

// UnitName is the name of an instance's unit. It is an explicit file, not an
// instance of a template, but keeps the form that globs expect:
// systemctl start 'aztec-sequencer@*'.
func UnitName(prefix, instance string) string { return prefix + "@" + instance + ".service" }

// minSystemd is the systemd of Debian 11: LoadCredential= appeared in it.
const minSystemd = 247

// ErrOldSystemd is returned for a systemd that does not know what units need.
var ErrOldSystemd = errors.New("systemd is too old")

// CheckSystemd is nil for a systemd, by its major version, that units can be
// rendered for, and an ErrOldSystemd for an older one.
func CheckSystemd(version int) error {
	if version < minSystemd {
		return fmt.Errorf("%w: it is %d, and units need %d", ErrOldSystemd, version, minSystemd)
	}
	return nil
}

// encryptedSince is the systemd that brought LoadCredentialEncrypted= and %d.
const encryptedSince = 250

// Render returns the text of the unit file. The same Service gives the same
// bytes.
func (s Service) Render() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", s.Unit, err)
	}
	service, err := s.serviceSection()
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w", s.Unit, err)
	}
	sections := [][]string{
		{
			"# Generated by aztec-spartan: edits here are lost at the next change of version",
			"# or settings. `systemctl edit " + s.Unit + "` makes a drop-in that stays.",
		},
		s.unitSection(), service,
		{"[Install]", "WantedBy=aztec.target multi-user.target"},
		s.lines(),
	}
	var b strings.Builder
	for i, section := range sections {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(strings.Join(section, "\n") + "\n")
	}
	return []byte(b.String()), nil
}

// check refuses what this systemd would not do, or read as something else.
func (s Service) check() error {
	if err := CheckSystemd(s.Systemd); err != nil {
		return err
	}
	// Elsewhere the mount point would be made inside the image.
	if s.CRS != "" && !strings.HasPrefix(s.CRS, "/var/cache/") && !strings.HasPrefix(s.CRS, "/var/lib/") {
		return fmt.Errorf("%s: the reference string can be kept below /var/cache or /var/lib", s.CRS)
	}
	for _, c := range s.Credentials {
		// An older one ignores the line, and the node would start without its keys.
		if c.Encrypted && s.Systemd < encryptedSince {
			return fmt.Errorf("credential %s is encrypted, and systemd %d is older than %d", c.Name, s.Systemd, encryptedSince)
		}
	}
	if err := plainPaths(slices.Concat(s.sources(), s.Reads, []string{s.WorkingDir, s.Probe})); err != nil {
		return err
	}
	return printables(append([]string{s.Description, s.Reference, s.Version, s.Digest, s.Image, s.Network, s.Role, s.Namespace, s.Unit, s.User, s.Slice}, s.Allow...))
}

// sources are the paths of what a program of an image gets.
func (s Service) sources() []string {
	paths := []string{s.Rootfs}
	for _, f := range s.EnvFiles {
		paths = append(paths, strings.TrimPrefix(f, "-"))
	}
	for _, c := range s.Credentials {
		paths = append(paths, c.Source, "/"+c.Name)
	}
	if s.CRS != "" {
		paths = append(paths, s.CRS)
	}
	return paths
}

func plainPaths(paths []string) error {
	for _, p := range paths {
		if err := plainPath(p); err != nil {
			return err
		}
	}
	return nil
}

func printables(words []string) error {
	for _, w := range words {
		if err := printable(w); err != nil {
			return fmt.Errorf("%q: %w", w, err)
		}
	}
	return nil
}

// madeCRS is the unit that makes the directory of the reference string.
func (s Service) madeCRS() string {
	return "aztec-crs@" + unit.UnitNamePathEscape(s.CRS) + ".service"
}

func (s Service) unitSection() []string {
	wants := "network-online.target aztec-resolv.path aztec-resolv.service aztec-firewall.service"
	after := "network-online.target nss-lookup.target time-sync.target aztec-resolv.service aztec-firewall.service"
	if s.Broker == NeedsBroker {
		wants, after = wants+" "+BrokerTarget, after+" "+BrokerTarget
	}
	if s.CRS != "" {
		// A cache may be removed at any time, and without it nothing starts (226/NAMESPACE). The service cannot
		// make it itself: even ExecStartPre=+ is in a mount namespace that has it bound (252).
		wants, after = wants+" "+s.madeCRS(), after+" "+s.madeCRS()
	}
	lines := []string{
		"[Unit]",
		"Description=" + strings.ReplaceAll(s.Description, "%", "%%"),
		"Documentation=man:aztec-spartan(1)",
		"Wants=" + wants,
		"After=" + after,
		"PartOf=aztec.target",
		"RequiresMountsFor=" + stateDir(s.Instance) + " " + s.Rootfs,
		// A validator whose L1 is away for an hour must not stay down for good.
		"StartLimitIntervalSec=0",
		"OnFailure=aztec-failure@" + s.Unit + ".service",
	}
	if s.Broker == IsBroker {
		lines = append(lines, "Before="+BrokerTarget)
	}
	return lines
}

func (s Service) serviceSection() ([]string, error) {
	exec, err := execLine(s.Exec)
	if err != nil {
		return nil, err
	}
	settings, err := s.settings()
	if err != nil {
		return nil, err
	}
	lines := []string{
		"[Service]",
		"Type=exec",
		"User=" + s.User,
		"Group=" + s.User,
		"Slice=" + s.Slice,
		"SyslogIdentifier=" + strings.TrimSuffix(s.Unit, ".service"),
		"RootDirectory=" + s.Rootfs,
		"RootDirectoryStartOnly=yes",
		// "-": it is not there for ExecStartPost=, which runs on the host.
		"WorkingDirectory=-" + s.WorkingDir,
	}
	lines = append(lines,
		"ExecStart="+exec,
		// "+": without it the probe runs as the node's user, which may not enter the store (200/CHDIR).
		// It reads no file, and may be gone with its package: neither must keep a validator down.
		fmt.Sprintf("ExecStartPost=+/bin/sh -c 'test ! -x %[1]s || exec %[1]s probe --phase=alive --port=%[2]d'", s.Probe, s.RPCPort),
		fmt.Sprintf("TimeoutStartSec=%d", int(s.StartWait.Seconds())),
		fmt.Sprintf("TimeoutStopSec=%d", int(s.StopTimeout.Seconds())),
		"KillMode=mixed",
		// The node exits with 128+signal after a clean stop (aztec/src/cli/util.ts).
		"SuccessExitStatus=143 130 129",
		"Restart=always",
		// With these a node says that its version is out of date: to start it at once again is in vain.
		// OnFailure= looks for a newer one, and starts it later if there is none.
		"RestartPreventExitStatus=78 79",
		"RestartSec=5",
	)
	if s.Systemd >= 254 { // RestartMaxDelaySec= alone is ignored
		lines = append(lines, "RestartSteps=6", "RestartMaxDelaySec=120")
	}
	lines = append(lines, "OOMPolicy=stop", "LogRateLimitIntervalSec=0") // a limit further down wins
	limits, err := s.limits()
	if err != nil {
		return nil, err
	}
	lines = append(append(lines, limits...), "")
	lines = append(lines, settings...)
	lines = append(lines, "")
	return append(lines, sandbox(s)...), nil
}

// execLine is the value of ExecStart=.
func execLine(argv []string) (string, error) {
	if len(argv) == 0 {
		return "", fmt.Errorf("the command line is empty")
	}
	if err := plainPath(argv[0]); err != nil {
		return "", err
	}
	exec := make([]string, 0, len(argv))
	for _, arg := range argv {
		q, err := quoteArg(arg)
		if err != nil {
			return "", err
		}
		exec = append(exec, q)
	}
	return strings.Join(exec, " "), nil
}

// settings are the variables and secrets of the service.
func (s Service) settings() (lines []string, err error) {
	for _, v := range s.Environment {
		q, err := quoteAssignment(v.Name, v.Value)
		if err != nil {
			return nil, err
		}
		lines = append(lines, "Environment="+q)
	}
	for _, c := range s.Credentials {
		lines = append(lines, c.Directive())
		if c.Variable != "" {
			if err := variableName(c.Variable); err != nil {
				return nil, err
			}
			lines = append(lines, fmt.Sprintf("Environment=%s=%s/%s", c.Variable, credentialsDir(s.Systemd, s.Unit), c.Name))
		}
	}
	for _, f := range s.EnvFiles {
		lines = append(lines, "EnvironmentFile="+f)
	}
	return lines, nil
}

// credentialsDir is %d where the manager knows it (250, systemd.unit(5)), the
// path that it stands for where not.
func credentialsDir(systemd int, unit string) string {
	if systemd >= encryptedSince {
		return "%d"
	}
	return "/run/credentials/" + unit
}
