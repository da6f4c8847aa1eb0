package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// wire carries the HTTP requests of one attempt. It knows what became of them
// from themselves, as errors of the library have secrets in them and no codes:
// it ends them in time, and follows no redirect, as what is behind it need not
// be who the event is for.
type wire struct {
	ctx  context.Context // of the attempt; the library has none
	via  http.RoundTripper
	says [][]byte // each of which only a request has that tells the event
	err  error    // of the first request that failed; nil: none has
	told bool     // somebody has the event
}

func newWire(ctx context.Context, via http.RoundTripper, e Event) *wire {
	if via == nil {
		via = &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
			DialContext: (&net.Dialer{Timeout: sendTimeout / 2}).DialContext,
		}
	}
	return &wire{ctx: ctx, via: via, says: inRequests(harmless(e.title()))}
}

// inRequests are the forms in which a request may have a text: as it is, in JSON,
// and as a parameter.
func inRequests(text string) [][]byte {
	forms := [][]byte{[]byte(text), []byte(url.QueryEscape(text))}
	if quoted, err := json.Marshal(text); err == nil {
		forms = append(forms, bytes.Trim(quoted, `"`))
	}
	return forms
}

// lend has the library use the wire until it is given back: its services take
// whatever http.DefaultTransport is, and most no other. Nothing else is sent by
// this process meanwhile.
func (w *wire) lend() (giveBack func()) {
	before := http.DefaultTransport
	http.DefaultTransport = w
	return func() { http.DefaultTransport = before }
}

// failed is what became of the attempt, nil if all requests were taken. If one of
// several receivers has the event, whichever, it is not sent again for the others.
func (w *wire) failed() error {
	if w.err != nil && w.told && !errors.Is(w.err, ErrRefused) {
		return fmt.Errorf("%w: %w, as others have it", w.err, ErrRefused)
	}
	return w.err
}

// connect has a service use the wire that made a transport of its own.
func (w *wire) connect(service types.Service) {
	switch s := service.(type) {
	case interface{ SetHTTPClient(client *http.Client) }:
		s.SetHTTPClient(&http.Client{Transport: w})
	case interface{ GetHTTPClient() *http.Client }:
		s.GetHTTPClient().Transport = w
	}
}

// RoundTrip implements http.RoundTripper. It fails never: what the library gets
// to know of anything but success is that the request was wrong. Told the code,
// or of an error, it would try again on its own, for minutes, or panic.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	answer, err := w.exchange(req)
	resp := &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(answer)), ContentLength: int64(len(answer)), Request: req,
	}
	if err == nil {
		return resp, nil
	}
	if w.err == nil {
		w.err = fmt.Errorf("%s: %w", req.URL.Host, err)
	}
	resp.StatusCode, resp.Status = http.StatusBadRequest, "400 Bad Request"
	return resp, nil
}

// exchange sends a request and reads the answer.
func (w *wire) exchange(req *http.Request) (answer []byte, err error) {
	out := req.Clone(w.ctx)
	var body []byte
	if req.Body != nil {
		body, err = io.ReadAll(req.Body)
		if err = errors.Join(err, req.Body.Close()); err != nil {
			return nil, err
		}
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := w.via.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code/100 == 5:
		return nil, fmt.Errorf("it answers %d", code)
	case code/100 != 2:
		return nil, fmt.Errorf("it answers %d: %w", code, ErrRefused)
	}
	for _, text := range w.says {
		w.told = w.told || bytes.Contains(body, text) || strings.Contains(req.URL.RawQuery, string(text))
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
}
