package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/doctor"
)

// fakeEthereum is an execution node, and a beacon node that keeps few columns.
func fakeEthereum(t *testing.T, chain uint64) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct{ Method string }
		_ = json.NewDecoder(r.Body).Decode(&call)
		answer := func(result string) { fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":%s}`, result) }
		switch call.Method {
		case "eth_chainId":
			answer(fmt.Sprintf(`"0x%x"`, chain))
		case "eth_syncing":
			answer("false")
		case "eth_getBlockByNumber":
			answer(fmt.Sprintf(`{"number":"0x10","timestamp":"0x%x","transactions":[]}`, time.Now().Unix()))
		case "eth_getBalance":
			answer(`"0x0"`)
		case "debug_traceTransaction":
			answer("{}")
		default:
			fmt.Fprint(w, `{"data":{"metadata":{"custody_group_count":"4"}}}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// doctorTree is a tree with val1, whose L1 is at a URL.
func doctorTree(t *testing.T, url string) (root string) {
	t.Helper()
	root = t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("key", "0x"+someKey)
	write("etc/aztec-spartan/config.toml", "[network]\nntp_servers = []\n[registry]\nrepository = \"127.0.0.1:1/aztecprotocol/aztec\"\n")
	write("proc/cpuinfo", "processor : 0\nflags : adx avx2 bmi2 fma\n")
	write("proc/meminfo", "MemTotal: 32000000 kB\nMemAvailable: 20000000 kB\n")
	write("proc/sys/kernel/osrelease", "6.1.0\n")
	var out bytes.Buffer
	args := strings.Fields("config val1 --root " + root + " --network testnet --version 4.1.2 --no-pull --ip 203.0.113.7 --key-file " + root + "/key" +
		" --ethereum-host " + url + "/v3/SECRETKEY --l1-consensus-host-url " + url + "/SECRETKEY")
	if code := run(t.Context(), args, strings.NewReader(""), &out, &out); code != 0 {
		t.Fatalf("config: %s", out.String())
	}
	return root
}

func TestDoctor(t *testing.T) {
	root := doctorTree(t, fakeEthereum(t, 11155111))
	var out, said bytes.Buffer
	code := run(t.Context(), []string{"doctor", "--root", root, "--json"}, strings.NewReader(""), &out, &said)
	var all []examined
	if err := json.Unmarshal(out.Bytes(), &all); err != nil || len(all) != 1 || all[0].Name != "val1" || all[0].Health != doctor.Failed {
		t.Fatalf("%v: %s", err, out.String())
	}
	if code != exitUnhealthy || !strings.Contains(said.String(), "of the checks failed") {
		t.Errorf("exit code %d: %s", code, said.String())
	}
	levels := map[string]doctor.Level{}
	for _, f := range all[0].Findings {
		levels[f.Check] = f.Level
	}
	for check, want := range map[string]doctor.Level{
		"l1": doctor.OK, "trace": doctor.OK, "beacon": doctor.Failed, "balance": doctor.Failed, "keystore": doctor.OK,
		"cpu": doctor.Warning, "memory": doctor.OK, "registry": doctor.Warning, "dns": "", // its URLs have addresses
	} {
		if levels[check] != want {
			t.Errorf("%s is %q, want %s", check, levels[check], want)
		}
	}
	// In words, with what to type, and without keys of providers.
	out.Reset()
	if code := run(t.Context(), []string{"doctor", "val1", "--root", root}, strings.NewReader(""), &out, &said); code != exitUnhealthy {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"val1:\n", "failed   beacon", "it keeps 4 of 128", "-> run it as a supernode", "send ETH on L1 to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
	if all := out.String() + said.String(); strings.Contains(all, "SECRETKEY") || strings.Contains(all, someKey) {
		t.Errorf("a secret is shown:\n%s", all)
	}
}

// A remote signer that is away keeps a node from starting, so it is asked before
// an update stops the node, too.
func TestDoctorAsksTheRemoteSigner(t *testing.T) {
	a := newApp(io.Discard)
	a.root = doctorTree(t, fakeEthereum(t, 11155111))
	var said bytes.Buffer
	args := strings.Fields("keys val1 add --replace --remote-signer http://127.0.0.1:1/SECRETKEY --address 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --root " + a.root)
	if code := run(t.Context(), args, strings.NewReader(""), &said, &said); code != 0 {
		t.Fatal(said.String())
	}
	for _, scope := range []doctor.Scope{doctor.Everything, doctor.Brief} {
		list, err := a.examineName(t.Context(), "val1", scope)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(f doctor.Finding) bool { return f.Check == "signer" })
		if i < 0 || list[i].Level != doctor.Failed || !list[i].Holds || list[i].Seen != "http://127.0.0.1:1: it does not answer: connection refused" {
			t.Errorf("scope %d: %+v", scope, list)
		}
		if scope == doctor.Brief && slices.ContainsFunc(list, func(f doctor.Finding) bool { return f.Check == "keystore" }) {
			t.Error("the keystore is judged in brief")
		}
	}
}

// What would make a roll pointless stops an unattended one, and is told to who
// asks for one.
func TestHeldUpdates(t *testing.T) {
	var said bytes.Buffer
	a := newApp(&said)
	a.err = &said
	list := []doctor.Finding{{Check: "cpu", Level: doctor.Failed, Seen: "slow"}, {Check: "l1", Level: doctor.Failed, Seen: "gone", Do: "look for it", Holds: true}}
	if err := a.held("updating val1", "val1", list[:1], true); err != nil || said.Len() > 0 {
		t.Errorf("a slow processor: %v, %s", err, said.String())
	}
	if err := a.held("updating val1", "val1", list, true); err == nil || codeOf(err) != exitUnhealthy || !strings.Contains(err.Error(), "l1: gone") || strings.Contains(err.Error(), "cpu") {
		t.Errorf("unattended: %v", err)
	}
	if err := a.held("updating val1", "val1", list, false); err != nil || !strings.Contains(said.String(), "-> look for it") {
		t.Errorf("by hand: %v, %s", err, said.String())
	}
}

// Without an instance the host is examined, and a broken setting is one error.
func TestDoctorOfHost(t *testing.T) {
	root := t.TempDir()
	var out, said bytes.Buffer
	run(t.Context(), []string{"doctor", "--root", root}, strings.NewReader(""), &out, &said)
	if !strings.HasPrefix(out.String(), "this host:\n") || strings.Contains(out.String(), "beacon") {
		t.Errorf("%s%s", out.String(), said.String())
	}
	for _, args := range []string{"doctor valx", "doctor ../x"} {
		said.Reset()
		if code := run(t.Context(), append(strings.Fields(args), "--root", root), strings.NewReader(""), &out, &said); code != exitUsage {
			t.Errorf("%s: exit code %d: %s", args, code, said.String())
		}
	}
}
