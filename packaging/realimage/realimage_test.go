package realimage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/tree"
)

func TestStep(t *testing.T) {
	var log bytes.Buffer
	b := &builder{dir: t.TempDir(), log: &log}
	broken := errors.New("broken")
	calls := 0
	work := func(err error) func(context.Context, string) error {
		return func(_ context.Context, dir string) error {
			calls++
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("the step began with %v in its directory", left)
			}
			if werr := os.WriteFile(filepath.Join(dir, "half"), nil, 0o644); werr != nil {
				t.Fatal(werr)
			}
			return err
		}
	}
	if err := b.step(t.Context(), "s", work(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	if _, err := os.Stat(b.path("s")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed step left its result: %v", err)
	}
	for range 2 {
		if err := b.step(t.Context(), "s", work(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if calls != 2 {
		t.Errorf("%d calls, want 2: one that failed, one that did it", calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.step(ctx, "other", work(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestKeyIsStable(t *testing.T) {
	one, err := key()
	if err != nil {
		t.Fatal(err)
	}
	two, err := key()
	if err != nil || one != two || len(one) != 16 {
		t.Errorf("keys %q and %q, %v", one, two, err)
	}
}

func TestTestTree(t *testing.T) {
	deps, aztec := &tree.Tree{}, &tree.Tree{}
	aztec.File(yarn+"stdlib/package.json", 0o644, []byte("{\n  \"version\": \"4.1.2\",\n  \"dependencies\": {\"x\": \"4.1.2\"}\n}"))
	aztec.File(yarn+"other/package.json", 0o644, []byte(`{"version": "1.0.0"}`))
	if _, err := testTree(aztec, deps); err == nil || !strings.Contains(err.Error(), "test-exclude") {
		t.Errorf("error %v, want one about the missing test-exclude", err)
	}
	deps.File(yarn+"node_modules/test-exclude/package.json", 0o644, nil)
	changed, err := testTree(aztec, deps)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"stdlib/package.json":           "{\n  \"version\": \"4.1.3-test\",\n  \"dependencies\": {\"x\": \"4.1.2\"}\n}",
		"other/package.json":            `{"version": "1.0.0"}`,
		"node_modules/.wh.test-exclude": "",
	} {
		if got, err := changed.Bytes(yarn + name); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
	if b, err := aztec.Bytes(yarn + "stdlib/package.json"); err != nil || bytes.Contains(b, []byte("test")) {
		t.Errorf("the first version changed too: %q, %v", b, err)
	}
	if _, err := testTree(&tree.Tree{}, deps); err == nil {
		t.Error("a second version without any version string was made")
	}
}

func TestKeystore(t *testing.T) {
	var got struct {
		SchemaVersion int
		Validators    []map[string]string
	}
	if err := json.Unmarshal(Keystore(), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]string{{"attester": DevKey, "publisher": DevKey, "coinbase": DevAddress, "feeRecipient": "0x" + strings.Repeat("0", 64)}}
	if diff := cmp.Diff(want, got.Validators); diff != "" || got.SchemaVersion != 1 {
		t.Errorf("version %d (-want +got):\n%s", got.SchemaVersion, diff)
	}
}

func TestSequencerEnv(t *testing.T) {
	got := SequencerEnv(&Set{RegistryAddress: "0xabc"}, "/var/lib/aztec/x")
	for name, want := range map[string]string{
		"REGISTRY_CONTRACT_ADDRESS": "0xabc", "BLOB_FILE_STORE_URLS": "file:///var/lib/aztec/x/blobs",
		"PROVER_REAL_PROOFS": "false", "L1_CHAIN_ID": "31337",
	} {
		if got[name] != want {
			t.Errorf("%s=%s, want %s", name, got[name], want)
		}
	}
	for name, value := range got {
		if strings.Contains(value, DevKey) {
			t.Errorf("%s holds a key", name)
		}
	}
}

func TestL1Command(t *testing.T) {
	want := strings.Fields("anvil --host 127.0.0.1 --port 8545 --chain-id 31337 --slots-in-an-epoch 1 --load-state state --block-time 4")
	if diff := cmp.Diff(want, L1Command("anvil", "state", 8545)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadContracts(t *testing.T) {
	tests := []struct {
		name, content string
		ok            bool
	}{
		{"whole", `{"registryAddress":"0x1","rollupAddress":"0x2","other":"0x3"}`, true},
		{"empty", `{}`, false},
		{"cut off", `{"registryAddress":`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), contractsFile)
			if err := os.WriteFile(file, []byte(tt.content), 0o644); err != nil {
				t.Fatal(err)
			}
			c, err := readContracts(file)
			if (err == nil) != tt.ok || tt.ok && (c != contracts{"0x1", "0x2"}) {
				t.Errorf("%v, %v", c, err)
			}
		})
	}
}

func TestTail(t *testing.T) {
	tail := &tail{limit: 4}
	for _, s := range []string{"ab", "cdef", "g"} {
		if n, err := tail.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
	if got := tail.String(); got != "defg" {
		t.Errorf("tail %q, want defg", got)
	}
}

func TestLock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.lock")
	unlock, err := lock(file)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("a second builder got the lock: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Errorf("the lock was not given back: %v", err)
	}
}
