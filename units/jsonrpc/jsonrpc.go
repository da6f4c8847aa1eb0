// Package jsonrpc is what nodes of Aztec, L1 and remote signers are called with:
// JSON-RPC 2.0 over HTTP. What answers is hostile until it is read. How long it is
// waited for, and in what words a failure is told, is the caller's.
package jsonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// MethodNotFound is the code of an [Error] (JSON-RPC 2.0, section 5.1).
const MethodNotFound = -32601

// NewRequest is a call of a method. Params are a list in JSON. Its error may quote
// the URL, which may have a key in it.
func NewRequest(ctx context.Context, url, method, params string) (*http.Request, error) {
	body := `{"jsonrpc":"2.0","id":1,"method":` + strconv.Quote(method) + `,"params":` + params + `}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json") // nodes of 4.1.2 refuse others
	return req, nil
}

// Answer is what a request got. Its status, that of HTTP, is 0 if nothing answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// LongError says that the body of an answer is longer than so many bytes.
type LongError int

func (e LongError) Error() string { return fmt.Sprintf("the answer is longer than %d bytes", int(e)) }

// Send sends a request, of a call or another one, and reads the answer to its end,
// or up to a byte more than limit: then the error is a [LongError]. Other errors are
// of [net/http].
func Send(client *http.Client, req *http.Request, limit int) (Answer, error) {
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if err == nil && len(body) > limit {
		err = LongError(limit)
	}
	return Answer{resp.StatusCode, resp.Header, body}, err
}

// Error is an answer that is one of JSON-RPC's errors. What it says is fit for no
// terminal.
type Error struct {
	Code    int
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%q (%d)", e.Message, e.Code) }

// ErrForm says that an answer is none of JSON-RPC.
var ErrForm = errors.New("the answer is not JSON-RPC")

// Result is what the call has returned, in JSON; empty if the answer has none, as
// where JavaScript returns undefined. An answer that is an error is an [*Error]
// whatever its status: version 4 of Aztec's nodes sends these with 400, others
// with 200.
func (a Answer) Result() (json.RawMessage, error) {
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Code    json.Number `json:"code"` // some have it in quotes
			Message string      `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(a.Body, &answer) != nil {
		return nil, ErrForm
	}
	if answer.Error != nil {
		code, err := strconv.Atoi(answer.Error.Code.String())
		if err != nil {
			code = 0 // of no error that anybody knows
		}
		return nil, &Error{code, answer.Error.Message}
	}
	return answer.Result, nil
}
