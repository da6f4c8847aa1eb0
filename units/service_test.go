package units

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sequencer(systemd int) Service {
	return Service{
		Meta: Meta{
			Schema: MetaSchema, Instance: "val1", Role: "sequencer", Network: "mainnet", Generation: 3,
			Image:     "sha256-1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c5b6a7988",
			Reference: "docker.io/aztecprotocol/aztec:4.1.2",
			Digest:    "sha256:1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c5b6a7988",
			Version:   "4.1.2", RPCPort: 8080, AdminPort: 8880, Namespace: "node", ChainID: 1, P2P: true,
		},
		Unit:        "aztec-sequencer@val1.service",
		Description: "Aztec sequencer val1, mainnet 4.1.2",
		User:        "aztec-val1",
		Slice:       "aztec-sequencer.slice",
		Rootfs:      "/var/lib/aztec-spartan/images/sha256-1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c5b6a7988/rootfs",
		WorkingDir:  "/usr/src/yarn-project",
		Exec:        []string{"/usr/local/bin/node", "--no-warnings", "/usr/src/yarn-project/aztec/dest/bin/index.js", "start", "--node", "--archiver", "--sequencer", "--network", "mainnet"},
		Environment: []Var{{"PATH", "/opt/foundry/bin:/usr/bin"}, {"UV_THREADPOOL_SIZE", "8"}},
		EnvFiles:    []string{"/var/lib/aztec-spartan/instances/val1/3/env", "-/etc/aztec-spartan/instances/val1/local.env"},
		Credentials: []Credential{{Name: "keystore.json", Source: "/etc/aztec-spartan/instances/val1/keystore.json", Variable: "KEY_STORE_DIRECTORY"}},
		Limits:      []Limit{{"CPUWeight", "500"}, {"IOWeight", "500"}, {"OOMScoreAdjust", "-500"}},
		StopTimeout: 90 * time.Second,
		StartWait:   38 * time.Second,
		Probe:       "/usr/bin/aztec-spartan",
		Systemd:     systemd,
	}
}

// roles are a service of each role, as profiles and cmd describe them.
var roles = map[string]func(systemd int) Service{
	"sequencer":     sequencer,
	"full-node":     fullNode,
	"prover-node":   proverNode,
	"prover-broker": proverBroker,
	"prover-agent":  proverAgent,
}

// like is the sequencer as another role and instance.
func like(systemd int, role, instance, slice string, args ...string) Service {
	s := sequencer(systemd)
	s.Role, s.Instance, s.Unit, s.User, s.Slice = role, instance, "aztec-"+role+"@"+instance+".service", "aztec-"+instance, slice
	s.Description = "Aztec " + strings.ReplaceAll(role, "-", " ") + " " + instance + ", mainnet 4.1.2"
	s.Exec = append(append(slices.Clone(s.Exec[:3]), args...), "--network", "mainnet")
	for i, f := range s.EnvFiles {
		s.EnvFiles[i] = strings.Replace(f, "/val1/", "/"+instance+"/", 1)
	}
	s.Credentials, s.Limits = nil, []Limit{{"CPUWeight", "100"}, {"IOWeight", "100"}}
	return s
}

func fullNode(systemd int) Service {
	s := like(systemd, "full-node", "full1", "aztec-sequencer.slice", "start", "--node", "--archiver")
	s.StopTimeout = time.Minute
	return s
}

func proverNode(systemd int) Service {
	s := like(systemd, "prover-node", "prove1", "aztec-prover.slice", "start", "--prover-node", "--archiver")
	s.Credentials = []Credential{{Name: "keystore.json", Source: "/etc/aztec-spartan/instances/prove1/keystore.json", Variable: "KEY_STORE_DIRECTORY"}}
	s.Broker = NeedsBroker
	return s
}

func proverBroker(systemd int) Service {
	s := like(systemd, "prover-broker", "broker1", "aztec-prover.slice", "start", "--prover-broker")
	s.Namespace, s.P2P, s.RPCPort, s.AdminPort, s.StopTimeout, s.Broker = "proverBroker", false, 8081, 0, time.Minute, IsBroker
	s.Allow = []string{"192.0.2.0/24", "agents.example"}
	return s
}

func proverAgent(systemd int) Service {
	s := like(systemd, "prover-agent", "agent1", "aztec-prover.slice", "start", "--prover-agent")
	s.Namespace, s.P2P, s.ChainID, s.RPCPort, s.AdminPort, s.StopTimeout, s.Broker = "agent", false, 0, 8082, 0, 3*time.Minute, NeedsBroker
	s.CRS = "/var/cache/aztec/crs"
	s.Limits = []Limit{{"CPUWeight", "50"}, {"IOWeight", "50"}, {"MemoryHigh", "infinity"}, {"MemoryMax", "90%"}, {"Nice", "10"}, {"OOMScoreAdjust", "500"}, {"AllowedCPUs", "0-3,8"}, {"LogRateLimitIntervalSec", "30s"}, {"LogRateLimitBurst", "10000"}}
	s.Egress = []string{"10.0.0.2", "192.0.2.0/24", "2001:db8::/32"}
	return s
}

func TestRenderGolden(t *testing.T) {
	for role, service := range roles {
		for _, version := range []int{247, 249, 252, 255, 257} {
			t.Run(fmt.Sprintf("%s-%d", role, version), func(t *testing.T) {
				got, err := service(version).Render()
				if err != nil {
					t.Fatal(err)
				}
				golden := filepath.Join("testdata", fmt.Sprintf("%s-%d.service", role, version))
				if *update {
					if err := os.WriteFile(golden, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), string(got)); d != "" {
					t.Errorf("-golden +rendered:\n%s", d)
				}
			})
		}
	}
}

// The versions of systemd at which a unit changes, and how, up to one that is
// not there yet: golden files are of some of them only.
func TestWhatVersionsChange(t *testing.T) {
	lines := func(version int) []string {
		unit, err := proverNode(version).Render()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(unit), "\n")
	}
	const hidden = "TemporaryFileSystem=/run:ro /var/lib:ro /var/cache:ro"
	want := map[int][]string{
		248: {"+PrivateIPC=yes"},
		250: {"-Environment=KEY_STORE_DIRECTORY=/run/credentials/aztec-prover-node@prove1.service/keystore.json", "+Environment=KEY_STORE_DIRECTORY=%d/keystore.json"},
		252: {"-" + hidden + " /run/credentials:ro /var/lib/aztec:ro /var/cache/aztec:ro", "+" + hidden},
		254: {"+RestartSteps=6", "+RestartMaxDelaySec=120"},
	}
	got := map[int][]string{}
	for version := minSystemd + 1; version < 270; version++ {
		before, after := lines(version-1), lines(version)
		for _, l := range before {
			if !slices.Contains(after, l) {
				got[version] = append(got[version], "-"+l)
			}
		}
		for _, l := range after {
			if !slices.Contains(before, l) {
				got[version] = append(got[version], "+"+l)
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Only who proves may write what instances share, and what it writes there
// the others may read.
func TestReferenceStringIsTheProvers(t *testing.T) {
	for role, service := range roles {
		unit, err := service(252).Render()
		if err != nil {
			t.Fatal(err)
		}
		proves := role == "prover-agent"
		for _, line := range []string{"\nSupplementaryGroups=aztec-crs\n", "\nBindPaths=/var/cache/aztec/crs\n", "\nUMask=0007\n"} {
			if strings.Contains(string(unit), line) != proves {
				t.Errorf("%s: the unit has %q: %t, want %t", role, line, !proves, proves)
			}
		}
		if strings.Contains(string(unit), "\nUMask=0077\n") == proves {
			t.Errorf("%s: another umask", role)
		}
	}
	s := proverAgent(252)
	s.CRS = "/srv/crs"
	if _, err := s.Render(); err == nil {
		t.Error("a mount point would be made in the image")
	}
}

// Brokers come first at a start and last at a stop, and nobody needs one to
// be there.
func TestOrderOfProvers(t *testing.T) {
	for role, want := range map[string]string{"prover-broker": "Before", "prover-node": "After", "prover-agent": "After", "sequencer": "", "full-node": ""} {
		unit, err := roles[role](252).Render()
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for line := range strings.Lines(string(unit)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if !slices.Contains(strings.Fields(value), BrokerTarget) {
				continue
			}
			switch key {
			case "Before", "After":
				got += key
			case "Wants":
			default:
				t.Errorf("%s: %s", role, line)
			}
		}
		if got != want {
			t.Errorf("%s is ordered %q, want %q", role, got, want)
		}
	}
}

func TestMetaTravelsInTheUnit(t *testing.T) {
	for role, service := range roles {
		s := service(252)
		unit, err := s.Render()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseMeta(unit)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s.Meta, got); d != "" {
			t.Errorf("%s: -rendered +parsed:\n%s", role, d)
		}
	}
}

func TestParseMetaRefuses(t *testing.T) {
	for name, unit := range map[string]string{
		"foreign unit": "[Service]\nExecStart=/bin/true\n",
		"bad number":   metaSection + "\nGeneration=three\n",
		"newer schema": metaSection + "\nSchema=2\n",
	} {
		if _, err := ParseMeta([]byte(unit)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	for name, change := range map[string]func(*Service){
		"old systemd":                func(s *Service) { s.Systemd = 246 },
		"no command":                 func(s *Service) { s.Exec = nil },
		"relative command":           func(s *Service) { s.Exec = []string{"node"} },
		"colon in the rootfs":        func(s *Service) { s.Rootfs = "/images/sha256:1f/rootfs" },
		"space in a path":            func(s *Service) { s.EnvFiles = []string{"/a b"} },
		"newline in an argument":     func(s *Service) { s.Exec = append(s.Exec, "a\nExecStart=/bin/evil") },
		"newline in a value":         func(s *Service) { s.Environment = []Var{{"A", "b\nUser=root"}} },
		"newline in a version":       func(s *Service) { s.Version = "1\nUser=root" },
		"newline in a reference":     func(s *Service) { s.Reference = "1\n[Service]\nUser=root" },
		"newline in a name":          func(s *Service) { s.Environment = []Var{{"X\"\nExecStartPre=+/bin/sh -c id ; \"", "b"}} },
		"blank in a name":            func(s *Service) { s.Environment = []Var{{"A B", "b"}} },
		"no name":                    func(s *Service) { s.Environment = []Var{{"", "b"}} },
		"newline in a credential":    func(s *Service) { s.Credentials[0].Name = "a\nUser=root" },
		"newline in its variable":    func(s *Service) { s.Credentials[0].Variable = "A\nUser" },
		"invalid UTF-8 in argument":  func(s *Service) { s.Exec = append(s.Exec, "\xff") },
		"colon in the shared cache":  func(s *Service) { s.CRS = "/var/cache/a:b" },
		"directive that is no limit": func(s *Service) { s.Limits = []Limit{{"ExecStartPre", "1"}} },
		"newline in a limit":         func(s *Service) { s.Limits = []Limit{{"Nice", "1\nUser=root"}} },
		"specifier in a limit":       func(s *Service) { s.Limits = []Limit{{"MemoryMax", "%h"}} },
		"name of a host in egress":   func(s *Service) { s.Egress = []string{"broker.example"} },
		"newline in egress":          func(s *Service) { s.Egress = []string{"10.0.0.1\nUser=root"} },
		"credential from elsewhere":  func(s *Service) { s.Credentials[0].Source = "key store" },
	} {
		s := sequencer(252)
		change(&s)
		if unit, err := s.Render(); err == nil {
			t.Errorf("%s: rendered\n%s", name, unit)
		}
	}
}

func TestQuoteArg(t *testing.T) {
	for arg, want := range map[string]string{
		"--node":      "--node",
		"":            `""`,
		";":           `";"`,
		"a b":         `"a b"`,
		`say "hi"`:    `"say \"hi\""`,
		`back\slash`:  `"back\\slash"`,
		"100%":        "100%%",
		"$HOME":       "$$HOME",
		"it's":        `"it's"`,
		"x=%n,${Y} z": `"x=%%n,$${Y} z"`,
	} {
		got, err := quoteArg(arg)
		if err != nil || got != want {
			t.Errorf("quoteArg(%q) = %s, %v, want %s", arg, got, err, want)
		}
	}
}

func TestQuoteAssignment(t *testing.T) {
	got, err := quoteAssignment("A", `$x "y" \z 5%`)
	if want := `"A=$x \"y\" \\z 5%%"`; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// Every path that the sandbox binds must have a mount point in the rootfs,
// or lie below a tmpfs of its own.
func TestSandboxHasItsMountPoints(t *testing.T) {
	points := map[string]bool{}
	for _, m := range MountPoints() {
		points[m.Path] = true
	}
	for _, line := range sandbox(sequencer(252)) {
		key, value, _ := strings.Cut(line, "=")
		if key != "BindReadOnlyPaths" && key != "TemporaryFileSystem" {
			continue
		}
		for _, word := range strings.Fields(value) {
			parts := strings.Split(strings.TrimPrefix(word, "-"), ":")
			at := parts[0]
			if key == "BindReadOnlyPaths" {
				at = parts[len(parts)-1]
			}
			if !points[at] {
				t.Errorf("%s mounts on %s, which no mount point provides", line, at)
			}
		}
	}
}

func TestEncryptedCredential(t *testing.T) {
	s := sequencer(252)
	s.Credentials[0].Source += ".cred"
	s.Credentials[0].Encrypted = true
	unit, err := s.Render()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nLoadCredentialEncrypted=keystore.json:/etc/aztec-spartan/instances/val1/keystore.json.cred\n", "\nEnvironment=KEY_STORE_DIRECTORY=%d/keystore.json\n"} {
		if !strings.Contains(string(unit), want) {
			t.Errorf("%q is not in\n%s", want, unit)
		}
	}
	if strings.Contains(string(unit), "LoadCredential=") {
		t.Error("it is handed over in plain, too")
	}
	s.Systemd = 249
	if _, err := s.Render(); err == nil {
		t.Error("systemd 249 would start the node without its keys")
	}
}

// A systemd that lacks what units need is told by its number, before anything is written.
func TestOldSystemd(t *testing.T) {
	s := Service{Unit: "aztec-sequencer@val1.service", Systemd: 246}
	_, err := s.Render()
	if !errors.Is(err, ErrOldSystemd) || !strings.Contains(err.Error(), "it is 246, and units need 247") || CheckSystemd(247) != nil {
		t.Errorf("got %v", err)
	}
}
