package registry

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// tokens is a registry that wants them, and a server at /token that gives them out.
type tokens struct {
	t     *testing.T
	inner http.HandlerFunc
	life  int               // requests that a token is good for; 0: any number
	deny  bool              // no token is ever good
	give  http.HandlerFunc  // instead of the usual answer of /token
	open  bool              // anybody may ask for /v2/
	want  map[string]string // user to password; nil: anybody may have one

	mu     sync.Mutex
	issued int
	used   int
}

func (k *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case r.URL.Path == "/token" && k.give != nil:
		k.issued++
		k.give(w, r)
		return
	case r.URL.Path == "/token":
		if user, password, ok := r.BasicAuth(); k.want != nil && (!ok || k.want[user] != password) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if got := r.URL.Query()["scope"]; len(got) != 1 || got[0] != "repository:org/app:pull" {
			k.t.Errorf("a token was asked for %q", got)
		}
		k.issued++
		k.used = 0
		fmt.Fprintf(w, `{"token":"secret-token-%d"}`, k.issued)
		return
	case r.URL.Path == "/v2/" && k.open:
		return
	}
	good := !k.deny && k.issued > 0 && r.Header.Get("Authorization") == fmt.Sprintf("Bearer secret-token-%d", k.issued)
	if r.URL.Path != "/v2/" {
		k.used++
	}
	if !good || k.life > 0 && k.used > k.life {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://registry.example/token",service="r",scope="repository:org/app:pull"`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"errors":[{"code":"UNAUTHORIZED","message":"you said %s"}]}`, r.Header.Get("Authorization"))
		return
	}
	k.mu.Unlock()
	defer k.mu.Lock()
	k.inner(w, r)
}

// TestTokenExpires: a token that runs out in mid-pull is replaced once, by one of the connections that notice.
func TestTokenExpires(t *testing.T) {
	raw := randomBytes(20*testChunk + 7)
	for _, open := range []bool{false, true} {
		inBubble(t, func(t *testing.T, n *network) {
			k := &tokens{t: t, inner: blobs(nil, raw), life: 8, open: open}
			n.serve("registry.example:443", k.ServeHTTP)
			whole(t, n.open(Options{}), raw)
			// 21 chunks with 8 to a token; those refused at the moment of expiry count as well.
			if k.issued < 3 || k.issued > 6 {
				t.Errorf("%d tokens", k.issued)
			}
			if n.told() != "" {
				t.Errorf("told of what is nobody's business: %s", n.told())
			}
		})
	}
}

// TestTokenRefused: a registry that takes none of its tokens is not asked for ever.
func TestTokenRefused(t *testing.T) {
	raw := randomBytes(10 * testChunk)
	inBubble(t, func(t *testing.T, n *network) {
		k := &tokens{t: t, inner: blobs(nil, raw), deny: true}
		n.serve("registry.example:443", k.ServeHTTP)
		_, err := read(t, n.open(Options{}), raw)
		failsWith(t, err, ErrUnauthorized, "HTTP 401 Unauthorized (UNAUTHORIZED you said Bearer ***)")
		if k.issued > 2 {
			t.Errorf("%d tokens", k.issued)
		}
	})
}

func TestTokenServer(t *testing.T) {
	answer := func(code int, body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			io.WriteString(w, body)
		}
	}
	for name, test := range map[string]struct {
		give http.HandlerFunc
		kind error
		want string
		told string
		max  int
	}{
		"refuses":    {answer(403, ""), ErrUnauthorized, "asking for a token: HTTP 403 Forbidden", "", 1},
		"no token":   {answer(200, `{"refresh_token":"hidden-refresh"}`), ErrRegistry, "no token in bearer response", "", 1},
		"no JSON":    {answer(200, "<html>\n\x1b[31m"), ErrRegistry, "asking for a token: invalid character", "", 1},
		"down":       {answer(503, "", "Retry-After", "9"), ErrRegistry, "HTTP 503 Service Unavailable (6 times)", "trying again in 9s", 6},
		"redirected": {answer(302, "", "Location", "https://169.254.169.254/latest"), ErrRegistry, "private or link-local", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				k := &tokens{t: t, give: test.give}
				n.serve("registry.example:443", k.ServeHTTP)
				_, _, err := n.open(Options{}).Manifest(t.Context(), "v1")
				failsWith(t, err, test.kind, test.want, "asking registry.example for the manifest v1")
				if strings.Contains(err.Error(), "hidden") || !strings.Contains(n.told(), test.told) || k.issued > test.max {
					t.Errorf("%v\n%d requests, told %s", err, k.issued, n.told())
				}
			})
		})
	}
}

// TestRefreshToken: the token server's own word goes before the keychain's, from the second time on.
func TestRefreshToken(t *testing.T) {
	raw := randomBytes(20 * testChunk)
	inBubble(t, func(t *testing.T, n *network) {
		k := &tokens{t: t, inner: blobs(nil, raw), life: 9}
		k.give = func(w http.ResponseWriter, r *http.Request) {
			k.used = 0
			if want := fmt.Sprintf("identity-%d", k.issued-1); r.FormValue("refresh_token") != want {
				t.Errorf("refresh token %q, want %s", r.FormValue("refresh_token"), want)
			}
			fmt.Fprintf(w, `{"access_token":"secret-token-%d","refresh_token":"identity-%d"}`, k.issued, k.issued)
		}
		n.serve("registry.example:443", k.ServeHTTP)
		whole(t, n.open(Options{Keychain: keys{authn.AuthConfig{IdentityToken: "identity-0"}}}), raw)
		if k.issued < 2 {
			t.Errorf("%d tokens", k.issued)
		}
	})
}

// keys has the same for everybody.
type keys struct{ authn.AuthConfig }

func (k keys) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(k.AuthConfig), nil
}

// TestSecrets: what we know and they may not say is in no error and no event, though the registry repeats all it is told.
func TestSecrets(t *testing.T) {
	const password = "hunter2-hunter2"
	encoded := base64.StdEncoding.EncodeToString([]byte("me:" + password))
	echo := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		code := http.StatusUnauthorized
		if r.Header.Get("Authorization") != "" && r.URL.Path != "/v2/" {
			code = http.StatusInternalServerError
		}
		_, pw, _ := r.BasicAuth()
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"errors":[{"code":"UNKNOWN","message":"%s %s"}]}`, r.Header.Get("Authorization"), pw)
	}
	inBubble(t, func(t *testing.T, n *network) {
		n.serve("registry.example:443", echo)
		_, _, err := n.open(Options{Keychain: keys{authn.AuthConfig{Username: "me", Password: password}}}).Manifest(t.Context(), "v1")
		failsWith(t, err, ErrRegistry, "HTTP 500", "***")
		if all := err.Error() + n.told(); strings.Contains(all, password) || strings.Contains(all, encoded) {
			t.Errorf("a secret got out: %s", all)
		}
	})
}

// TestRedirect: the blob store gets no credentials, is asked directly from the second chunk on, and when its signature expires
// the registry is asked for another.
func TestRedirect(t *testing.T) {
	raw := randomBytes(20 * testChunk)
	for _, store := range []string{"store.example", "blobs.registry.example", "registry.example:8443"} {
		inBubble(t, func(t *testing.T, n *network) {
			var mu sync.Mutex
			signed, used := 0, map[string]int{}
			k := &tokens{t: t, inner: func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				signed++
				w.Header().Set("Location", fmt.Sprintf("https://%s/data?X-Signature=very-secret-%d", store, signed))
				w.WriteHeader(http.StatusTemporaryRedirect)
			}}
			n.serve("registry.example:443", k.ServeHTTP)
			addr := store
			if !strings.Contains(addr, ":") {
				addr += ":443"
			}
			n.serve(addr, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					t.Errorf("the blob store was sent credentials")
				}
				mu.Lock()
				used[r.URL.RawQuery]++
				good := used[r.URL.RawQuery] <= 8
				mu.Unlock()
				if !good {
					status(403)(w, r, 0)
					return
				}
				http.ServeContent(w, r, "", zero, bytes.NewReader(raw))
			})
			whole(t, n.open(Options{}), raw)
			if signed < 3 || signed > 12 {
				t.Errorf("%d redirects for 20 chunks with 8 to each", signed)
			}
			if n.told() != "" {
				t.Errorf("waited for what is there at once: %s", n.told())
			}
		})
	}
}

// TestRedirectRefused: a store that refuses whatever the registry signs ends it, by the store's name and without the signature.
func TestRedirectRefused(t *testing.T) {
	raw := randomBytes(300)
	inBubble(t, func(t *testing.T, n *network) {
		n.serve("registry.example:443", blobs(status(307, "Location", "https://store.example/data?X-Signature=very-secret"), raw))
		n.serve("store.example:443", func(w http.ResponseWriter, r *http.Request) { status(403)(w, r, 0) })
		_, err := read(t, n.open(Options{}), raw)
		failsWith(t, err, ErrRegistry, "redirected to store.example", "HTTP 403 Forbidden (6 times)")
		if strings.Contains(err.Error()+n.told(), "very-secret") {
			t.Errorf("a signature got out: %v", err)
		}
	})
}

func TestCredentialsFile(t *testing.T) {
	write := func(t *testing.T, content string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "auth.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open := func(file string) error {
		_, err := Open(name.MustParseReference("registry.example/org/app").Context(), Options{CredentialsFile: file})
		return err
	}
	good := `{"auths":{"registry.example":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("me:hunter2-hunter2")) + `"}}}`
	for name, test := range map[string]struct {
		content string
		mode    os.FileMode
		problem string
		fix     string
	}{
		"good":          {good, 0o600, "", ""},
		"read-only":     {good, 0o400, "", ""},
		"group":         {good, 0o640, "(mode 0640)", "chmod 600 "},
		"world":         {good, 0o604, "(mode 0604)", "chmod 600 "},
		"not JSON":      {`"hunter2-hunter2`, 0o600, "not JSON", ""},
		"a number":      {`{"auths":{"x":{"password":123412341234}}}`, 0o600, "not JSON", ""},
		"not base64":    {`{"auths":{"x":{"auth":"hunter2-hunter2"}}}`, 0o600, "not JSON", ""},
		"helpers alone": {`{"credHelpers":{"x":"y"}}`, 0o600, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, test.content, test.mode)
			err := open(path)
			var bad *CredentialsError
			if test.problem == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &bad) || !strings.Contains(bad.Problem, test.problem) || !strings.HasPrefix(bad.Fix, test.fix) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v (%+v)", err, bad)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "1234123") {
				t.Errorf("a secret got out: %v", err)
			}
		})
	}
	if err := open("/nowhere/auth.json"); err != nil {
		t.Errorf("a file that is missing: %v", err)
	}
	var bad *CredentialsError
	if err := open(t.TempDir()); !errors.As(err, &bad) {
		t.Errorf("a directory: %v", err)
	}
	other := write(t, good, 0o600)
	if err := os.Chown(other, 4711, 4711); err != nil {
		t.Fatal(err)
	}
	if err := open(other); !errors.As(err, &bad) || !strings.HasPrefix(bad.Fix, "chown root") {
		t.Errorf("another's file: %v", err)
	}

	// The file goes before the keychain.
	inBubble(t, func(t *testing.T, n *network) {
		k := &tokens{t: t, inner: blobs(nil, []byte("x")), want: map[string]string{"me": "hunter2-hunter2"}}
		n.serve("registry.example:443", k.ServeHTTP)
		o := Options{CredentialsFile: write(t, good, 0o600), Keychain: keys{authn.AuthConfig{Username: "me", Password: "wrong"}}}
		whole(t, n.open(o), []byte("x"))
	})
}

func TestLookUp(t *testing.T) {
	for _, test := range []struct {
		repo, want string
		keys       []string
	}{
		{"quay.io/a/b", "quay.io", []string{"quay.io", "docker.io", "quay.io/other"}},
		{"quay.io/a/b", "quay.io/a", []string{"quay.io", "quay.io/a", "quay.io/a/bb"}},
		{"quay.io/a/b", "https://quay.io/v2/", []string{"https://quay.io/v2/"}},
		{"quay.io:444/a/b", "quay.io:444", []string{"quay.io", "quay.io:444"}},
		{"quay.io/a/b", "", []string{"uay.io", "quay.i", "evil-quay.io", "quay.io.evil", ""}},
		{"a/b", "https://index.docker.io/v1/", []string{"https://index.docker.io/v1/"}},
		{"a/b", "docker.io", []string{"docker.io", "example.com"}},
		{"docker.io/a/b", "index.docker.io", []string{"index.docker.io", "example.com"}},
		{"index.docker.io/a/b", "registry-1.docker.io", []string{"registry-1.docker.io", "example.com"}},
	} {
		auths := map[string]authn.AuthConfig{}
		for _, k := range test.keys {
			auths[k] = authn.AuthConfig{Username: "u", Password: k + "!"}
		}
		repo, err := name.NewRepository(test.repo)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := lookUp(auths, repo)
		if ok != (test.want != "") || ok && got.Password != test.want+"!" {
			t.Errorf("%s in %q: got %q, want %q", test.repo, test.keys, got.Password, test.want)
		}
	}
}

// TestDockerHubNames: a mirror that is Docker Hub is so by either of its names.
func TestDockerHubNames(t *testing.T) {
	repo, err := name.NewRepository("quay.io/a/b")
	if err != nil {
		t.Fatal(err)
	}
	for _, mirror := range []string{"docker.io", "index.docker.io", "https://docker.io/"} {
		if s, err := newMirror(mirror, repo, keychain{}, nil); err != nil || s.host() != name.DefaultRegistry {
			t.Errorf("%s: %v, %v", mirror, s, err)
		}
	}
}
