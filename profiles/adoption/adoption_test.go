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
	for _, k := range p.Publishers {
		fmt.Fprintf(&b, "publisher %s\n", k.Address())
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

// All publishers are taken, each once; what only the other role publishes with
// is not. The validator that pays for itself has none.
func TestPublishers(t *testing.T) {
	const one, two, three = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d", "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a", "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"
	for name, c := range map[string]struct{ services, env, want string }{
		"several":        {"--node --sequencer", "VALIDATOR_PRIVATE_KEY=" + one + "\nSEQ_PUBLISHER_PRIVATE_KEYS=" + two + ", " + three + "," + two, "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC 0x90F79bf6EB2c4f870365E785982E1f101E93b906"},
		"in two":         {"--node --sequencer", "VALIDATOR_PRIVATE_KEY=" + one + "\nSEQ_PUBLISHER_PRIVATE_KEY=" + two + "\nSEQ_PUBLISHER_PRIVATE_KEYS=" + three, "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC 0x90F79bf6EB2c4f870365E785982E1f101E93b906"},
		"for itself":     {"--node --sequencer", "VALIDATOR_PRIVATE_KEY=" + one + "\nSEQ_PUBLISHER_PRIVATE_KEY=" + one, ""},
		"a prover":       {"--prover-node", "PROVER_PUBLISHER_PRIVATE_KEYS=" + two + "," + three + "\nSEQ_PUBLISHER_PRIVATE_KEY=" + one, "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC 0x90F79bf6EB2c4f870365E785982E1f101E93b906"},
		"another's":      {"--node --sequencer", "VALIDATOR_PRIVATE_KEY=" + one + "\nPROVER_PUBLISHER_PRIVATE_KEY=" + two, ""},
		"one that's bad": {"--node --sequencer", "VALIDATOR_PRIVATE_KEY=" + one + "\nSEQ_PUBLISHER_PRIVATE_KEYS=" + two + ",0x12", "error: reading /n/compose.yml: SEQ_PUBLISHER_PRIVATE_KEYS: not a private key"},
	} {
		s, err := Read(fstest.MapFS{
			"n/compose.yml": {Data: []byte("services: {a: {image: aztec, env_file: .env, command: start " + c.services + "}}")},
			"n/.env":        {Data: []byte(c.env)},
		}, "/n")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		p, err := s.Plan(profiles.BuiltIn(), "val1", "testnet", "4.1.2")
		if err != nil {
			got = []string{"error:", err.Error()}
		}
		for _, k := range p.Publishers {
			got = append(got, k.Address().String())
		}
		if text := strings.Join(got, " "); !strings.HasPrefix(text, c.want) || (text == "") != (c.want == "") {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
}

// A few lines that name each other, and a line for each of many names, end in
// an error and not in gigabytes or minutes.
func TestBombs(t *testing.T) {
	var many, nested strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&many, "A%d=\n", i)
	}
	nested.WriteString("A0=1234567890\n")
	for i := range 9 {
		fmt.Fprintf(&nested, "A%d=%s\n", i+1, strings.Repeat(fmt.Sprintf("$A%d", i), 600))
	}
	wide := "A=" + strings.Repeat("x", 120<<10) + strings.Repeat("\nB=$A\nC=$A\nD=$A\nE=$A", 3) + "\nF=$A\nG=$A\nH=$A\nI=$A"
	const file = "services: {a: {image: aztec, command: start --node, %s}}"
	pairs := strings.ReplaceAll(strings.TrimSuffix(many.String()[:50_000], "\n"), "=\n", ": 1, ")
	pairs = pairs[:strings.LastIndex(pairs, ",")]
	for name, c := range map[string]struct{ compose, env, want string }{
		"many in .env":        {fmt.Sprintf(file, "env_file: .env"), many.String()[:1<<20], "line 2001: more than 2000 variables"},
		"nested":              {fmt.Sprintf(file, "env_file: .env"), nested.String(), "line 3: A2: a value is longer than 128 KiB"},
		"wide":                {fmt.Sprintf(file, "env_file: .env"), wide, "are longer than 1 MiB"},
		"many in the service": {fmt.Sprintf(file, "environment: {"+pairs+"}"), "", "service a: environment: more than 2000 variables"},
		"in the command":      {fmt.Sprintf(file, `entrypoint: "`+strings.Repeat("$A1", 600)+`"`), "A1=" + strings.Repeat("x", 1000), "entrypoint: a value is longer than 128 KiB"},
	} {
		_, err := Read(fstest.MapFS{"n/compose.yml": {Data: []byte(c.compose)}, "n/.env": {Data: []byte(c.env)}}, "/n")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
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
