package registry

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// TestMirrors: whatever the first mirror does, the second or the registry has the blob, and it is said what happened.
func TestMirrors(t *testing.T) {
	raw := randomBytes(10*testChunk + 7)
	for name, test := range map[string]struct {
		fault fault // nil: there is no such host
		told  string
		max   int // requests to it for blobs, when two are read
		first int // bytes of the first blob that it must have sent
	}{
		"unreachable":       {nil, "connection refused; asking registry.example instead", 0, 0},
		"404":               {status(404), "HTTP 404 Not Found", 2, 0},
		"401":               {status(401), "HTTP 401", 1, 0},
		"403":               {status(403), "HTTP 403", 1, 0},
		"500":               {status(500), "HTTP 500", 1, 0},
		"429":               {status(429, "Retry-After", "200"), "HTTP 429", 1, 0},
		"longer":            {status(200, "Content-Length", "20000"), "longer than", 1, 0},
		"reset":             {partly(raw, 0, reset), "cut short", conns + 1, 0},
		"breaks in the end": {func(w http.ResponseWriter, r *http.Request, n int) bool { return n > 3 && status(500)(w, r, n) }, "HTTP 500", 12, 4},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				n.serve("registry.example:443", blobs(nil, raw, raw[:50]))
				if test.fault != nil {
					n.serve("mirror.example:5000", blobs(test.fault, raw, raw[:50]))
				}
				r := n.open(Options{Mirrors: []string{"mirror.example:5000/cache"}})
				whole(t, r, raw)
				whole(t, r, raw[:50])
				if !strings.Contains(n.told(), "asking mirror.example:5000 for the blob") || !strings.Contains(n.told(), test.told) {
					t.Errorf("told %q, want %q", n.told(), test.told)
				}
				took := n.took("mirror.example:5000 /v2/cache/org/app/blobs/")
				if len(took) > test.max || len(took) < test.first {
					t.Errorf("the mirror was asked:\n%s", strings.Join(took, "\n"))
				}
			})
		})
	}
}

func TestMirrorOrder(t *testing.T) {
	raw := []byte(`{"schemaVersion":2}`)
	inBubble(t, func(t *testing.T, n *network) {
		manifest := func(body []byte) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
				w.Write(body)
			}
		}
		n.serve("wrong.example:443", manifest([]byte("{}")))
		n.serve("plain.example:80", manifest(raw))
		n.serve("registry.example:443", manifest(raw))
		r := n.open(Options{Mirrors: []string{"wrong.example", "http://plain.example/a/b/"}})
		got, contentType, err := r.Manifest(t.Context(), digestOf(raw))
		if err != nil || !bytes.Equal(got, raw) || contentType != "application/vnd.oci.image.index.v1+json" {
			t.Errorf("got %q, %q, %v", got, contentType, err)
		}
		if a, b := n.took("plain.example /v2/a/b/org/app/manifests/"), n.took("registry.example"); len(a) != 1 || len(b) != 0 {
			t.Errorf("asked %q and %q", a, b)
		}
		if !strings.Contains(n.told(), "the content is not what was named") {
			t.Errorf("told %q", n.told())
		}
		if _, _, err := r.Origin().Manifest(t.Context(), digestOf(raw)); err != nil || len(n.took("registry.example /v2/org/app/manifests/")) != 1 {
			t.Errorf("Origin: %v, asked %q", err, n.took("registry.example"))
		}
	})
}

// TestMirrorBytes: wrong bytes are for the reader to find, who is told where they came from and can go past the mirrors.
func TestMirrorBytes(t *testing.T) {
	raw := randomBytes(5 * testChunk)
	wrong := bytes.Clone(raw)
	wrong[3000] ^= 1
	inBubble(t, func(t *testing.T, n *network) {
		n.serve("mirror.example:443", func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", zero, bytes.NewReader(wrong))
		})
		n.serve("registry.example:443", blobs(nil, raw))
		r := n.open(Options{Mirrors: []string{"mirror.example"}})
		for _, test := range []struct {
			r        *Repository
			want     []byte
			source   string
			mirrored bool
		}{{r, wrong, "mirror.example", true}, {r.Origin(), raw, "registry.example", false}} {
			b, err := test.r.Blob(t.Context(), digestOf(raw), int64(len(raw)), 1000)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(b)
			if err != nil || !bytes.Equal(got, test.want[1000:]) || b.Source() != test.source || b.Mirrored() != test.mirrored {
				t.Errorf("%d bytes from %s (mirrored: %v): %v", len(got), b.Source(), b.Mirrored(), err)
			}
			b.Close()
		}
		unused(t, r)
	})
}

// TestMirrorsAllFail: the error is the registry's, with what the mirrors said before.
func TestMirrorsAllFail(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		n.serve("registry.example:443", blobs(status(404)))
		n.serve("mirror.example:443", blobs(status(503)))
		_, _, err := n.open(Options{Mirrors: []string{"mirror.example"}}).Manifest(t.Context(), "v1")
		failsWith(t, err, ErrUnknown, "asking registry.example for the manifest v1: the registry does not have it: HTTP 404", "before that, the mirror mirror.example: the registry failed: HTTP 503")
	})
}

// TestMirrorCredentials: each host gets what is for it.
func TestMirrorCredentials(t *testing.T) {
	raw := []byte("x")
	inBubble(t, func(t *testing.T, n *network) {
		for _, host := range []string{"registry.example", "mirror.example"} {
			n.serve(host+":443", func(w http.ResponseWriter, r *http.Request) {
				_, password, ok := r.BasicAuth()
				if ok && password != "for-"+host {
					t.Errorf("%s was sent %s", host, password)
				}
				switch {
				case !ok:
					w.Header().Set("WWW-Authenticate", "Basic")
					w.WriteHeader(401)
				case host == "mirror.example" && r.URL.Path != "/v2/":
					w.WriteHeader(404)
				default:
					w.Write(raw)
				}
			})
		}
		whole(t, n.open(Options{Mirrors: []string{"mirror.example"}, Keychain: perHost{}}), raw)
		if len(n.took("mirror.example")) == 0 {
			t.Error("the mirror was not asked")
		}
	})
}

type perHost struct{}

func (perHost) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: "me", Password: "for-" + r.RegistryStr()}), nil
}

func TestMirrorNames(t *testing.T) {
	repo := name.MustParseReference("registry.example/org/app").Context()
	for mirror, want := range map[string]string{
		"m.example":                "m.example/org/app https",
		"m.example/":               "m.example/org/app https",
		"nas":                      "nas/org/app https",
		"http://nas/hub":           "nas/hub/org/app http",
		"https://m.example:5/a/b/": "m.example:5/a/b/org/app https",
		"http://m.example":         "m.example/org/app http",
		"":                         "which should be host",
		"http://":                  "which should be host",
		"ftp://m.example":          "which should be host",
		"m.example/A":              "which should be host",
		"m.example/a?b":            "which should be host",
		"user:pw@m.example":        "which should be host",
		"m.example/\x1b[31m":       "which should be host",
	} {
		r, err := Open(repo, Options{Mirrors: []string{mirror}})
		got := fmt.Sprint(err)
		if err == nil {
			got = r.sources[0].repo.Name() + " " + r.sources[0].repo.Scheme()
		}
		if !strings.Contains(got, want) || strings.ContainsAny(got, "\n\x1b") {
			t.Errorf("%q: got %s, want %s", mirror, got, want)
		}
	}
}
