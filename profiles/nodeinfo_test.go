package profiles

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// someENR has the form of a node record.
var someENR = "enr:" + base64.RawURLEncoding.EncodeToString(append([]byte{0xf8, 100}, make([]byte, 100)...))

// answer is what a node says, with changes: nil removes a field.
func answer(changes map[string]any) []byte {
	addresses := map[string]any{}
	for i, c := range contracts {
		addresses[c.field] = fmt.Sprintf("0x%040x", i+1)
	}
	result := map[string]any{"nodeVersion": "0.67.1", "l1ChainId": 1337, "enr": someENR, "l1ContractAddresses": addresses}
	for key, value := range changes {
		in := result
		if field, ok := strings.CutPrefix(key, "l1ContractAddresses."); ok {
			in, key = addresses, field
		}
		in[key] = value
		if value == nil {
			delete(in, key)
		}
	}
	data, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "result": result})
	if err != nil {
		panic(err) // words and numbers
	}
	return data
}

func TestParseNodeInfo(t *testing.T) {
	info, err := ParseNodeInfo(answer(nil))
	if err != nil {
		t.Fatal(err)
	}
	if info.L1ChainID != 1337 || info.Version != "0.67.1" || len(info.ENRs) != 1 || len(info.Contracts) != 10 || info.Contracts["OUTBOX_CONTRACT_ADDRESS"][19] != 10 {
		t.Errorf("%+v", info)
	}
	null := json.RawMessage("null")
	for _, c := range []struct {
		changes map[string]any
		want    string
	}{
		{map[string]any{"l1ChainId": nil}, "l1ChainId is missing"},
		{map[string]any{"l1ChainId": null}, "l1ChainId is missing"},
		{map[string]any{"l1ChainId": "1"}, "l1ChainId is not"},
		{map[string]any{"l1ChainId": -1}, "l1ChainId is not"},
		{map[string]any{"enr": null}, "enr is missing"},
		{map[string]any{"enr": "enr:x"}, "enr: "},
		{map[string]any{"l1ContractAddresses": nil}, "l1ContractAddresses is missing"},
		{map[string]any{"l1ContractAddresses": 7}, "l1ContractAddresses is not an object"},
		{map[string]any{"l1ContractAddresses.inboxAddress": null, "enr": nil}, "enr is missing; l1ContractAddresses.inboxAddress is missing"},
		{map[string]any{"l1ContractAddresses.rollupAddress": "0x12"}, "l1ContractAddresses.rollupAddress: "},
		{map[string]any{"l1ContractAddresses.registryAddress": "0x" + strings.Repeat("0", 40)}, "registryAddress: no contract has"},
	} {
		if _, err := ParseNodeInfo(answer(c.changes)); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: error %v, want %q", c.changes, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"":                                       "not JSON-RPC",
		"<html>":                                 "not JSON-RPC",
		"{}":                                     "neither a result nor an error",
		"null":                                   "neither a result nor an error",
		`{"error":{"message":"no such method"}}`: `refuses: "no such method"`,
		`{"error":{"message":"\u001b[31m"}}`:     "neither a result nor an error",
		`{"result":null}`:                        "neither a result nor an error",
		`{"result":{}} {}`:                       "more after the answer",
		strings.Repeat(" ", maxAnswer) + `{"result":1}`: "larger than",
	} {
		if _, err := ParseNodeInfo([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v, want %q", text, err, want)
		}
	}
	for _, c := range contracts {
		_, err := ParseNodeInfo(answer(map[string]any{"l1ContractAddresses." + c.field: nil}))
		if err == nil || !strings.Contains(err.Error(), c.field+" is missing") {
			t.Errorf("without %s: %v", c.field, err)
		}
	}
}

func TestConfigure(t *testing.T) {
	info, err := ParseNodeInfo(answer(nil))
	if err != nil {
		t.Fatal(err)
	}
	inst := sequencer()
	if _, err := BuiltIn().Configure(inst, info, "4.1.2"); err == nil || !strings.Contains(err.Error(), "bootnode: is on chain 1337, and mainnet on 1") {
		t.Errorf("another chain: %v", err)
	}
	inst.Network, inst.ExtraArgs = "custom", nil
	for version, addresses := range map[string]int{"0.67.1": 9, "2.1.11": 0} {
		got, err := BuiltIn().Configure(inst, info, version)
		if err != nil {
			t.Fatal(err)
		}
		if got.L1.ChainID != 1337 || got.Registry != info.Contracts[registryVariable].String() || cmp.Diff(info.ENRs, got.P2P.BootstrapNodes) != "" || len(got.Env) != len(inst.Env)+addresses {
			t.Errorf("%s: %+v", version, got)
		}
		if svc, err := BuiltIn().Render(got, facts(t, version), HostFacts{}); err != nil || value(svc, "BOOTSTRAP_NODES") != someENR {
			t.Errorf("%s: %q, %v", version, svc.Warnings, err)
		}
	}
}

func FuzzParseNodeInfo(f *testing.F) {
	f.Add(answer(nil))
	f.Add(answer(map[string]any{"enr": nil}))
	f.Add([]byte(`{"error":{"message":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := ParseNodeInfo(data)
		if err == nil && (info.L1ChainID == 0 || len(info.ENRs) != 1 || len(info.Contracts) != len(contracts)) {
			t.Fatalf("%q is taken for %+v", data, info)
		}
		if err != nil && strings.ContainsFunc(err.Error(), unprintable) {
			t.Fatalf("%q", err)
		}
	})
}
