package keystore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNew(t *testing.T) {
	key0, key1 := parseKey(t, devKey0), parseKey(t, devKey1)
	got, err := New([]Key{key1, key0}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "schemaVersion": 1,
  "validators": [
    {
      "attester": "` + devKey1 + `",
      "publisher": "` + devKey1 + `",
      "coinbase": "` + devAddress1 + `",
      "feeRecipient": "0x0000000000000000000000000000000000000000000000000000000000000000"
    },
    {
      "attester": "` + devKey0 + `",
      "publisher": "` + devKey0 + `",
      "coinbase": "` + devAddress1 + `",
      "feeRecipient": "0x0000000000000000000000000000000000000000000000000000000000000000"
    }
  ]
}
`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
	keys, err := ParsePlain(got)
	if err != nil || len(keys.Attesters) != 2 || !keys.Attesters[0].Equal(key1) || !keys.Attesters[1].Equal(key0) || keys.Publishers != nil {
		t.Errorf("the keys read back are %d, %v", len(keys.Attesters), err)
	}
}

func TestNewOptions(t *testing.T) {
	fees := "0x" + strings.Repeat("0", 62) + "2a"
	o := Options{Publishers: []Key{parseKey(t, devKey0)}, Coinbase: strings.ToLower(devAddress0), FeeRecipient: fees}
	got, err := New([]Key{parseKey(t, devKey1)}, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"publisher": "` + devKey0, `"coinbase": "` + devAddress0, `"feeRecipient": "` + fees} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s is not in the keystore", want)
		}
	}
	for name, c := range map[string]struct {
		keys []Key
		o    Options
	}{
		"no key":              {nil, Options{}},
		"a zero key":          {[]Key{{}}, Options{}},
		"a key twice":         {[]Key{o.Publishers[0], o.Publishers[0]}, Options{}},
		"a wrong coinbase":    {[]Key{o.Publishers[0]}, Options{Coinbase: "0x1"}},
		"a wrong fee address": {[]Key{o.Publishers[0]}, Options{FeeRecipient: devAddress0}},
	} {
		if _, err := New(c.keys, c.o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

const fee = `"feeRecipient":"0x0000000000000000000000000000000000000000000000000000000000000000"`

// v1 is a keystore with one validator of the given fields.
func v1(fields string) string {
	return `{"schemaVersion":1,"validators":[{` + fields + `}]}`
}

func TestParse(t *testing.T) {
	remote := `"remoteSigner":"https://signer.example:9000"`
	for _, c := range []struct {
		name, json string
		want       []string
	}{
		{"as measured", v1(`"attester":"` + devKey1 + `","publisher":"` + devKey1 + `","coinbase":"` + devAddress1 + `",` + fee), []string{devAddress1}},
		{"attester alone", v1(`"attester":"` + devKey1 + `",` + fee), []string{devAddress1}},
		{"list of attesters", v1(`"attester":["` + devKey1 + `","` + devKey0 + `"],` + fee), []string{devAddress1, devAddress0}},
		{"eth and bls", v1(`"attester":{"eth":"` + devKey1 + `","bls":"0x` + strings.Repeat("01", 32) + `"},` + fee), []string{devAddress1}},
		{"bls in a file", v1(`"attester":{"eth":"` + devKey1 + `","bls":{"path":"/a","password":"b"}},` + fee), []string{devAddress1}},
		{"remote signer of its own", v1(`"attester":{"address":"` + devAddress1 + `","remoteSignerUrl":"https://s","certPath":"/c","certPass":"p"},` + fee), []string{devAddress1}},
		{"remote signer of the validator", v1(`"attester":"` + devAddress1 + `",` + remote + `,` + fee), []string{devAddress1}},
		{"remote signer of all", `{"schemaVersion":1,` + remote + `,"validators":[{"attester":"` + devAddress1 + `",` + fee + `}]}`, []string{devAddress1}},
		{"remote signer as an object", v1(`"attester":"` + devAddress1 + `","remoteSigner":{"remoteSignerUrl":"http://s"},` + fee), []string{devAddress1}},
		{"file", v1(`"attester":{"path":"/key.json","password":"p"},` + fee), nil},
		{"mnemonic", v1(`"attester":{"mnemonic":"test test junk","addressCount":4},` + fee), nil},
		{"null is absent", v1(`"attester":"` + devKey1 + `","publisher":null,"coinbase":null,` + fee), []string{devAddress1}},
		{"funding account and slasher", `{"schemaVersion":1,"slasher":"` + devKey0 + `","fundingAccount":"` + devKey0 + `","validators":[{"attester":"` + devKey1 + `","fundingAccount":"` + devKey0 + `",` + fee + `}]}`, []string{devAddress1}},
		{"prover and no validators", `{"schemaVersion":1,"validators":[],"prover":"` + devKey1 + `"}`, nil},
		{"file with an empty password", v1(`"attester":{"path":"/key.json","password":""},` + fee), nil},
		{"addresses as the node takes them", `{"schemaVersion":1,` + remote + `,"validators":[{"attester":["` + devAddress1[2:] + `","` + strings.ToUpper(devAddress0[2:]) + `"],` + fee + `}]}`, []string{devAddress1, devAddress0}},
		{"fee recipient without 0x", v1(`"attester":"` + devKey1 + `","feeRecipient":"` + strings.Repeat("0", 63) + `7"`), []string{devAddress1}},
		{"blanks around", "\n\t " + v1(`"attester":"`+devKey1+`",`+fee) + "\r\n", []string{devAddress1}},
		{"prover alone", `{"schemaVersion":1,"prover":"` + devKey1 + `"}`, nil},
		{"prover with publishers", `{"schemaVersion":1,"prover":{"id":"` + devAddress1 + `","publisher":["` + devKey1 + `","` + devKey0 + `"]}}`, nil},
		{"version 2", `{"schemaVersion":2,"publisher":"` + devKey0 + `","coinbase":"` + devAddress0 + `",` + fee + `,"validators":[{"attester":"` + devKey1 + `"}]}`, []string{devAddress1}},
	} {
		k, err := Parse([]byte(c.json))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, a := range k.Addresses() {
			got = append(got, a.String())
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	ok := `"attester":"` + devKey1 + `",`
	for _, c := range []struct{ name, json, want string }{
		{"nothing", ``, "the file: is not a JSON object"},
		{"a key alone", devKey1, "the file: is not a JSON object"},
		{"a list", `[]`, "the file: is not a JSON object"},
		{"cut off", v1(ok + fee)[:40], "the file: is not valid JSON"},
		{"more after it", v1(ok+fee) + `{}`, "something follows"},
		{"no version", `{"validators":[{` + ok + fee + `}]}`, "schemaVersion"},
		{"version as text", `{"schemaVersion":"1","validators":[{` + ok + fee + `}]}`, "schemaVersion"},
		{"version 3", `{"schemaVersion":3,"validators":[{` + ok + fee + `}]}`, "schemaVersion"},
		{"nobody", `{"schemaVersion":1}`, "neither validators nor prover"},
		{"null validators", `{"schemaVersion":1,"validators":null}`, "neither validators nor prover"},
		{"no validator", `{"schemaVersion":1,"validators":[]}`, "validators: is empty"},
		{"one validator without a list", `{"schemaVersion":1,"validators":{` + ok + fee + `}}`, "validators: is not a list"},
		{"unknown field", `{"schemaVersion":1,"validator":[]}`, "validator: unknown field"},
		{"field of version 2", `{"schemaVersion":1,"coinbase":"` + devAddress1 + `","validators":[{` + ok + fee + `}]}`, "coinbase: unknown field"},
		{"other case", v1(`"Attester":"` + devKey1 + `",` + fee), "validators[0].Attester: unknown field"},
		{"twice", v1(ok + ok + fee), "validators[0].attester: is there twice"},
		{"unknown field of a validator", v1(ok + fee + `,"fee":1`), "validators[0].fee: unknown field"},
		{"no attester", v1(fee), "validators[0].attester: is missing"},
		{"null attester", v1(`"attester":null,` + fee), "validators[0].attester: is missing"},
		{"empty attester", v1(`"attester":"",` + fee), "validators[0].attester: neither a private key"},
		{"no attesters", v1(`"attester":[],` + fee), "validators[0].attester: is empty"},
		{"no fee recipient", v1(ok[:len(ok)-1]), "validators[0].feeRecipient: is missing"},
		{"no fee recipient in version 2", `{"schemaVersion":2,"validators":[{` + ok[:len(ok)-1] + `}]}`, "validators[0].feeRecipient: is missing"},
		{"second attester without eth", v1(`"attester":["` + devKey1 + `",{"bls":"` + devKey1 + `"}],` + fee), "validators[0].attester[1].bls: unknown field"},
		{"empty eth", v1(`"attester":{"eth":""},` + fee), "validators[0].attester.eth"},
		{"empty bls", v1(`"attester":{"eth":"` + devKey1 + `","bls":""},` + fee), "validators[0].attester.bls"},
		{"remote bls", v1(`"attester":{"eth":"` + devKey1 + `","bls":{"address":"` + devAddress1 + `","remoteSignerUrl":"https://s"}},` + fee), "validators[0].attester.bls"},
		{"key without 0x", v1(`"attester":"` + devKey1[2:] + `",` + fee), "validators[0].attester"},
		{"key with a blank", v1(`"attester":"` + devKey1 + ` ",` + fee), "blanks"},
		{"short key", v1(`"attester":"` + devKey1[:60] + `",` + fee), "validators[0].attester"},
		{"key as a number", v1(`"attester":4066,` + fee), "validators[0].attester: not an account"},
		{"address without a signer", v1(`"attester":"` + devAddress1 + `",` + fee), "no remoteSigner"},
		{"remote without URL", v1(`"attester":{"address":"` + devAddress1 + `"},` + fee), "remoteSignerUrl: is missing"},
		{"signer with another scheme", v1(ok + `"remoteSigner":"ftp://s",` + fee), "validators[0].remoteSigner: not a URL"},
		{"file with more", v1(`"attester":{"path":"/k","pass":"p"},` + fee), "validators[0].attester.pass: unknown field"},
		{"negative index", v1(`"attester":{"mnemonic":"a b","addressIndex":-1},` + fee), "addressIndex: must be"},
		{"no addresses", v1(`"attester":{"mnemonic":"a b","addressCount":0},` + fee), "addressCount: must be"},
		{"empty mnemonic", v1(`"attester":{"mnemonic":""},` + fee), "mnemonic: must be text"},
		{"wrong checksum", v1(ok + `"coinbase":"0x70997970C51812dc3A010C7d01b50e0d17dc79c8",` + fee), "validators[0].coinbase"},
		{"fee recipient of L1", v1(ok + `"feeRecipient":"` + devAddress1 + `"`), "validators[0].feeRecipient"},
		{"attester twice", v1(`"attester":["` + devKey1 + `","` + devKey1 + `"],` + fee), "attester " + devAddress1 + " is there twice"},
		{"publisher and id", `{"schemaVersion":1,"prover":{"id":"` + devAddress1 + `"}}`, "prover: wants both"},
		{"a key as a field", v1(ok + fee + `,"` + devKey1 + `":1`), "(a name not shown): unknown field"},
		{"byte order mark", "\xef\xbb\xbf" + v1(ok+fee), "byte order mark"},
		{"UTF-16", "\xff\xfe{\x00", "byte order mark"},
		{"staker output", staker, "staker output"},
		{"staker output of one", staker[1 : len(staker)-1], "staker output"},
		{"encrypted key", `{"version":3,"address":"70997970c51812dc3a010c7d01b50e0d17dc79c8","crypto":{}}`, "one encrypted key"},
		{"garbage after it", v1(ok+fee) + "\nx", "the file: something follows"},
		{"two documents", v1(ok+fee) + "\n" + v1(ok+fee), "the file: something follows"},
		{"zero key", v1(`"attester":"0x` + strings.Repeat("0", 64) + `",` + fee), "validators[0].attester: not a private key"},
		{"key out of range", v1(`"attester":"0x` + strings.Repeat("f", 64) + `",` + fee), "validators[0].attester: not a private key"},
		{"order of the curve", v1(`"attester":"0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",` + fee), "validators[0].attester: not a private key"},
		{"attester twice, once remote", v1(`"attester":["` + devKey1 + `",{"address":"` + strings.ToLower(devAddress1) + `","remoteSignerUrl":"https://s"}],` + fee), "attester " + devAddress1 + " is there twice"},
		{"attester twice, two validators", `{"schemaVersion":1,"validators":[{` + ok + fee + `},{` + ok + fee + `}]}`, "attester " + devAddress1 + " is there twice"},
		{"checksum of an attester", `{"schemaVersion":1,"remoteSigner":"http://s","validators":[{"attester":"0x70997970C51812dc3A010C7d01b50e0d17dc79c8",` + fee + `}]}`, "validators[0].attester: not an address"},
		{"no prover, no validators", `{"schemaVersion":1,"prover":null,"validators":[]}`, "validators: is empty"},
		{"large X", `{"schemaVersion":1,"remoteSigner":"http://s","validators":[{"attester":"0X` + strings.ToLower(devAddress1[2:]) + `",` + fee + `}]}`, "validators[0].attester: neither"},
		{"null index", v1(`"attester":{"mnemonic":"a b","addressIndex":null},` + fee), "addressIndex: must be"},
		{"mnemonic in a list", v1(`"attester":[{"mnemonic":"a b"}],` + fee), "validators[0].attester[0].mnemonic: unknown field"},
		{"remote signer with more", v1(ok + `"remoteSigner":{"remoteSignerUrl":"http://s","x":1},` + fee), "remoteSigner.x: unknown field"},
		{"too large", strings.Repeat(" ", maxSize+1), "larger than"},
	} {
		_, err := Parse([]byte(c.json))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		} else if strings.Contains(err.Error(), devKey1[2:12]) {
			t.Errorf("%s: the error shows a key: %v", c.name, err)
		}
	}
}

func TestPlainRefuses(t *testing.T) {
	for name, json := range map[string]string{
		"no keystore": ``,
		"file":        v1(`"attester":{"path":"/key.json"},` + fee),
		"mnemonic":    v1(`"attester":{"mnemonic":"a b"},` + fee),
		"remote":      v1(`"attester":"` + devAddress1 + `","remoteSigner":"https://s",` + fee),
		"publisher":   v1(`"attester":"` + devKey1 + `","publisher":{"path":"/key.json"},` + fee),
		"both":        `{"schemaVersion":1,"prover":"` + devKey0 + `","validators":[{"attester":"` + devKey1 + `",` + fee + `}]}`,
	} {
		if p, err := ParsePlain([]byte(json)); err == nil {
			t.Errorf("%s: %d attesters, %d publishers", name, len(p.Attesters), len(p.Publishers))
		}
	}
}

// A lone publisher that is the attester is as good as none, and a prover has
// publishers alone.
func TestPlain(t *testing.T) {
	key0, key1 := parseKey(t, devKey0), parseKey(t, devKey1)
	prover, err := NewProver([]Key{key0, key1}, "")
	if err != nil || !strings.Contains(string(prover), devAddress0) {
		t.Fatalf("a prover's: %v", err)
	}
	for name, c := range map[string]struct {
		json string
		want Plain
	}{
		"no publisher":   {v1(`"attester":"` + devKey1 + `",` + fee), Plain{Attesters: []Key{key1}}},
		"own publisher":  {v1(`"attester":"` + devKey1 + `","publisher":"` + devKey1 + `",` + fee), Plain{Attesters: []Key{key1}}},
		"two publishers": {v1(`"attester":"` + devKey1 + `","publisher":["` + devKey1 + `","` + devKey0 + `"],` + fee), Plain{Attesters: []Key{key1}, Publishers: []Key{key1, key0}}},
		"prover":         {string(prover), Plain{Publishers: []Key{key0, key1}}},
	} {
		got, err := ParsePlain([]byte(c.json))
		if err != nil || !slices.EqualFunc(got.Attesters, c.want.Attesters, Key.Equal) || !slices.EqualFunc(got.Publishers, c.want.Publishers, Key.Equal) {
			t.Errorf("%s: %d attesters, %d publishers, %v", name, len(got.Attesters), len(got.Publishers), err)
		}
		if !got.Main().Equal(append(slices.Clone(c.want.Attesters), c.want.Publishers...)[0]) {
			t.Errorf("%s: the main key is another one", name)
		}
	}
	if _, err := NewProver(nil, devAddress0); err == nil {
		t.Error("a prover without a key")
	}
}

// No input makes Parse panic or say more than where the mistake is.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		v1(`"attester":"` + devKey1 + `",` + fee), v1(`"attester":{"eth":"` + devKey1 + `","bls":{"path":"/a"}},` + fee),
		`{"schemaVersion":2,` + fee + `,"prover":{"id":"` + devAddress1 + `","publisher":[]},"validators":[{"attester":[{"mnemonic":"a"}]}]}`,
		`{"schemaVersion":1,"remoteSigner":{"remoteSignerUrl":"http://s"},"validators":[null,[],{}]}`, `{"a":`, `{"` + devKey1 + `":0}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := Parse(data)
		keys, keysErr := ParsePlain(data)
		if err == nil && keysErr == nil && len(keys.Attesters) != len(k.Addresses()) {
			t.Fatalf("%d keys and %d addresses", len(keys.Attesters), len(k.Addresses()))
		}
		for _, text := range []string{fmt.Sprintf("%v %+v", err, k), fmt.Sprint(keys, keysErr)} {
			if strings.Contains(text, devKey1[2:20]) {
				t.Fatalf("a key is shown: %s", text)
			}
		}
	})
}

// Publishers are those of every validator, the file's where it names none,
// itself where there are none, and the prover's.
func TestPublishers(t *testing.T) {
	zero := `"feeRecipient":"` + nobody + `"`
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"itself":      {`{"schemaVersion":1,"validators":[{"attester":"` + devKey0 + `",` + zero + `}]}`, []string{devAddress0}},
		"several":     {`{"schemaVersion":1,"validators":[{"attester":"` + devKey0 + `","publisher":["` + devKey1 + `","` + devKey0 + `"],` + zero + `}]}`, []string{devAddress1, devAddress0}},
		"of the file": {`{"schemaVersion":2,"publisher":"` + devKey1 + `","validators":[{"attester":"` + devKey0 + `",` + zero + `}]}`, []string{devAddress1}},
		"a prover":    {`{"schemaVersion":1,"prover":"` + devKey1 + `"}`, []string{devAddress1}},
		"a prover's":  {`{"schemaVersion":1,"prover":{"id":"` + devAddress0 + `","publisher":["` + devKey1 + `","` + devKey0 + `"]}}`, []string{devAddress1, devAddress0}},
		"unknown":     {`{"schemaVersion":1,"validators":[{"attester":"` + devKey0 + `","publisher":{"path":"/k.json"},` + zero + `}]}`, nil},
	} {
		k, err := Parse([]byte(c.file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, a := range k.Publishers() {
			got = append(got, a.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// What the node asks of which remote signer: the nearest one that is named.
func TestRemotes(t *testing.T) {
	const a0, a1 = `"` + devAddress0 + `"`, `"` + devAddress1 + `"`
	for name, c := range map[string]struct {
		data string
		want []RemoteAccounts
	}{
		"plain keys":  {v1(`"attester":"` + devKey1 + `",` + fee), nil},
		"its own":     {v1(`"attester":{"address":` + a1 + `,"remoteSignerUrl":"https://own"},"remoteSigner":"https://s",` + fee), []RemoteAccounts{{"https://own", []string{devAddress1}}}},
		"a publisher": {v1(`"attester":"` + devKey1 + `","publisher":` + a0 + `,"remoteSigner":"https://s",` + fee), []RemoteAccounts{{"https://s", []string{devAddress0}}}},
		"the validator's before the file's": {
			`{"schemaVersion":2,"remoteSigner":"https://all","publisher":` + a0 + `,"prover":` + a1 + `,"slasher":[` + a1 + `],
			"validators":[{"attester":[` + a0 + `,` + a1 + `],"remoteSigner":{"remoteSignerUrl":"https://s"},` + fee + `}]}`,
			[]RemoteAccounts{{"https://s", []string{devAddress0, devAddress1}}, {"https://all", []string{devAddress0, devAddress1}}},
		},
		"the file's publisher that no validator needs": {
			`{"schemaVersion":2,"remoteSigner":"https://all","publisher":` + a0 + `,
			"validators":[{"attester":"` + devKey1 + `","publisher":"` + devKey1 + `",` + fee + `}]}`,
			nil,
		},
	} {
		k, err := Parse([]byte(c.data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, k.Remotes()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
