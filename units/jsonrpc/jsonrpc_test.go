package jsonrpc

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestResult(t *testing.T) {
	for body, want := range map[string]struct {
		result string
		err    error
	}{
		`{"result":{"a":1}}`:                                  {`{"a":1}`, nil},
		`{"result":null}`:                                     {"null", nil},
		`{"jsonrpc":"2.0","id":1}`:                            {"", nil},
		`{"error":null,"result":7}`:                           {"7", nil},
		`{"error":{"code":-32601,"message":"no"}}`:            {"", &Error{MethodNotFound, "no"}},
		`{"error":{"code":"-32601","message":"no"}}`:          {"", &Error{MethodNotFound, "no"}},
		`{"error":{"message":"no"},"result":7}`:               {"", &Error{0, "no"}},
		`{"error":{"code":1e99,"message":"no"}}`:              {"", &Error{0, "no"}},
		`{"error":{"code":"x","message":"no"}}`:               {"", ErrForm},
		`{"error":{"code":1,"message":{}}}`:                   {"", ErrForm},
		`[{"result":7}]`:                                      {"", ErrForm},
		`{"result":7} and more`:                               {"", ErrForm},
		``:                                                    {"", ErrForm},
		strings.Repeat("[", 100_000):                          {"", ErrForm},
		`{"error":{"code":9223372036854775808,"message":""}}`: {"", &Error{}},
	} {
		got, err := Answer{Body: []byte(body)}.Result()
		if e, ok := errors.AsType[*Error](want.err); ok {
			if said, ok := errors.AsType[*Error](err); !ok || *said != *e {
				t.Errorf("%.60s: %v, want %v", body, err, want.err)
			}
		} else if !errors.Is(err, want.err) {
			t.Errorf("%.60s: %v, want %v", body, err, want.err)
		}
		if string(got) != want.result {
			t.Errorf("%.60s: %s, want %s", body, got, want.result)
		}
	}
}

func TestSend(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s with %v", req.Method, req.Header)
		}
		var call struct {
			Version string `json:"jsonrpc"`
			Method  string `json:"method"`
			Params  []any  `json:"params"`
		}
		if err := json.NewDecoder(req.Body).Decode(&call); err != nil || call.Version != "2.0" || call.Method != `a"b` || len(call.Params) != 2 {
			t.Errorf("%+v, %v", call, err)
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "12345")
	}))
	defer server.Close()
	for limit, want := range map[int]error{5: nil, 4: LongError(4), 2: LongError(2)} {
		req, err := NewRequest(t.Context(), server.URL, `a"b`, `[1,"x"]`)
		if err != nil {
			t.Fatal(err)
		}
		a, err := Send(server.Client(), req, limit)
		if !errors.Is(err, want) || a.Status != http.StatusBadRequest || len(a.Body) != min(limit+1, 5) {
			t.Errorf("%d: %v, status %d, %q", limit, err, a.Status, a.Body)
		}
	}
	if _, err := NewRequest(t.Context(), "http://[", "a", "[]"); err == nil {
		t.Error("a URL that is none is called")
	}
}
