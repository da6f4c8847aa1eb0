package main

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// methods are JSON-RPC methods by their full name. A result that is an rpcError
// is a refusal.
type methods map[string]func(params []json.RawMessage) any

// plain are methods that look at no parameters.
func plain(m map[string]func() any) methods {
	all := methods{}
	for name, f := range m {
		all[name] = func([]json.RawMessage) any { return f() }
	}
	return all
}

// request is one call; params have to be a list if they are given.
type request struct {
	ID     json.RawMessage
	Method *string
	Params json.RawMessage
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// answer keeps the order and the absences of the real node: id only if one was
// sent, no result for an undefined one.
type answer struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

var null = json.RawMessage("null")

func failure(id json.RawMessage, code int, message string) answer {
	return answer{JSONRPC: "2.0", ID: id, Error: &rpcError{code, message}}
}

// handler serves /status to everyone and the methods to who has the key, if
// there is one. A failed single call has HTTP status 400, as in 4.1.2.
func (n *node) handler(m methods, keyHash *string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, req *http.Request) { n.call(w, req, m, keyHash) })
	status := func(w http.ResponseWriter, req *http.Request) {
		n.headers(w)
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			text(w, req, http.StatusMethodNotAllowed, "Method Not Allowed")
			return
		}
		text(w, req, http.StatusOK, "OK")
	}
	mux.HandleFunc("/status", status)
	mux.HandleFunc("/status/{$}", status)
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		n.headers(w)
		text(w, req, http.StatusNotFound, "Not Found")
	})
	return mux
}

// headers are those of getVersioningMiddleware. A broker and an agent have no
// configuration that it could tell the chain from.
func (n *node) headers(w http.ResponseWriter) {
	h := w.Header()
	h["Vary"] = []string{"Accept-Encoding, Origin"}
	if !n.bare {
		h["x-aztec-l1ChainId"] = []string{strconv.Itoa(n.chain.id)}
		h["x-aztec-l1RollupAddress"] = []string{n.chain.rollup()}
		h["x-aztec-rollupVersion"] = []string{strconv.Itoa(rollupVersion)}
	}
	h["x-aztec-l2ProtocolContractsHash"] = []string{contractsHash}
	h["x-aztec-l2CircuitsVkTreeRoot"] = []string{vkTreeRoot}
	h["x-aztec-packageVersion"] = []string{n.version()}
}

// text answers in plain text; a HEAD is answered without a type.
func text(w http.ResponseWriter, req *http.Request, status int, body string) {
	w.Header()["Content-Type"] = nil
	if req.Method != http.MethodHead {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	w.WriteHeader(status)
	io.WriteString(w, body) //nolint:errcheck // nobody left to tell
}

func (n *node) call(w http.ResponseWriter, req *http.Request, m methods, keyHash *string) {
	if keyHash != nil && !allowed(req, *keyHash) {
		send(w, http.StatusUnauthorized, failure(null, -32000, "Unauthorized: invalid or missing API key"))
		return
	}
	n.headers(w)
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		text(w, req, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	if err != nil {
		send(w, http.StatusRequestEntityTooLarge, failure(null, -32600, "request entity too large"))
		return
	}
	if len(body) == 0 || !strings.HasPrefix(req.Header.Get("Content-Type"), "application/json") {
		body = []byte("{}")
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		var batch []request
		if err := json.Unmarshal(body, &batch); err != nil || len(batch) == 0 {
			send(w, http.StatusBadRequest, failure(null, -32600, "Invalid Request"))
			return
		}
		answers := make([]answer, len(batch))
		for i, one := range batch {
			answers[i] = m.answer(one)
		}
		send(w, http.StatusOK, answers)
		return
	}
	var one request
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) || json.Unmarshal(body, &one) != nil {
		send(w, http.StatusBadRequest, failure(null, -32700, "Parse error: invalid JSON, only supports object and array"))
		return
	}
	a, status := m.answer(one), http.StatusOK
	if a.Error != nil {
		status = http.StatusBadRequest
	}
	send(w, status, a)
}

func (m methods) answer(one request) answer {
	if one.Method == nil {
		return failure(one.ID, -32600, "Invalid request")
	}
	f, ok := m[*one.Method]
	if !ok {
		return failure(one.ID, -32601, "Method not found: "+*one.Method)
	}
	if p := bytes.TrimSpace(one.Params); len(p) > 0 && p[0] != '[' {
		_, name, _ := strings.Cut(*one.Method, "_")
		return failure(one.ID, -32702, "Params to "+name+" is not an array: [object Object]")
	}
	var params []json.RawMessage
	_ = json.Unmarshal(one.Params, &params) // the list that it is by now, or nothing
	a := answer{JSONRPC: "2.0", ID: one.ID}
	switch result := f(params).(type) {
	case undefined:
	case *rpcError:
		a.Error = result
	default:
		a.Result = result
	}
	return a
}

// allowed compares hashes, so that the time taken says nothing about the key.
func allowed(req *http.Request, keyHash string) bool {
	key := req.Header.Get("x-api-key")
	if key == "" {
		key, _ = strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	}
	return subtle.ConstantTimeCompare([]byte(hashOf(key)), []byte(keyHash)) == 1
}

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, quote(body)) //nolint:errcheck // nobody left to tell
}
