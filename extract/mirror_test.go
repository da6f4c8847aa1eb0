package extract_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/extract"
)

// TestMirror: what a mirror has is not asked of the registry, and what it has not, or has wrong, is.
func TestMirror(t *testing.T) {
	layers := varied(t)
	bad := sha(gz(layers[1].tar))
	wrong := gz(layers[1].tar)
	wrong[len(wrong)/2] ^= 1
	var config desc
	keep := func(d desc) { config = d["config"].(desc) }
	for name, test := range map[string]struct {
		fault   func() func(http.ResponseWriter, *http.Request) bool
		blobs   []int // layers that the registry is asked for
		more    func() []string
		problem string // is reported
	}{
		"whole":   {func() func(http.ResponseWriter, *http.Request) bool { return nil }, nil, nil, ""},
		"missing": {func() func(http.ResponseWriter, *http.Request) bool { return status(404, "blobs", bad) }, []int{1}, nil, "HTTP 404"},
		"wrong": {func() func(http.ResponseWriter, *http.Request) bool {
			return answer("blobs", bad, func(w http.ResponseWriter) { w.Write(wrong) })
		}, []int{1}, nil, ""},
		"longer": {func() func(http.ResponseWriter, *http.Request) bool {
			return answer("blobs", bad, func(w http.ResponseWriter) { w.Write(append(slices.Clone(wrong), "more"...)) })
		}, []int{1}, nil, ""},
		"of another": {func() func(http.ResponseWriter, *http.Request) bool {
			return answer("blobs", bad, func(w http.ResponseWriter) { w.Write(gz(layers[0].tar)[:len(wrong)]) })
		}, []int{1}, nil, ""},
		"configuration wrong": {func() func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, config["digest"].(string)) {
					return false
				}
				w.Write(make([]byte, config["size"].(int)))
				return true
			}
		}, nil, func() []string { return []string{"/v2/org/app/blobs/" + config["digest"].(string)} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, m, s := newRegistry(t), newRegistry(t), newStore(t)
			im := image{tag: "v1", layers: layers, manifest: keep}
			r.push(im)
			m.push(im)
			m.on(test.fault())
			var mu sync.Mutex
			var told []string
			o := impatient
			o.Mirrors = []string{"http://" + m.host}
			o.Report = func(event string) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, event)
			}
			pulled, _, err := s.Pull(context.Background(), r.ref(":v1"), o)
			if err != nil {
				t.Fatal(err)
			}
			took := r.took()
			var more []string
			if test.more != nil {
				more = test.more()
			}
			if got := blobsOf(took, layers); !slices.Equal(got, test.blobs) || len(took) != len(test.blobs)+len(more) || !strings.HasSuffix(strings.Join(took, " "), strings.Join(more, " ")) {
				t.Errorf("the registry was asked for %q; want layers %v and %q", took, test.blobs, more)
			}
			if test.problem != "" && !strings.Contains(strings.Join(told, "\n"), test.problem) {
				t.Errorf("it reported %q", told)
			}
			whole(t, s, pulled.ID, fresh(t, r.ref(":v1")))
		})
	}
}

// TestCredentialsFile: one that others could read is refused before anything is asked; one that is as it should be is used.
func TestCredentialsFile(t *testing.T) {
	r := newRegistry(t)
	r.push(image{tag: "v1", layers: small(t)})
	var mu sync.Mutex
	asked := 0
	r.on(func(w http.ResponseWriter, req *http.Request) bool {
		mu.Lock()
		asked++
		mu.Unlock()
		user, password, ok := req.BasicAuth()
		if ok && user == "me" && password == "secret" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="it"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	path := filepath.Join(t.TempDir(), "auth.json")
	content := `{"auths":{"` + r.host + `":{"username":"me","password":"secret"}}}`
	o := impatient
	o.CredentialsFile = path
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o622} {
		os.Remove(path)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		s := newStore(t)
		_, _, err := s.Pull(context.Background(), r.ref(":v1"), o)
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "secret") {
			t.Errorf("mode %o: %v", mode, err)
		}
		empty(t, s)
	}
	mu.Lock()
	if asked > 0 {
		t.Errorf("the registry was asked %d times", asked)
	}
	mu.Unlock()
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	if _, _, err := s.Pull(context.Background(), r.ref(":v1"), o); err != nil {
		t.Error(err)
	}
	o.CredentialsFile = ""
	if _, _, err := newStore(t).Pull(context.Background(), r.ref(":v1"), o); err == nil {
		t.Error("it needs no credentials")
	} else if _, statErr := os.Stat(path); statErr != nil {
		t.Error(statErr)
	}
	if _, err := extract.Tags(context.Background(), r.ref(""), o); err == nil {
		t.Error("Tags needs no credentials")
	}
}
