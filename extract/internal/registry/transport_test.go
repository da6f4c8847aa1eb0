package registry

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

func direct(t *testing.T, host string, o Options) *Repository {
	t.Helper()
	repo, err := name.NewRepository(host + "/org/app")
	if err != nil {
		t.Fatal(err)
	}
	o.Keychain = noKeys{}
	r, err := Open(repo, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// TestCAFile: an authority of one's own is trusted when it is named, and not before.
func TestCAFile(t *testing.T) {
	raw := randomBytes(3 << 20)
	srv := httptest.NewUnstartedServer(blobs(func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		if r.ProtoMajor != 1 {
			t.Errorf("ranges share a connection of %s", r.Proto)
		}
		return false
	}, raw))
	srv.Config.ErrorLog = quiet
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "https://")
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	whole(t, direct(t, host, Options{CAFile: file}), raw)
	whole(t, direct(t, host, Options{CAFile: file, Transport: &http.Transport{}}), raw)
	_, err := read(t, direct(t, "localhost.example"+host[strings.LastIndex(host, ":"):], Options{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("tcp", host) },
	}}), raw)
	failsWith(t, err, ErrUnreachable, "certificate")
	if strings.Contains(err.Error(), "times") {
		t.Errorf("a certificate was tried again: %v", err)
	}
	for _, bad := range []Options{{CAFile: "/nowhere.pem"}, {CAFile: "/etc/hostname"}, {CAFile: file, Transport: other{}}} {
		if _, err := Open(name.MustParseReference("x.example/y").Context(), bad); err == nil || !strings.Contains(err.Error(), bad.CAFile) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

type other struct{ http.RoundTripper }

// TestPlainHTTP: registries of this machine may speak it, and mirrors that were named with http://.
func TestPlainHTTP(t *testing.T) {
	raw := randomBytes(3 << 20)
	srv := httptest.NewUnstartedServer(blobs(nil, raw))
	srv.Config.ErrorLog = quiet
	srv.Start()
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	whole(t, direct(t, host, Options{}), raw)
	whole(t, direct(t, "registry.invalid", Options{Mirrors: []string{srv.URL}}), raw)
	// Where it may not be, that is said at once.
	_, err := read(t, direct(t, "registry.example", Options{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("tcp", host) },
	}}), raw)
	failsWith(t, err, ErrUnreachable, "does not look like a TLS handshake")
	if strings.Contains(err.Error(), "times") {
		t.Errorf("it was tried again: %v", err)
	}
}

// TestProxy runs this test once more with proxies in the environment, which is read once per process. A proxy knows the
// registry, which is nowhere else.
func TestProxy(t *testing.T) {
	raw := randomBytes(5 << 20)
	if where := os.Getenv("TEST_REGISTRY"); where != "" {
		o := Options{CAFile: os.Getenv("TEST_CA")}
		if where == "good" {
			whole(t, direct(t, "example.com", o), raw) // a name that the certificate of httptest has
			return
		}
		events := ""
		o.Report = func(event string) { events += event }
		o.Sleep = func(context.Context, time.Duration) error { return nil }
		_, err := read(t, direct(t, "example.com", o), raw)
		failsWith(t, err, ErrUnreachable, "Proxy Authentication Required")
		if strings.Contains(err.Error()+events, "hunter") {
			t.Errorf("a secret got out: %v", err)
		}
		return
	}
	srv := httptest.NewTLSServer(blobs(nil, raw))
	defer srv.Close()
	var used, refused atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "example.com:443" {
			t.Errorf("the proxy was asked for %s %s", r.Method, r.Host)
		}
		if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("me:hunter2")) {
			refused.Add(1)
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		used.Add(1)
		there, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		w.WriteHeader(http.StatusOK)
		here, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		go func() {
			io.Copy(there, buf)
			there.Close()
		}()
		go func() {
			io.Copy(here, there)
			here.Close()
		}()
	}))
	defer proxy.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	again := func(what, password string) {
		u.User = url.UserPassword("me", password)
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxy$")
		cmd.Env = append(os.Environ(), "TEST_REGISTRY="+what, "TEST_CA="+ca, "HTTPS_PROXY="+u.String(), "https_proxy="+u.String(), "NO_PROXY=", "no_proxy=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
	}
	again("good", "hunter2")
	if used.Load() < 1 || refused.Load() > 0 {
		t.Errorf("%d tunnels, %d refused", used.Load(), refused.Load())
	}
	again("bad", "hunter3")
	if refused.Load() < 1 {
		t.Error("the proxy was not asked")
	}
}

func TestCheckURL(t *testing.T) {
	for _, test := range []struct {
		registry, from, to string
		ok                 bool
	}{
		{"https://r.example", "https://r.example", "https://store.example/x", true},
		{"https://r.example", "https://r.example", "https://8.8.8.8/x", true},
		{"https://r.example", "https://r.example", "https://r.example:8443/x", true},
		{"http://r.example", "http://r.example", "http://store.example/x", true},
		{"http://r.example", "https://store.example", "http://store.example/x", false},
		{"https://r.example", "https://r.example", "http://r.example/x", false},
		{"https://r.example", "https://r.example", "https://10.0.0.1/x", false},
		{"https://r.example", "https://store.example", "https://192.168.1.1/x", false},
		{"https://r.example", "https://r.example", "https://127.0.0.1/x", false},
		{"https://r.example", "https://r.example", "https://LOCALHOST./x", false},
		{"https://r.example", "https://r.example", "https://[fe80::1]/x", false},
		{"https://r.example", "https://r.example", "https://[fd00:ec2::254]/x", false},
		{"https://r.example", "https://r.example", "https://0.0.0.0/x", false},
		{"http://10.0.0.5", "http://10.0.0.5", "http://10.0.0.6:9000/x", true},
		{"http://10.0.0.5", "http://10.0.0.5", "http://169.254.169.254/x", false},
		{"http://10.0.0.5", "http://10.0.0.5", "http://127.0.0.1/x", false},
		{"http://127.0.0.1:5000", "http://127.0.0.1:5000", "http://127.0.0.1:9000/x", true},
		{"https://r.example", "https://r.example", "gopher://store.example/x", false},
		{"https://r.example", "https://r.example", "https:///x", false},
	} {
		var u [3]*url.URL
		for i, s := range []string{test.registry, test.from, test.to} {
			var err error
			if u[i], err = url.Parse(s); err != nil {
				t.Fatal(err)
			}
		}
		if err := checkURL(u[0], u[1], u[2]); (err == nil) != test.ok {
			t.Errorf("%v: %v", test, err)
		}
	}
}
