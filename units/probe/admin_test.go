package probe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fakeAdmin answers as the admin API of 4.1.2 does (contract test), in a
// namespace of any version.
type fakeAdmin struct {
	namespace string
	payload   string // "": there is none
	deaf      bool   // knows no such field
}

func (f *fakeAdmin) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var call struct {
		Method string
		Params []map[string]string
	}
	switch {
	case req.Header.Get("X-Api-Key") != "c0ffee":
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Unauthorized: invalid or missing API key"}}`)
	case json.NewDecoder(req.Body).Decode(&call) != nil:
		w.WriteHeader(http.StatusBadRequest)
	case call.Method == f.namespace+"_getConfig" && f.payload == "":
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":{"realProofs":false}}`)
	case call.Method == f.namespace+"_getConfig":
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":{"governanceProposerPayload":%q}}`, f.payload)
	case call.Method == f.namespace+"_setConfig":
		if !f.deaf {
			f.payload = call.Params[0]["governanceProposerPayload"]
		}
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":1}`)
	default:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found: %s"}}`, call.Method)
	}
}

func TestPayload(t *testing.T) {
	one := "0x" + strings.Repeat("ab", 20)
	for _, c := range []struct {
		name, namespace, key, has, set string
		deaf                           bool
		now, says                      string // after it
	}{
		{"4", "node", "c0ffee", "", one, false, one, ""},
		{"5", "aztec", "c0ffee", "", one, false, one, ""},
		{"in capitals", "node", "c0ffee", "", "0x" + strings.Repeat("AB", 20), false, one, ""},
		{"none", "node", "c0ffee", one, "", false, "", ""},
		{"none before and after", "node", "c0ffee", "", "", false, "", ""},
		{"wrong key", "node", "tea", one, "", false, "", "Unauthorized"},
		{"does not know it", "node", "c0ffee", "", one, true, "", "did not change"},
		{"does not know it, and nothing is wanted", "node", "c0ffee", "", "", true, "", ""},
		{"no address", "node", "c0ffee", one, `x"}`, false, one, "is no address"},
		{"answers nonsense", "node", "c0ffee", "x", one, true, "", "is no address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(&fakeAdmin{c.namespace + "Admin", c.has, c.deaf})
			defer s.Close()
			a, err := NewAdmin(Client(), s.URL, c.namespace, c.key)
			if err != nil {
				t.Fatal(err)
			}
			err = a.SetPayload(t.Context(), c.set)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), c.key)) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if c.says != "" {
				return
			}
			if now, err := a.Payload(t.Context()); err != nil || now != c.now {
				t.Errorf("it votes for %q, want %q; %v", now, c.now, err)
			}
		})
	}
	t.Run("wrong namespace", func(t *testing.T) {
		s := httptest.NewServer(&fakeAdmin{namespace: "aztecAdmin"})
		defer s.Close()
		a, err := NewAdmin(Client(), s.URL, "node", "c0ffee")
		if err != nil {
			t.Fatal(err)
		}
		if err := a.SetPayload(t.Context(), one); err == nil || !strings.Contains(err.Error(), "Method not found") {
			t.Errorf("%v", err)
		}
	})
}
