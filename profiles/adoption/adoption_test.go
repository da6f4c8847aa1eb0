package adoption

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

var update = flag.Bool("update", false, "write golden files")

// show is a plan as text, with addresses of keys and no key.
func show(s Setup, p Plan) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "kind %s, project %q, service %q, container %q, unit %q\n", s.Kind, s.Project, s.Service, s.Name, s.Unit)
	b.Write(p.Instance.Encode())
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%s %s -> %s: %s\n", c.Action, c.Name, c.To, c.Reason)
	}
	for _, k := range p.Attesters {
		fmt.Fprintf(&b, "attester %s\n", k.Address())
	}
	if !p.Publisher.IsZero() {
		fmt.Fprintf(&b, "publisher %s\n", p.Publisher.Address())
	}
	fmt.Fprintf(&b, "keystores %q\ndata %+v\n", p.KeyStores, p.Data)
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.Bytes()
}

func TestPlan(t *testing.T) {
	for _, test := range []struct{ dir, path, network, version string }{
		{"script", "/srv/node", "testnet", "4.1.2"},
		{"upstream", "/srv/node", "", "4.1.2"},
		{"ethpillar", "/srv/node", "", "5.2.0"},
		{"unit-run", "/etc/systemd/system/aztec.service", "", "4.1.2"},
		{"unit-compose", "/etc/systemd/system/aztec.service", "", "4.1.2"},
	} {
		t.Run(test.dir, func(t *testing.T) {
			s, err := Read(os.DirFS(filepath.Join("testdata", test.dir)), test.path)
			if err != nil {
				t.Fatal(err)
			}
			p, err := s.Plan(profiles.BuiltIn(), "val1", test.network, test.version)
			if err != nil {
				t.Fatal(err)
			}
			got, golden := show(s, p), filepath.Join("testdata", test.dir+".golden")
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
				t.Errorf("-want +got:\n%s", d)
			}
			if strings.Contains(string(got), "59c6995e") {
				t.Error("a key is shown")
			}
		})
	}
}

func TestInterpolate(t *testing.T) {
	vars := environment{{Name: "A", Value: "1"}, {Name: "E", Value: ""}}.lookup
	for in, want := range map[string]string{
		"$A": "1", "${A}x": "1x", "${N}": "", "${N:-d}": "d", "${E-d}": "", "${E:-d}": "d", "${N:-${A}}": "1",
		"${A:+y}": "y", "${N+y}": "", "$$A": "$A", "a$": "a$", "$1": "$1", "${A:?no}": "1", "${N:-http://a:1}": "http://a:1",
		"${N:?no}": "error: N must be set", "${E:?no}": "error: E must be set", "${A": "error: ${ is not closed", "${}": "error: ${ without the name of a variable",
	} {
		got, err := interpolate(in, vars)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestDotenv(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	env, err := parseDotenv([]byte("A=1 # one\nexport B='$A #'\nC=\"x\\n${A}\" \nD = y\nE=a#b\nF=\nA=2\nG=$A\n# H=1\nI=\"\\$A\"\r\n"), none)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"A": "2", "B": "$A #", "C": "x\n1", "D": "y", "E": "a#b", "F": "", "G": "2", "I": "$A"} {
		if got, ok := env.lookup(name); !ok || got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for in, want := range map[string]string{
		"A B": "line 1: not NAME=VALUE", "\nA='secret": "line 2: A: the quote is not closed on its line", "A=\"secret": "line 1: A: the quote is not closed on its line",
	} {
		if _, err := parseDotenv([]byte(in), none); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

func TestErrors(t *testing.T) {
	compose := func(text string) fstest.MapFS { return fstest.MapFS{"n/compose.yml": {Data: []byte(text)}} }
	for _, test := range []struct {
		host fstest.MapFS
		want string
	}{
		{fstest.MapFS{"n/other": {}}, "it has none of compose.yaml"},
		{fstest.MapFS{}, "reading /n: file does not exist"},
		{compose("services:\n  a: {image: aztec:1}\n  b: {image: aztec:2}\n"), "several services run Aztec: a, b"},
		{compose("services: {a: {image: nginx}}"), "none of its services has an image of Aztec: a"},
		{compose("a: [secret"), "it is no YAML"},
		{compose("a: 1"), "it has no services"},
		{compose("services: {a: {image: aztec, env_file: gone}}"), "reading /n/gone: file does not exist"},
		{compose("services: {a: {image: aztec, command: --node}}"), "has no `start`"},
		{compose("services: {a: {image: aztec, command: start --txe}}"), "starts nothing that is known here"},
		{compose("services: {a: {image: aztec, command: start --sequencer --node, environment: {VALIDATOR_PRIVATE_KEY: '0xsecret'}}}"), "VALIDATOR_PRIVATE_KEY: not a private key"},
		{fstest.MapFS{"n": {Data: []byte("x")}}, "it is no YAML"},
	} {
		s, err := Read(test.host, "/n")
		if err == nil {
			_, err = s.Plan(profiles.BuiltIn(), "val1", "testnet", "4.1.2")
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %s", err, test.want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v: shows a value", err)
		}
	}
}

func seeds(f *testing.F, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("%s: %v, %d files", pattern, err, len(files))
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

func FuzzDotenv(f *testing.F) {
	seeds(f, "testdata/*/srv/node/.env")
	f.Fuzz(func(t *testing.T, data []byte) {
		env, err := parseDotenv(data, func(string) (string, bool) { return "", false })
		for _, v := range env {
			if err == nil && v.Name == "" {
				t.Error("a variable without a name")
			}
		}
	})
}

// Nothing that a compose file says makes reading it panic, and a plan has a
// role that there is.
func FuzzCompose(f *testing.F) {
	seeds(f, "testdata/*/srv/node/docker-compose.yml")
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Read(fstest.MapFS{"n/compose.yml": {Data: data}}, "/n")
		if err != nil {
			return
		}
		p, err := s.Plan(profiles.BuiltIn(), "val1", "", "4.1.2")
		if err != nil {
			return
		}
		if _, err := profiles.BuiltIn().Role(p.Instance.Role); err != nil {
			t.Error(err)
		}
	})
}

func FuzzUnit(f *testing.F) {
	seeds(f, "testdata/*/etc/systemd/system/*.service")
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Read(fstest.MapFS{"a.service": {Data: data}}, "/a.service")
		if err == nil && s.Unit == "" {
			t.Error("a unit without its name")
		}
	})
}
