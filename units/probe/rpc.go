package probe

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/jsonrpc"
)

const (
	callTimeout = 3 * time.Second
	maxBody     = 1 << 20
)

// Client returns a client for Check and Alive. It knows no proxies, follows no
// redirect and keeps no connection, so that it needs no closing and never
// meets the process that had the port before.
func Client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            (&net.Dialer{Timeout: callTimeout}).DialContext,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: stay,
	}
}

// stay takes a redirect for the answer that it is.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// node is the RPC of one node.
type node struct {
	client *http.Client
	base   *url.URL
	key    string // of the admin API; ""
	limit  int    // of an answer, in bytes
}

func newNode(client *http.Client, target string) (*node, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not the address of an RPC", target)
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = strings.TrimSuffix(u.Path, "/"), "", "", ""
	strict := *client // whatever the caller's does
	strict.CheckRedirect = stay
	return &node{client: &strict, base: u, limit: maxBody}, nil
}

// status asks for the HTTP code of /status. An error says that nothing
// answered.
func (n *node) status(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.base.JoinPath("/status").String(), http.NoBody)
	if err != nil {
		return 0, err
	}
	a, err := n.send(req)
	return a.Status, err
}

func (n *node) send(req *http.Request) (jsonrpc.Answer, error) {
	if n.key != "" {
		req.Header.Set("X-Api-Key", n.key)
	}
	return jsonrpc.Send(n.client, req, n.limit)
}

// rpcError is an answer that is an error: of JSON-RPC, or of HTTP where there
// is no JSON-RPC behind it.
type rpcError struct {
	http    int
	code    int
	message string
}

func (e *rpcError) Error() string {
	if e.code == 0 {
		return fmt.Sprintf("HTTP status %d", e.http)
	}
	return fmt.Sprintf("%s (%d)", clip(e.message), e.code)
}

// absent reports whether an error means that the method, or the whole RPC
// behind the HTTP server, does not exist.
func absent(err error) bool {
	var e *rpcError
	if !errors.As(err, &e) {
		return false
	}
	return e.code == jsonrpc.MethodNotFound || e.code == 0 && (e.http == http.StatusNotFound || e.http == http.StatusMethodNotAllowed)
}

// errNoResult is an answer without a result: undefined in JavaScript.
var errNoResult = errors.New("the answer has no result")

// call calls a method without parameters and decodes its result.
func (n *node) call(ctx context.Context, method string, result any) error {
	_, err := n.callWith(ctx, method, "[]", result)
	return err
}

// callWith calls a method with parameters, a JSON list, and returns the version
// of the package that answers, as its header has it (getVersioningMiddleware of
// @aztec/stdlib, in 4.1.2); "" if it has none.
func (n *node) callWith(ctx context.Context, method, params string, result any) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := jsonrpc.NewRequest(ctx, n.base.JoinPath("/").String(), method, params)
	if err != nil {
		return "", err
	}
	a, err := n.send(req)
	if err != nil {
		return "", err
	}
	return clip(strings.TrimSpace(a.Header.Get("X-Aztec-PackageVersion"))), decode(a, result)
}

// decode reads the result of a call.
func decode(a jsonrpc.Answer, result any) error {
	raw, err := a.Result()
	said, refused := errors.AsType[*jsonrpc.Error](err)
	switch {
	case refused:
		// Without a code it says "internal error" elsewhere.
		return &rpcError{http: a.Status, code: cmp.Or(said.Code, -32603), message: said.Message}
	case a.Status != http.StatusOK:
		return &rpcError{http: a.Status}
	case err != nil:
		return err
	case len(raw) == 0 || string(raw) == "null":
		return errNoResult
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return errors.New("the result has another form than expected")
	}
	return nil
}

// number is an integer that is a JSON number or, where it may exceed what
// JavaScript counts exactly, a string.
type number struct {
	value  uint64 // 0 when negative
	signed int64
}

func (n *number) UnmarshalJSON(b []byte) error {
	s := string(b)
	if s == "null" {
		return nil
	}
	if len(s) >= 2 && s[0] == '"' {
		s = s[1 : len(s)-1]
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		n.signed = i
		n.value = uint64(max(i, 0))
		return nil
	}
	u, err := strconv.ParseUint(s, 0, 64)
	n.value = u
	return err
}

// why says in a few words why nothing answered.
func why(err error) string {
	var errno syscall.Errno
	var timeout net.Error
	var refusal *rpcError
	switch {
	case errors.As(err, &refusal):
		return refusal.Error() // fit to be shown already
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return "no answer within " + callTimeout.String()
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return clip(err.Error())
}

// maxText is how much of a text of the node's is shown.
const maxText = 200

// clip makes a text of the node's fit to be shown: short, on one line, nothing
// that a terminal would act upon.
func clip(s string) string {
	q := strconv.QuoteToGraphic(strings.ToValidUTF8(s, "\uFFFD"))
	q = q[1 : len(q)-1]
	q = strings.ReplaceAll(q, `\"`, `"`)
	r := []rune(q)
	if len(r) > maxText {
		return string(r[:maxText]) + "..."
	}
	return q
}
