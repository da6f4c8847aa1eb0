package keystore

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func addresses(t *testing.T, data []byte) []string {
	t.Helper()
	k, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, e := range k.Entries() {
		got = append(got, e.Attester)
	}
	return got
}

const feeOther = `"feeRecipient":"0x0000000000000000000000000000000000000000000000000000000000000007"`

func TestMerge(t *testing.T) {
	one := v1(`"attester":"` + devKey1 + `",` + fee)
	two := `{"schemaVersion":2,"publisher":"` + devKey1 + `","coinbase":"` + devAddress1 + `",` + feeOther + `,"validators":[{"attester":"` + devKey0 + `"}],"slasher":"` + devKey1 + `"}`
	got, err := Merge([]byte(one), []byte(two))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{devAddress1, devAddress0}, addresses(t, got)); d != "" {
		t.Error(d)
	}
	k, _ := Parse(got)
	e := k.Entries()[1]
	if e.Publishers[0] != devAddress1 || e.Coinbase != devAddress1 || !strings.HasSuffix(e.FeeRecipient, "7") {
		t.Errorf("what held for all of the second file is lost: %+v", e)
	}
	if !strings.Contains(string(got), `"slasher"`) {
		t.Error("the slasher is lost")
	}
	prover := `{"schemaVersion":1,"prover":"` + devKey1 + `"}`
	for name, c := range map[string]struct{ a, b, want string }{
		"attester in both": {one, one, "attester " + devAddress1 + " is there twice"},
		"prover in both":   {prover, prover, "prover: is in both"},
		"bad":              {one, `{}`, "schemaVersion"},
		"bad already":      {`{}`, one, "schemaVersion"},
	} {
		if _, err := Merge([]byte(c.a), []byte(c.b)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := Merge([]byte(one), []byte(prover)); err != nil || !strings.Contains(string(got), `"prover"`) {
		t.Errorf("the prover is lost: %v", err)
	}
}

func TestRemove(t *testing.T) {
	a0, a1 := parseAddress(t, devAddress0), parseAddress(t, devAddress1)
	remote := `{"address":"` + strings.ToLower(devAddress0) + `","remoteSignerUrl":"https://s"}`
	for name, c := range map[string]struct {
		json string
		gone Address
		left []string
		is   error
	}{
		"of two validators":     {`{"schemaVersion":1,"validators":[{"attester":"` + devKey0 + `",` + fee + `},{"attester":"` + devKey1 + `",` + fee + `}]}`, a0, []string{devAddress1}, nil},
		"of a list":             {v1(`"attester":["` + devKey0 + `","` + devKey1 + `"],` + fee), a1, []string{devAddress0}, nil},
		"with BLS key":          {v1(`"attester":[{"eth":"` + devKey0 + `","bls":"0x` + strings.Repeat("0", 63) + `7"},"` + devKey1 + `"],` + fee), a0, []string{devAddress1}, nil},
		"remote":                {v1(`"attester":[` + remote + `,"` + devKey1 + `"],` + fee), a0, []string{devAddress1}, nil},
		"address of all":        {`{"schemaVersion":1,"remoteSigner":"https://s","validators":[{"attester":["` + devAddress0 + `","` + devAddress1 + `"],` + fee + `}]}`, a0, []string{devAddress1}, nil},
		"beside a mnemonic":     {`{"schemaVersion":1,"validators":[{"attester":"` + devKey0 + `",` + fee + `},{"attester":{"mnemonic":"a b"},` + fee + `}]}`, a0, []string{""}, nil},
		"last beside a prover":  {`{"schemaVersion":1,"prover":"` + devKey1 + `","validators":[{"attester":"` + devKey0 + `",` + fee + `}]}`, a0, []string{}, nil},
		"last":                  {v1(`"attester":"` + devKey0 + `",` + fee), a0, nil, ErrLastAttester},
		"not there":             {v1(`"attester":"` + devKey0 + `",` + fee), a1, nil, ErrNoAttester},
		"publisher alone":       {v1(`"attester":"` + devKey0 + `","publisher":"` + devKey1 + `",` + fee), a1, nil, ErrNoAttester},
		"no validators":         {`{"schemaVersion":1,"prover":"` + devKey1 + `"}`, a1, nil, ErrNoAttester},
		"not found in mnemonic": {v1(`"attester":{"mnemonic":"a b"},` + fee), a1, nil, ErrNoAttester},
	} {
		got, err := Remove([]byte(c.json), c.gone)
		if c.is != nil {
			if !errors.Is(err, c.is) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(c.left, addresses(t, got)); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

func parseAddress(t *testing.T, s string) Address {
	t.Helper()
	a, err := ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRemote(t *testing.T) {
	data, err := Remote(parseAddress(t, devAddress1), "https://signer.example:9000", Options{Coinbase: devAddress0})
	if err != nil {
		t.Fatal(err)
	}
	k, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{{Attester: devAddress1, Signer: RemoteSigner, Publishers: []string{devAddress1}, Coinbase: devAddress0, FeeRecipient: nobody}}
	if d := cmp.Diff(want, k.Entries()); d != "" {
		t.Error(d)
	}
	if _, err := Remote(parseAddress(t, devAddress1), "signer", Options{}); err == nil {
		t.Error("a signer without http passes")
	}
}

func TestEntries(t *testing.T) {
	k, err := Parse([]byte(`{"schemaVersion":2,` + fee + `,"publisher":["` + devKey0 + `",{"path":"/p"}],"validators":[
		{"attester":[{"eth":"` + devKey1 + `","bls":{"path":"/b"}},{"path":"/k","password":""}],"coinbase":"` + strings.ToLower(devAddress0) + `"},
		{"attester":{"mnemonic":"a b"},"publisher":"` + devKey1 + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	zero := nobody
	want := []Entry{
		{Attester: devAddress1, Signer: PrivateKey, BLS: true, Publishers: []string{devAddress0}, Coinbase: strings.ToLower(devAddress0), FeeRecipient: zero},
		{Signer: KeyFile, Publishers: []string{devAddress0}, Coinbase: strings.ToLower(devAddress0), FeeRecipient: zero},
		{Signer: Mnemonic, Publishers: []string{devAddress1}, FeeRecipient: zero},
	}
	if d := cmp.Diff(want, k.Entries()); d != "" {
		t.Error(d)
	}
}

// Whatever may be edited can be read again, with no attester lost but the one
// that was to go.
func FuzzEdit(f *testing.F) {
	one := v1(`"attester":"` + devKey1 + `",` + fee)
	f.Add([]byte(one), []byte(v1(`"attester":"`+devKey0+`",`+fee)))
	f.Add([]byte(one), []byte(`{"schemaVersion":2,"publisher":"`+devKey1+`",`+fee+`,"validators":[{"attester":["`+devKey0+`",{"mnemonic":"a"}]}]}`))
	f.Add([]byte(one), []byte(`{"schemaVersion":1,"remoteSigner":"http://s","prover":"`+devAddress1+`","validators":[]}`))
	f.Add([]byte(one), []byte(`{"schemaVersion":1,"remoteSigner":"http://s","validators":[{"attester":["`+devAddress0+`"],"publisher":null,`+fee+`}]}`))
	f.Fuzz(func(t *testing.T, data, more []byte) {
		a, aerr := Parse(data)
		b, berr := Parse(more)
		merged, err := Merge(data, more)
		if err != nil {
			return
		}
		if aerr != nil || berr != nil {
			t.Fatalf("merged what does not parse: %v, %v", aerr, berr)
		}
		m, err := Parse(merged)
		if err != nil || len(m.Entries()) != len(a.Entries())+len(b.Entries()) {
			t.Fatalf("%v: %d attesters of %d and %d", err, len(m.Entries()), len(a.Entries()), len(b.Entries()))
		}
		for _, gone := range m.Addresses() {
			rest, err := Remove(merged, gone)
			if errors.Is(err, ErrLastAttester) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			r, err := Parse(rest)
			if err != nil || len(r.Entries()) != len(m.Entries())-1 {
				t.Fatalf("%v: %d attesters of %d", err, len(r.Entries()), len(m.Entries()))
			}
		}
	})
}
