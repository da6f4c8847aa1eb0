package units

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newKeys() Command {
	s := sequencer(252)
	s.Unit, s.Slice, s.Description = "aztec-run-val1-0a1b2c3d.service", "aztec.slice", "val1: validator-keys new"
	s.Exec = append(s.Exec[:3:3], "validator-keys", "new", "--fee-recipient", "0x 1%$")
	s.Credentials, s.EnvFiles = nil, nil
	return Command{Service: s, Input: "/proc/4242/fd/0", Output: "/proc/4242/fd/1", Error: "/proc/4242/fd/2"}
}

func TestCommandGolden(t *testing.T) {
	got, err := newKeys().Render()
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/command.service"
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
}

// What a command may not do is what the node may not do, but for where it
// writes.
func TestCommandSandbox(t *testing.T) {
	c := newKeys()
	without, err := c.Render()
	if err != nil {
		t.Fatal(err)
	}
	c.WithData = true
	with, err := c.Render()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range sandbox(c.Service) {
		name, _, _ := strings.Cut(line, "=")
		switch {
		case name == "StateDirectory":
			line += " aztec-run/val1"
		case strings.HasPrefix(name, "CacheDirectory"):
			if strings.Contains(string(without), name) {
				t.Errorf("%s is there without data", name)
			}
		case !strings.Contains(string(without), "\n"+line+"\n"):
			t.Errorf("%s is missing without data", line)
		}
		if !strings.Contains(string(with), "\n"+line+"\n") {
			t.Errorf("%s is missing with data", line)
		}
	}
}

// What fetches the reference string for all agents of a host writes where they
// look for it; a key tool does not see it.
func TestCommandCRS(t *testing.T) {
	c := newKeys()
	c.CRS = "/var/cache/aztec/crs"
	lines := []string{"\nAfter=aztec-crs@var-cache-aztec-crs.service\n", "\nBindPaths=/var/cache/aztec/crs\n", "\nUMask=0007\n"}
	for _, c.WithData = range []bool{false, true} {
		text, err := c.Render()
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if strings.Contains(string(text), line) != c.WithData {
				t.Errorf("with data %t: %q", c.WithData, line)
			}
		}
	}
	c.CRS = "/var/cache/a:b"
	if _, err := c.Render(); err == nil {
		t.Error("a colon in the path is taken")
	}
}

func TestCommandRefuses(t *testing.T) {
	for name, change := range map[string]func(*Command){
		"no command line":     func(c *Command) { c.Exec = nil },
		"relative program":    func(c *Command) { c.Exec = []string{"node"} },
		"newline in argument": func(c *Command) { c.Exec = append(c.Exec, "a\nUser=root") },
		"newline in a name":   func(c *Command) { c.Description = "a\nUser=root" },
		"stream with a colon": func(c *Command) { c.Output = "/proc/1:2" },
		"no stream":           func(c *Command) { c.Input = "" },
		"bad variable":        func(c *Command) { c.Environment = []Var{{"A\nB", "x"}} },
	} {
		c := newKeys()
		change(&c)
		if unit, err := c.Render(); err == nil {
			t.Errorf("%s:\n%s", name, unit)
		}
	}
}

// What fetches it for the unit that agents wait for does not wait for that unit,
// reaches nobody whom the agent does not, and writes nothing that agents read.
func TestCommandFetches(t *testing.T) {
	c := newKeys()
	c.CRS, c.WithData, c.Fetches, c.Egress = "/var/cache/aztec/crs", true, "/var/cache/aztec/crs/.fetch-1", []string{"10.0.0.2"}
	text, err := c.Render()
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]bool{
		"aztec-crs@": false, "\nBindPaths=/var/cache/aztec/crs\n": false, "\nBindReadOnlyPaths=/var/cache/aztec/crs\nBindPaths=/var/cache/aztec/crs/.fetch-1\n": true,
		"\nUMask=0007\n": true, "\nIPAddressDeny=any\nIPAddressAllow=localhost 10.0.0.2\n": true,
	} {
		if strings.Contains(string(text), line) != want {
			t.Errorf("%q is in it: %t\n%s", line, !want, text)
		}
	}
	c.Egress = []string{"somebody"}
	if _, err := c.Render(); err == nil {
		t.Error("what is no address is rendered")
	}
	c.Egress, c.Fetches = nil, "/var/cache/aztec/other"
	if _, err := c.Render(); err == nil {
		t.Error("it writes elsewhere")
	}
}
