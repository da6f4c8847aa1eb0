package extract_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// interrupted is a registry with an image of three layers, and a store in which the first two of them are finished when the third
// is asked for.
type interrupted struct {
	*fakeRegistry
	t      *testing.T
	store  *extract.Store
	id     string
	layers []layer
	blobs  [][]byte
	config desc
}

func newInterrupted(t *testing.T, dir string) *interrupted {
	r := newRegistry(t)
	i := &interrupted{fakeRegistry: r, t: t, store: &extract.Store{Dir: dir + "/images"}, layers: varied(t)}
	pushed := r.push(image{tag: "v1", layers: i.layers, manifest: func(d desc) { i.config = d["config"].(desc) }})
	i.id = strings.Replace(pushed["digest"].(string), ":", "-", 1)
	for _, l := range i.layers {
		i.blobs = append(i.blobs, gz(l.tar))
	}
	return i
}

func (i *interrupted) partial(names ...string) string {
	return filepath.Join(append([]string{i.store.Dir, ".partial-" + i.id}, names...)...)
}

func (i *interrupted) list(n int) string {
	return i.partial("layers", strings.TrimPrefix(sha(i.layers[n].tar), "sha256:"))
}

// finished waits until the first two layers are: their lists are renamed into place.
func (i *interrupted) finished() {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		i.t.Error(err)
		return
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, i.partial("layers"), unix.IN_MOVED_TO); err != nil {
		i.t.Error(err)
		return
	}
	events := make([]byte, 4096)
	for {
		_, err1 := os.Lstat(i.list(0))
		_, err2 := os.Lstat(i.list(1))
		if err1 == nil && err2 == nil {
			return
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 60_000)
		if err == unix.EINTR { //nolint:errorlint // a system call's own
			continue
		}
		if n < 1 {
			i.t.Errorf("the first two layers are never finished: %v", err)
			return
		}
		if _, err := unix.Read(fd, events); err != nil {
			i.t.Error(err)
			return
		}
	}
}

func (i *interrupted) isThird(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/blobs/"+sha(i.blobs[2]))
}

// fail answers requests for the third layer.
func (i *interrupted) fail(how http.HandlerFunc) {
	i.on(func(w http.ResponseWriter, r *http.Request) bool {
		if !i.isThird(r) {
			return false
		}
		i.finished()
		how(w, r)
		return true
	})
}

// kept checks that the first two layers are, and nothing else is.
func (i *interrupted) kept() {
	i.t.Helper()
	none(i.t, i.store)
	if left := contents(i.t, i.store); !slices.Equal(left, []string{".partial-" + i.id}) {
		i.t.Errorf("the store holds %v", left)
	}
	for n, want := range []error{nil, nil, fs.ErrNotExist} {
		if _, err := os.Lstat(i.list(n)); !errors.Is(err, want) {
			i.t.Errorf("layer %d: %v, want %v", n, err, want)
		}
	}
}

// carryOn pulls again and checks that only these layers, by number, are fetched, and what comes of it.
func (i *interrupted) carryOn(layers ...int) {
	i.t.Helper()
	i.on(nil)
	i.took()
	_, stats, err := i.store.Pull(context.Background(), i.ref(":v1"), impatient)
	if err != nil {
		i.t.Error(err)
		return
	}
	want := []string{"/v2/org/app/manifests/v1", "/v2/org/app/blobs/" + i.config["digest"].(string)}
	downloaded := int64(i.config["size"].(int))
	var reused int64
	for n, blob := range i.blobs {
		if slices.Contains(layers, n) {
			want = append(want, "/v2/org/app/blobs/"+sha(blob))
			downloaded += int64(len(blob))
		} else {
			reused += int64(len(blob))
		}
	}
	took := i.took()
	slices.Sort(want)
	slices.Sort(took)
	if !slices.Equal(took, want) {
		i.t.Errorf("it asked for\n%s\nand not for\n%s", strings.Join(took, "\n"), strings.Join(want, "\n"))
	}
	if stats.DownloadedBytes != downloaded || stats.ReusedBytes != reused {
		i.t.Errorf("%d bytes downloaded, %d reused; want %d and %d", stats.DownloadedBytes, stats.ReusedBytes, downloaded, reused)
	}
	if left := contents(i.t, i.store); !slices.Equal(left, []string{i.id}) {
		i.t.Errorf("the store holds %v", left)
	}
	whole(i.t, i.store, i.id, fresh(i.t, i.ref(":v1")))
}

// TestResume: however the registry fails for the third layer, the next pull fetches that one only.
func TestResume(t *testing.T) {
	half := func(i *interrupted) []byte { return i.blobs[2][:len(i.blobs[2])/2] }
	for name, test := range map[string]struct {
		how  func(i *interrupted, w http.ResponseWriter, r *http.Request)
		want error
	}{
		"500": {func(_ *interrupted, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, extract.ErrRegistry},
		"503": {func(_ *interrupted, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, extract.ErrRegistry},
		"429": {func(_ *interrupted, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(429)
		}, extract.ErrRegistry},
		"403": {func(_ *interrupted, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, extract.ErrUnauthorized},
		"401": {func(_ *interrupted, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, extract.ErrUnauthorized},
		"reset": {func(i *interrupted, w http.ResponseWriter, _ *http.Request) {
			i.hangUp(w)
		}, extract.ErrUnreachable},
		"truncated": {func(i *interrupted, w http.ResponseWriter, _ *http.Request) { w.Write(half(i)) }, extract.ErrRegistry},
		"truncated and reset": {func(i *interrupted, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(i.blobs[2])))
			w.Write(half(i)[:1000])
			w.(http.Flusher).Flush()
			i.hangUp(w)
		}, extract.ErrRegistry},
	} {
		t.Run(name, func(t *testing.T) {
			i := newInterrupted(t, t.TempDir())
			i.fail(func(w http.ResponseWriter, r *http.Request) { test.how(i, w, r) })
			_, _, err := i.store.Pull(context.Background(), i.ref(":v1"), impatient)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), "layer 3 of 3") {
				t.Errorf("got %v, want %v", err, test.want)
			}
			i.kept()
			i.carryOn(2)
		})
	}
}

// hangUp ends the connection without the manners of TCP.
func (i *interrupted) hangUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		i.t.Error(err)
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// TestResumeStalled: a registry that says nothing more is given up in the end. That takes minutes, of no real time.
func TestResumeStalled(t *testing.T) {
	i := newInterrupted(t, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		o := impatient
		o.Transport = stalling{i, &http.Transport{DisableKeepAlives: true}}
		_, _, err := i.store.Pull(context.Background(), i.ref(":v1"), o)
		if !errors.Is(err, extract.ErrRegistry) && !errors.Is(err, extract.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	})
	i.kept()
	i.carryOn(2)
}

// stalling sends the beginning of the third layer and then nothing.
type stalling struct {
	*interrupted
	rest *http.Transport
}

func (s stalling) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.isThird(r) {
		return s.rest.RoundTrip(r)
	}
	s.finished()
	body := io.MultiReader(strings.NewReader(string(s.blobs[2][:100])), silence{r.Context()})
	return &http.Response{
		StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: r,
		Body: io.NopCloser(body), ContentLength: int64(len(s.blobs[2])),
	}, nil
}

type silence struct{ ctx context.Context }

func (s silence) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// failed is interrupted by an error of the registry.
func failed(t *testing.T) *interrupted {
	t.Helper()
	i := newInterrupted(t, t.TempDir())
	i.fail(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	if _, _, err := i.store.Pull(context.Background(), i.ref(":v1"), impatient); !errors.Is(err, extract.ErrRegistry) {
		t.Fatal(err)
	}
	i.kept()
	return i
}

// TestResumeDamaged: what was kept is believed only as far as it is whole.
func TestResumeDamaged(t *testing.T) {
	flip := func(at func(size int) int) func(i *interrupted) error {
		return func(i *interrupted) error {
			raw, err := os.ReadFile(i.list(1))
			if err != nil {
				return err
			}
			raw[at(len(raw))] ^= 1
			return os.WriteFile(i.list(1), raw, 0o600)
		}
	}
	// What is put aside moves to the tree, and may have done so or not.
	remove := func(i *interrupted, patterns ...string) error {
		var found []string
		for _, p := range patterns {
			paths, err := filepath.Glob(i.partial(p))
			if err != nil {
				return err
			}
			found = append(found, paths...)
		}
		if len(found) == 0 {
			return fmt.Errorf("nothing is at %q", patterns)
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
		return nil
	}
	for name, test := range map[string]struct {
		damage func(i *interrupted) error
		again  []int // layers
	}{
		"nothing":            {func(*interrupted) error { return nil }, []int{2}},
		"another boot":       {func(i *interrupted) error { return os.WriteFile(i.partial("boot"), []byte("another"), 0o600) }, []int{0, 1, 2}},
		"no boot":            {func(i *interrupted) error { return os.Remove(i.partial("boot")) }, []int{0, 1, 2}},
		"list flipped first": {flip(func(int) int { return 0 }), []int{1, 2}},
		"list of newer":      {flip(func(int) int { return 8 }), []int{1, 2}},
		"list flipped":       {flip(func(size int) int { return size / 2 }), []int{1, 2}},
		"list flipped last":  {flip(func(size int) int { return size - 1 }), []int{1, 2}},
		"list cut short":     {func(i *interrupted) error { return os.Truncate(i.list(1), 200) }, []int{1, 2}},
		"list empty":         {func(i *interrupted) error { return os.Truncate(i.list(1), 0) }, []int{1, 2}},
		"list gone":          {func(i *interrupted) error { return os.Remove(i.list(1)) }, []int{1, 2}},
		"list unfinished":    {func(i *interrupted) error { return os.Rename(i.list(1), i.list(1)+".tmp") }, []int{1, 2}},
		"contents gone":      {func(i *interrupted) error { return remove(i, "stage", "rootfs") }, []int{0, 1, 2}},
		"some contents gone": {func(i *interrupted) error { return remove(i, "stage/*/*/new", "rootfs/emptied/new") }, []int{1, 2}},
		"files in their place": {func(i *interrupted) error {
			return errors.Join(remove(i, "stage", "rootfs"), os.WriteFile(i.partial("rootfs"), nil, 0o600))
		}, []int{0, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			i := failed(t)
			if err := test.damage(i); err != nil {
				t.Fatal(err)
			}
			i.carryOn(test.again...)
		})
	}
}

// TestResumeAnother: a pull of something else sweeps what was kept.
func TestResumeAnother(t *testing.T) {
	i := failed(t)
	i.push(image{tag: "other", layers: small(t)})
	other := pull(t, i.store, i.ref(":other"))
	if left := contents(t, i.store); !slices.Equal(left, []string{other.ID}) {
		t.Errorf("the store holds %v", left)
	}
}

// TestKnownDamaged: a layer is not fetched if another image has its list, unless that is damaged or gone.
func TestKnownDamaged(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(path string) error
		again  []int
	}{
		"nothing":   {func(string) error { return nil }, []int{1}},
		"cut short": {func(path string) error { return os.Truncate(path, 100) }, []int{0, 1}},
		"gone":      {os.Remove, []int{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := newRegistry(t), newStore(t)
			layers := varied(t)
			r.push(image{tag: "v1", layers: layers[:1]})
			r.push(image{tag: "v2", layers: layers[:2]})
			first := pull(t, s, r.ref(":v1"))
			if err := test.damage(filepath.Join(s.Dir, first.ID, "layers", strings.TrimPrefix(sha(layers[0].tar), "sha256:"))); err != nil {
				t.Fatal(err)
			}
			r.took()
			second := pull(t, s, r.ref(":v2"))
			took := strings.Join(r.took(), "\n")
			for n := range 2 {
				if got := strings.Contains(took, sha(gz(layers[n].tar))); got != slices.Contains(test.again, n) {
					t.Errorf("layer %d was fetched: %v", n, got)
				}
			}
			whole(t, s, second.ID, fresh(t, r.ref(":v2")))
		})
	}
}

// TestKeepsNothing: who changes his mind, or has no space, has no use for what is kept.
func TestKeepsNothing(t *testing.T) {
	t.Run("cancelled", func(t *testing.T) {
		i := newInterrupted(t, t.TempDir())
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		i.fail(func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
		if _, _, err := i.store.Pull(ctx, i.ref(":v1"), impatient); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		empty(t, i.store)
		i.carryOn(0, 1, 2)
	})
	t.Run("no space", func(t *testing.T) {
		i := newInterrupted(t, tmpfs(t, "size=2400k"))
		i.on(func(_ http.ResponseWriter, r *http.Request) bool {
			if i.isThird(r) {
				i.finished()
			}
			return false
		})
		i.layers[2].tar = tarOf(t, File("zeros", strings.Repeat("\x00", 4<<20)))
		i.blobs[2] = gz(i.layers[2].tar)
		i.push(image{tag: "large", layers: i.layers})
		// The lists are below another name then.
		pushed, err := extract.Resolve(context.Background(), i.ref(":large"), impatient)
		if err != nil {
			t.Fatal(err)
		}
		i.id = strings.Replace(pushed.Digest, ":", "-", 1)
		if _, _, err := i.store.Pull(context.Background(), i.ref(":large"), impatient); !errors.Is(err, extract.ErrSpace) || !errors.Is(err, unix.ENOSPC) {
			t.Errorf("got %v", err)
		}
		empty(t, i.store)
	})
}

// tmpfs is a file system of its own.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestResumeOften: however often the registry fails, what was finished is not fetched again.
func TestResumeOften(t *testing.T) {
	i := failed(t)
	i.took()
	for n := range 10 {
		if _, _, err := i.store.Pull(context.Background(), i.ref(":v1"), impatient); !errors.Is(err, extract.ErrRegistry) {
			t.Fatal(err)
		}
		for _, path := range i.took() {
			if strings.HasSuffix(path, sha(i.blobs[0])) || strings.HasSuffix(path, sha(i.blobs[1])) {
				t.Fatalf("time %d: it asked for %s again", n+2, path)
			}
		}
	}
	i.carryOn(2)
}
