package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/jsonrpc"
)

const (
	askTimeout = 8 * time.Second
	maxAnswer  = 4 << 20 // bytes; a block with the hashes of its transactions has below 100 kB
)

// Client returns a client for L1 and remote signers. It keeps no connection, so that
// it needs no closing, and knows no proxies: a node has none of the variables of
// who asks here, and Node.js would not heed them.
func Client() *http.Client {
	return &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
}

// where is a URL as it may be shown: providers put keys into the rest.
func where(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "(not a URL)"
	}
	return u.Scheme + "://" + u.Host
}

// httpError is an answer that is not 200.
type httpError int

func (e httpError) Error() string {
	text := fmt.Sprintf("it answers %d", int(e))
	switch int(e) {
	case http.StatusUnauthorized, http.StatusForbidden:
		text += ": the key in the URL is not accepted"
	case http.StatusTooManyRequests:
		text += ": it is asked too often"
	}
	return text
}

// rpcError is that of JSON-RPC, in words.
type rpcError jsonrpc.Error

func (e *rpcError) Error() string { return fmt.Sprintf("it says %q", clip(e.Message)) }

// noMethod reports whether a server does not have the method that it was asked
// for. Providers have codes of their own for what a plan lacks.
func noMethod(err error) bool {
	e, ok := errors.AsType[*rpcError](err)
	if !ok {
		return false
	}
	text := strings.ToLower(e.Message)
	return e.Code == jsonrpc.MethodNotFound || e.Code == -32004 ||
		strings.Contains(text, "not available") || strings.Contains(text, "not supported") || strings.Contains(text, "does not exist")
}

// rpc calls a method of an execution node or a remote signer.
func (e exam) rpc(ctx context.Context, target, method string, result any, params ...any) error {
	if params == nil {
		params = []any{}
	}
	list, err := json.Marshal(params)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := jsonrpc.NewRequest(ctx, target, method, string(list))
	if err != nil {
		return errNoURL
	}
	a, err := e.send(req)
	raw, wrong := a.Result()
	if said, ok := errors.AsType[*jsonrpc.Error](wrong); ok {
		return (*rpcError)(said)
	}
	switch {
	case err != nil:
		return err
	case wrong != nil || len(raw) == 0:
		return errors.New("its answer is not one of JSON-RPC")
	case json.Unmarshal(raw, result) != nil:
		return errors.New("its answer cannot be read")
	}
	return nil
}

// errNoURL quotes nothing of what is none.
var errNoURL = errors.New("it is not a URL")

// get asks a beacon node, whose answers are in "data".
func (e exam) get(ctx context.Context, base, path string, result any) error {
	u, err := url.Parse(base)
	if err != nil {
		return errNoURL
	}
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/")+path, "" // a key may follow in the query
	data, err := e.fetch(ctx, u.String())
	if err != nil || result == nil {
		return err
	}
	answer := struct {
		Data any `json:"data"`
	}{result}
	if json.Unmarshal(data, &answer) != nil {
		return errors.New("its answer is not that of a beacon node")
	}
	return nil
}

// fetch returns the body of a page.
func (e exam) fetch(ctx context.Context, target string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, errNoURL
	}
	a, err := e.send(req)
	return a.Body, err
}

// send returns the answer with an error, too, and one that is too long as if it
// ended there, where nobody can read it. No error has more of the URL in it than
// its host.
func (e exam) send(req *http.Request) (jsonrpc.Answer, error) {
	req.Header.Set("Accept", "application/json")
	a, err := jsonrpc.Send(e.Client, req, maxAnswer)
	if _, long := errors.AsType[jsonrpc.LongError](err); err != nil && !long {
		return jsonrpc.Answer{}, why(err)
	}
	if a.Status != http.StatusOK {
		return a, httpError(a.Status)
	}
	return a, nil
}

// errUntrusted says that a server has shown a certificate of nobody known.
var errUntrusted = errors.New("its certificate is not trusted here")

// why is the cause of an error of net/http in words.
func why(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if c, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w: %s", errUntrusted, clip(c.Err.Error()))
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("it does not answer: connection refused")
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("it does not answer within %s", askTimeout)
	}
	return errors.New("it does not answer: " + clip(err.Error()))
}

// quantity is a number of Ethereum's JSON-RPC: "0x1f".
type quantity uint64

func (q *quantity) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64)
	*q = quantity(n)
	return err
}

// maxText is how much of a text from elsewhere is shown.
const maxText = 160

// clip makes a text from elsewhere fit to be shown: short, on one line, nothing
// that a terminal would act upon.
func clip(s string) string {
	q := strconv.QuoteToASCII(s)
	q = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	if len(q) > maxText {
		q = q[:maxText] + "..."
	}
	return q
}
