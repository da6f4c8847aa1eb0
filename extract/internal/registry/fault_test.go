package registry

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// partly sends headers for the range asked for and its first n bytes, and then does what then says.
func partly(raw []byte, n int, then func(w http.ResponseWriter, r *http.Request)) fault {
	return func(w http.ResponseWriter, r *http.Request, _ int) bool {
		from, to := 0, len(raw)-1
		code := http.StatusOK
		if span := r.Header.Get("Range"); span != "" {
			fmt.Sscanf(span, "bytes=%d-%d", &from, &to)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(raw)))
			code = http.StatusPartialContent
		}
		w.Header().Set("Content-Length", strconv.Itoa(to+1-from))
		w.WriteHeader(code)
		w.Write(raw[from:min(len(raw), from+n)])
		w.(http.Flusher).Flush()
		then(w, r)
		return true
	}
}

func reset(http.ResponseWriter, *http.Request)     { panic(http.ErrAbortHandler) }
func stall(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
func status(code int, header ...string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, "<html>\n\x1b[31mno</html>")
		return true
	}
}

// only lets a fault happen to some requests.
func only(f fault, which ...int) fault {
	return func(w http.ResponseWriter, r *http.Request, nth int) bool {
		for _, n := range which {
			if n == nth {
				return f(w, r, nth)
			}
		}
		return false
	}
}

// second lets a fault happen to the first request for the second chunk.
func second(f fault) fault {
	var once sync.Once
	return func(w http.ResponseWriter, r *http.Request, nth int) (done bool) {
		if r.Header.Get("Range") == "bytes=1000-1999" {
			once.Do(func() { done = f(w, r, nth) })
		}
		return done
	}
}

// deaf answers each request with the whole blob.
func deaf(raw []byte) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
		w.Write(raw)
		return true
	}
}

func both(a, b fault) fault {
	return func(w http.ResponseWriter, r *http.Request, nth int) bool { return a(w, r, nth) || b(w, r, nth) }
}

func ranged(contentRange string, body []byte) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Content-Range", contentRange)
		w.WriteHeader(http.StatusPartialContent)
		w.Write(body)
		return true
	}
}

// TestFaults: each of these is got over, and costs no more than the requests named.
func TestFaults(t *testing.T) {
	small, large := randomBytes(300), randomBytes(10*testChunk+7)
	var every []int
	for i := range 400 {
		if i%3 != 2 {
			every = append(every, i)
		}
	}
	for name, test := range map[string]struct {
		raw   []byte
		fault fault
		max   int    // requests
		want  string // one of them
		told  string
		slow  time.Duration // takes at least
	}{
		"no fault, small":          {raw: small, max: 1},
		"no fault, large":          {raw: large, max: 11, want: "bytes=10000-10006"},
		"empty":                    {raw: []byte{}, max: 0},
		"exactly one chunk":        {raw: large[:testChunk], max: 1},
		"reset before the header":  {raw: small, fault: only(func(w http.ResponseWriter, r *http.Request, _ int) bool { reset(w, r); return true }, 0), max: 2},
		"reset in mid-body, small": {raw: small, fault: only(partly(small, 100, reset), 0), max: 2, want: "bytes=100-299", told: "cut short"},
		"reset in mid-body, large": {raw: large, fault: only(partly(large, 100, reset), 0, 3), max: 13, want: "bytes=100-999"},
		"reset in two of three":    {raw: large, fault: only(partly(large, 100, reset), every...), max: 400},
		"truncation":               {raw: small, fault: only(partly(small, 299, func(http.ResponseWriter, *http.Request) {}), 0), max: 2, want: "bytes=299-299"},
		"truncation, chunked": {raw: small, fault: only(func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Write(small[:9])
			w.(http.Flusher).Flush()
			return true
		}, 0), max: 2, want: "bytes=9-299", told: "ended after 9 of 300"},
		"stall before the header": {raw: small, fault: only(func(w http.ResponseWriter, r *http.Request, _ int) bool { stall(w, r); return true }, 0), max: 2, told: "not a byte for 30s", slow: 30 * time.Second},
		"stall in mid-body":       {raw: large, fault: second(partly(large, 100, stall)), max: 12, want: "bytes=1100-1999", told: "not a byte for 30s", slow: 30 * time.Second},
		"500":                     {raw: small, fault: only(status(500), 0), max: 2, told: "HTTP 500"},
		"503 five times":          {raw: small, fault: only(status(503), 0, 1, 2, 3, 4), max: 6, told: "HTTP 503"},
		"408":                     {raw: small, fault: only(status(408), 0), max: 2, told: "HTTP 408"},
		"429 without Retry-After": {raw: small, fault: only(status(429), 0), max: 2, told: "HTTP 429"},
		"416":                     {raw: large, fault: only(status(416), 2), max: 12, told: "HTTP 416"},
		"Range ignored":           {raw: large, fault: deaf(large), max: 1},
		"Range ignored and reset": {raw: large, fault: both(only(partly(large, 4321, reset), 0), deaf(large)), max: 13},
		"Range ignored, twice cut": {raw: large, fault: both(only(func(w http.ResponseWriter, r *http.Request, _ int) bool {
			w.Header().Set("Content-Length", "10007")
			w.Write(large[:4321])
			return true
		}, 0, 1), deaf(large)), max: 8},
		"Range ignored from the third on": {raw: large, fault: func(w http.ResponseWriter, r *http.Request, nth int) bool { return nth > 2 && deaf(large)(w, r, nth) }, max: 12},
		"Range ignored once":              {raw: large, fault: only(deaf(large), 5), max: 12},
		"206 of another place":            {raw: large, fault: second(ranged("bytes 0-999/10007", large[:1000])), max: 12, told: "instead of bytes 1000-1999/10007"},
		"206 of more than asked for":      {raw: large, fault: second(ranged("bytes 1000-2999/10007", large[1000:3000])), max: 12, told: "instead of"},
		"206 of less than asked for":      {raw: large, fault: second(ranged("bytes 1000-1499/10007", large[1000:1500])), max: 12, want: "bytes=1500-1999"},
		"206 with a body too long": {raw: large, fault: second(func(w http.ResponseWriter, r *http.Request, n int) bool {
			w.Header().Set("Content-Range", "bytes 1000-1999/10007")
			w.WriteHeader(206)
			w.(http.Flusher).Flush()
			w.Write(large[1000:2500])
			return true
		}), max: 13},
		"206 with a body too short": {raw: large, fault: second(ranged("bytes 1000-1999/10007", large[1000:1400])), max: 12, told: "instead of"},
		"206 of a shorter blob":     {raw: large, fault: second(ranged("bytes 1000-1999/9000", large[1000:2000])), max: 12, told: "/9000"},
		"206 without Content-Range": {raw: large, fault: second(func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.WriteHeader(206)
			w.Write(large[:1000])
			return true
		}), max: 12},
		"206 in several parts":              {raw: large, fault: second(status(206, "Content-Type", "multipart/byteranges; boundary=x")), max: 12},
		"206 of unknown total":              {raw: large, fault: second(ranged("bytes 1000-1999/*", large[1000:2000])), max: 11},
		"a page instead of bytes, as a 200": {raw: large, fault: only(status(200), 1), max: 13},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				n.serve("registry.example:443", blobs(test.fault, test.raw))
				start := time.Now()
				r := n.open(Options{})
				whole(t, r, test.raw)
				took := n.took("/blobs/")
				if len(took) > test.max || !strings.Contains(strings.Join(took, "\n"), test.want) {
					t.Errorf("took %d requests, want %d at most, %q among them:\n%s", len(took), test.max, test.want, strings.Join(took, "\n"))
				}
				if !strings.Contains(n.told(), test.told) || test.told == "" && test.fault == nil && n.told() != "" {
					t.Errorf("told %q, want %q", n.told(), test.told)
				}
				if d := time.Since(start); d < test.slow {
					t.Errorf("took %v, want %v at least", d, test.slow)
				}
			})
		})
	}
}

// TestRefused: these are errors, some at once and some after trying.
func TestRefused(t *testing.T) {
	small, large := randomBytes(300), randomBytes(10*testChunk+7)
	longer := append(bytes.Clone(small), "xx"...)
	send := func(raw []byte, length bool) fault {
		return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			if !length {
				w.(http.Flusher).Flush()
			}
			w.Write(raw)
			return true
		}
	}
	for name, test := range map[string]struct {
		raw   []byte
		fault fault
		kind  error
		want  string
		max   int // requests
	}{
		"unknown":                     {small, status(404), ErrUnknown, "HTTP 404 Not Found", 1},
		"forbidden":                   {small, status(403), ErrUnauthorized, "HTTP 403 Forbidden", 1},
		"unauthorized, no challenge":  {small, status(401), ErrUnauthorized, "HTTP 401 Unauthorized", 1},
		"bad request":                 {small, status(400), ErrRegistry, "HTTP 400", 1},
		"always 500":                  {small, status(500), ErrRegistry, "HTTP 500 Internal Server Error (6 times)", 6},
		"always 429":                  {small, status(429, "Retry-After", "1"), ErrRegistry, "HTTP 429 Too Many Requests (6 times)", 6},
		"always reset":                {small, func(w http.ResponseWriter, r *http.Request, _ int) bool { reset(w, r); return true }, ErrUnreachable, "EOF", 12},
		"always stalls":               {small, func(w http.ResponseWriter, r *http.Request, _ int) bool { stall(w, r); return true }, ErrUnreachable, "not a byte for 30s", 6},
		"always stalls in mid-body":   {small, partly(small, 0, stall), ErrRegistry, "not a byte for 30s", 6},
		"longer":                      {small, send(longer, true), ErrDigest, "is longer than the 300 bytes", 1},
		"longer, chunked":             {small, send(longer, false), ErrDigest, "is longer than the 300 bytes", 1},
		"longer, by its total":        {large, ranged("bytes 0-999/10008", large[:1000]), ErrDigest, "is longer than the 10007 bytes", 1},
		"shorter":                     {small, send(small[:50], true), ErrRegistry, "ended after 50 of 300 bytes", 7},
		"shorter, chunked":            {small, send(small[:50], false), ErrRegistry, "ended after 50 of 300 bytes", 7},
		"shorter, by its total":       {large, ranged("bytes 0-999/9000", large[:1000]), ErrRegistry, "/9000", 6},
		"empty":                       {small, send(nil, true), ErrRegistry, "ended after 0 of 300 bytes", 6},
		"wrong range each time":       {large, ranged("bytes 5-1004/10007", large[5:1005]), ErrRegistry, `"bytes 5-1004/10007" instead of bytes 0-999/10007`, 6},
		"hostile range":               {large, ranged("bytes %s-9999999999999999999999/-1", nil), ErrRegistry, "instead of", 6},
		"redirect to nowhere":         {small, status(302), ErrRegistry, "without a valid Location", 1},
		"redirect to itself":          {small, status(302, "Location", "/v2/org/app/blobs/x"), ErrRegistry, "more than 10 redirects", 11},
		"redirect to metadata":        {small, status(302, "Location", "https://169.254.169.254/"), ErrUnreachable, "private address", 1},
		"redirect to metadata, as v6": {small, status(302, "Location", "https://[::ffff:169.254.169.254]/"), ErrUnreachable, "private address", 1},
		"redirect to localhost":       {small, status(302, "Location", "https://localhost:8443/"), ErrUnreachable, "private address", 1},
		"redirect to plain HTTP":      {small, status(302, "Location", "http://store.example/x"), ErrUnreachable, "from HTTPS to plain HTTP", 1},
		"redirect to a file":          {small, status(302, "Location", "file:///etc/passwd"), ErrUnreachable, "a redirect to file://", 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				n.serve("registry.example:443", blobs(test.fault, test.raw))
				r := n.open(Options{})
				_, err := read(t, r, test.raw)
				failsWith(t, err, test.kind, test.want, "asking registry.example for the blob "+digestOf(test.raw))
				if took := n.took("/blobs/"); len(took) > test.max {
					t.Errorf("took %d requests, want %d at most:\n%s", len(took), test.max, strings.Join(took, "\n"))
				}
				unused(t, r)
			})
		})
	}
}

func TestUnreachable(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		start := time.Now()
		_, err := n.open(Options{}).Tags(t.Context())
		failsWith(t, err, ErrUnreachable, "asking registry.example for the list of tags", "connection refused")
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("a host that is not there was waited for %v", d)
		}
	})
}

// TestRetryAfter: what one connection is told, all keep to.
func TestRetryAfter(t *testing.T) {
	raw := randomBytes(10*testChunk + 7)
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for name, test := range map[string]struct {
		code   int
		header func() string
		want   time.Duration
		told   string
	}{
		"seconds":     {429, func() string { return "40" }, 40 * time.Second, "HTTP 429 Too Many Requests; trying again in 40s"},
		"date":        {429, func() string { return at(90 * time.Second) }, 90 * time.Second, "trying again in 1m30s"},
		"with 503":    {503, func() string { return "7" }, 7 * time.Second, "HTTP 503 Service Unavailable; trying again in 7s"},
		"long":        {429, func() string { return "86400" }, 5 * time.Minute, "trying again in 5m0s, though it asked for 24h0m0s"},
		"in the past": {429, func() string { return at(-time.Hour) }, 0, "trying again in 1s"},
		"nonsense":    {429, func() string { return "soon" }, 0, "trying again in 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				start := time.Now()
				var free time.Time
				n.serve("registry.example:443", blobs(func(w http.ResponseWriter, r *http.Request, nth int) bool {
					if nth == 0 {
						free = time.Now().Add(test.want)
						return status(test.code, "Retry-After", test.header())(w, r, nth)
					}
					if time.Now().Before(free) {
						t.Errorf("request %d came %v early", nth, time.Until(free))
					}
					return false
				}, raw, raw[:10]))
				r := n.open(Options{})
				done := make(chan struct{})
				go func() {
					defer close(done)
					if got, err := read(t, r, raw); err != nil || !bytes.Equal(got, raw) {
						t.Error(err)
					}
				}()
				synctest.Wait() // until the first is told to wait
				if got, err := read(t, r, raw[:10]); err != nil || !bytes.Equal(got, raw[:10]) {
					t.Errorf("the other blob: %v", err)
				}
				<-done
				if d := time.Since(start); d < test.want || d > test.want+5*time.Second {
					t.Errorf("took %v, want %v", d, test.want)
				}
				if !strings.Contains(n.told(), test.told) {
					t.Errorf("told %q, want %q", n.told(), test.told)
				}
			})
		})
	}
}
