package registry

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestTags(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		n.serve("registry.example:443", func(w http.ResponseWriter, r *http.Request) {
			page, _ := strconv.Atoi(r.URL.Query().Get("last"))
			if r.URL.Path == "/v2/org/app/tags/list" && page < 3 {
				w.Header().Set("Link", []string{
					fmt.Sprintf(`</v2/org/app/tags/list?n=2&last=%d>; rel="next"`, page+1),
					fmt.Sprintf(`<http://evil.example/x?last=%d>;rel=next`, page+1),
					fmt.Sprintf(`<?n=1>; rel="first", <?last=%d>; rel="next"`, page+1),
				}[page])
			}
			fmt.Fprintf(w, `{"name":"org/app","tags":["v%d","bad tag\u001b[31m","v%d.1"]}`, page, page)
		})
		got, err := n.open(Options{}).Tags(t.Context())
		want := []string{"v0", "v0.1", "v1", "v1.1", "v2", "v2.1", "v3", "v3.1"}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestTagsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		kind    error
		want    string
	}{
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.URL.Query().Get("last"))
			w.Header().Set("Link", fmt.Sprintf(`<?last=%d>; rel="next"`, n+1))
			fmt.Fprint(w, `{"tags":["x"]}`)
		}, ErrRegistry, "does not end"},
		"huge":    {func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 9<<20)) }, ErrTooLarge, "longer than"},
		"no JSON": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, ErrRegistry, "is not one"},
		"bad link": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", `<%zz>; rel="next"`)
			fmt.Fprint(w, "{}")
		}, ErrRegistry, "no address"},
		"not there": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, ErrUnknown, "the list of tags"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				n.serve("registry.example:443", func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/v2/" {
						test.handler(w, r)
					}
				})
				_, err := n.open(Options{}).Tags(t.Context())
				failsWith(t, err, test.kind, test.want, "asking registry.example for the list of tags")
			})
		})
	}
}

func TestManifestTooLarge(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		n.serve("registry.example:443", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, maxManifest+1)) })
		_, _, err := n.open(Options{}).Manifest(t.Context(), "v1")
		failsWith(t, err, ErrTooLarge, "longer than 4194304 bytes")
	})
}

// FuzzHeaders reads what registries put into headers.
func FuzzHeaders(f *testing.F) {
	for _, s := range []string{"5", "99999999999999999999", "Wed, 21 Oct 2015 07:28:00 GMT", "-1", `</v2/x/tags/list?last=a&n=1>; rel="next"`, "<>;rel=next", "bytes 0-999/10007", "bytes 0-/", "bytes 1-0/*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := http.Header{"Retry-After": {s}, "Link": {s}, "Content-Range": {s}}
		if d := retryAfter(h); d < 0 {
			t.Errorf("Retry-After of %v", d)
		}
		a := &answer{Response: &http.Response{Header: h, StatusCode: http.StatusPartialContent, ContentLength: -1, Request: &http.Request{URL: nil}}}
		a.Request, _ = http.NewRequest(http.MethodGet, "https://registry.example/", nil)
		if _, err := nextPage(a); err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("not one clean line: %q", err)
		}
		w := newWindow()
		b := &Blob{window: w, size: 10007}
		end, err := b.part(&span{start: 1000, have: 1000, end: 2000}, a)
		if err == nil && (end <= 1000 || end > 2000) {
			t.Errorf("%q ends at %d", s, end)
		}
		if err != nil && !errors.Is(err, ErrRegistry) && !errors.Is(err, ErrDigest) || err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%q: %q", s, err)
		}
	})
}
