package profiles

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestKnownVariables(t *testing.T) {
	want := []string{"API_KEY", "LOG_LEVEL", "P2P_IP"}
	for name, text := range map[string]string{
		"one line":   "export type EnvVar = 'LOG_LEVEL' | 'P2P_IP' | 'API_KEY';\n//# sourceMappingURL=data:'NOT_ONE';",
		"many lines": "/** The variables. */\nexport type EnvVar =\n  | 'LOG_LEVEL' // a level; not 'THIS'\n  /* nor; 'THAT' */\n  | 'P2P_IP'\n  | \"API_KEY\";\nconst a = 'OTHER';\n",
		"no end":     "export type EnvVar='API_KEY'|'LOG_LEVEL'|'P2P_IP'",
		"next type":  "export type EnvVar = 'API_KEY' | 'LOG_LEVEL' | 'P2P_IP'\nexport type Other = 'X';",
		"carriage":   "export type EnvVar =\r\n  | 'API_KEY'\r\n  | 'LOG_LEVEL'\r\n  | 'P2P_IP';\r\n",
	} {
		for _, file := range variableFiles {
			got, err := KnownVariables(fstest.MapFS{file: {Data: []byte(text)}})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if d := cmp.Diff(want, got.Names()); d != "" {
				t.Errorf("%s:\n%s", name, d)
			}
		}
	}
}

func TestKnownVariablesAbsent(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "another type": "export type Other = 'A';", "no union": "export type EnvVar = keyof typeof all;",
		"not words alone": "export type EnvVar = 'A' | keyof B;", "lower case": "export type EnvVar = 'a';", "unclosed": "export type EnvVar = 'A",
		"unclosed comment": "export type EnvVar = /* 'A'", "empty word": "export type EnvVar = '';",
	} {
		set, err := KnownVariables(fstest.MapFS{variableFiles[0]: {Data: []byte(text)}})
		if !errors.Is(err, ErrNoVariableList) || set.Len() != 0 {
			t.Errorf("%s: %d variables, %v", name, set.Len(), err)
		}
	}
	if _, err := KnownVariables(fstest.MapFS{}); !errors.Is(err, ErrNoVariableList) {
		t.Errorf("no file: %v", err)
	}
}

func TestCheckVariable(t *testing.T) {
	set := known(t, "4.1.2")
	if set.Len() != 370 {
		t.Fatalf("4.1.2 has %d variables", set.Len())
	}
	for _, name := range []string{"P2P_MAX_PEERS", "NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "TZ", "AWS_REGION", "https_proxy", "OTEL_SERVICE_NAME"} {
		if err := set.Check(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, near := range map[string]string{"P2P_MAX_PEER": "P2P_MAX_PEERS", "ETHEREUM_HOST": "ETHEREUM_HOSTS", "NODE": "", "p2p_max_peers": "", "XYZZY": ""} {
		err, ok := errors.AsType[*UnknownVariableError](set.Check(name))
		if !ok || err.Name != name || err.Nearest != near {
			t.Errorf("%s: %+v, want nearest %q", name, err, near)
		}
	}
	if err := (VariableSet{}).Check("XYZZY"); err != nil {
		t.Errorf("an empty list refuses: %v", err)
	}
}

// An image that does not say its version is rendered as its release would be.
func TestGuess(t *testing.T) {
	for _, v := range []string{"0.67.1", "0.76.4", "0.81.0", "0.82.3", "0.87.9", "1.2.1", "2.1.11", "4.1.2", "5.2.0"} {
		inst := sequencer()
		inst.Network, inst.L1.ChainID, inst.ExtraArgs = "custom", 1, nil
		facts := ImageFacts{Version: v, Known: known(t, v)}
		want, err := BuiltIn().Render(inst, facts, HostFacts{})
		if err != nil {
			t.Fatalf("%s: %v", v, err)
		}
		for _, unknown := range []string{"", "0.0.1-commit.abc123"} {
			facts.Version = unknown
			got, err := BuiltIn().Render(inst, facts, HostFacts{})
			if err != nil {
				t.Fatalf("%s without its version: %v", v, err)
			}
			if len(got.Warnings) == 0 || !strings.Contains(got.Warnings[0], "taken for one like") {
				t.Errorf("%s: warnings %q", v, got.Warnings)
			}
			got.Warnings, want.Warnings = nil, nil
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s without its version:\n%s", v, d)
			}
		}
	}
}

func FuzzKnownVariables(f *testing.F) {
	f.Add([]byte("export type EnvVar = 'A' | // x\n \"B\" /* y */;"))
	f.Add([]byte("export type EnvVar\n=\n|'A'|'B"))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := KnownVariables(fstest.MapFS{variableFiles[0]: {Data: data}})
		if (err == nil) == (set.Len() == 0) {
			t.Fatalf("%d variables, %v", set.Len(), err)
		}
		for _, name := range set.Names() {
			if strings.Trim(name, upper) != "" || set.Check(name) != nil {
				t.Fatalf("%q is listed", name)
			}
		}
	})
}
