package extract_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// verified is an image to damage: two layers, so that it shows which of them is fetched.
func verified(t *testing.T) []layer {
	return []layer{
		{tar: tarOf(
			t, Dir("."), Dir("d"), File("d/f", noise(1, 5000)), File("d/big", noise(2, 600<<10)), Link("pair", "d/f"), Symlink("l", "d/f"),
			File("attribute", "x", Xattr("user.a", "b")), File("empty", ""), Node('6', "fifo"), Dir("hollow"), File("replaced", "x"),
		)},
		{tar: tarOf(t, File("upper", noise(3, 3000), Owner(1000, 1001), Mode(0o640)), File("replaced", "y"), Symlink("chain", "l"))},
	}
}

// ruin changes a file's contents and nothing that one sees without reading them.
func ruin(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte("#"), st.Size()-1)
	return errors.Join(err, f.Close(), os.Chtimes(path, st.ModTime(), st.ModTime()))
}

// inPlace does something in a directory and gives that its time back.
func inPlace(dir string, do ...error) error {
	return errors.Join(append(do, os.Chtimes(dir, Time, Time))...)
}

// TestVerify does one damage of each kind, and checks that it is reported, and nothing else; that a repair mends it, and what it fetches
// for that.
func TestVerify(t *testing.T) {
	const content = "other contents"
	for name, test := range map[string]struct {
		damage func(at func(string) string) error
		found  []string
		fetch  []int // layers
	}{
		"nothing":           {func(func(string) string) error { return nil }, nil, nil},
		"contents":          {func(at func(string) string) error { return ruin(at("upper")) }, []string{"upper: " + content}, []int{1}},
		"large contents":    {func(at func(string) string) error { return ruin(at("d/big")) }, []string{"d/big: " + content}, []int{0}},
		"of both layers":    {func(at func(string) string) error { return errors.Join(ruin(at("d/big")), ruin(at("upper"))) }, []string{"d/big: " + content, "upper: " + content}, []int{0, 1}},
		"truncated":         {func(at func(string) string) error { return os.Truncate(at("d/big"), 7) }, []string{"d/big: 7 bytes, not 614400"}, []int{0}},
		"longer":            {func(at func(string) string) error { return os.Truncate(at("upper"), 3001) }, []string{"upper: 3001 bytes, not 3000"}, []int{1}},
		"filled":            {func(at func(string) string) error { return os.WriteFile(at("empty"), []byte("x"), 0o600) }, []string{"empty: 1 bytes, not 0"}, nil},
		"missing file":      {func(at func(string) string) error { return inPlace(at(""), os.Remove(at("upper"))) }, []string{"upper: missing"}, []int{1}},
		"missing directory": {func(at func(string) string) error { return inPlace(at(""), os.Remove(at("hollow"))) }, []string{"hollow: missing"}, nil},
		"missing tree":      {func(at func(string) string) error { return inPlace(at(""), os.RemoveAll(at("d"))) }, []string{"d/big: missing", "d/f: missing", "d: missing"}, []int{0}},
		"missing link":      {func(at func(string) string) error { return inPlace(at(""), os.Remove(at("l"))) }, []string{"l: missing"}, nil},
		"missing fifo":      {func(at func(string) string) error { return inPlace(at(""), os.Remove(at("fifo"))) }, []string{"fifo: missing"}, nil},
		"missing name":      {func(at func(string) string) error { return inPlace(at(""), os.Remove(at("pair"))) }, []string{"pair: missing"}, nil},
		"extra file": {func(at func(string) string) error {
			return inPlace(at("hollow"), os.WriteFile(at("hollow/x"), nil, 0o600))
		}, []string{"hollow/x: nothing should be here"}, nil},
		"extra tree": {func(at func(string) string) error {
			return inPlace(at("hollow"), os.MkdirAll(at("hollow/x/y/z"), 0o700))
		}, []string{"hollow/x: nothing should be here"}, nil},
		"extra, outside":    {func(at func(string) string) error { return inPlace(at("hollow"), os.Symlink("/etc", at("hollow/x"))) }, []string{"hollow/x: nothing should be here"}, nil},
		"mode":              {func(at func(string) string) error { return os.Chmod(at("upper"), 0o755) }, []string{"upper: mode 0755, not 0640"}, nil},
		"mode, setuid":      {func(at func(string) string) error { return unix.Chmod(at("d/f"), 0o4755) }, []string{"d/f: mode 4755, not 0644"}, nil},
		"directory's mode":  {func(at func(string) string) error { return os.Chmod(at("d"), 0o777) }, []string{"d: mode 0777, not 0755"}, nil},
		"owner":             {func(at func(string) string) error { return os.Chown(at("upper"), 1, 2) }, []string{"upper: owner 1:2, not 1000:1001"}, nil},
		"link's owner":      {func(at func(string) string) error { return os.Lchown(at("l"), 1, 2) }, []string{"l: owner 1:2, not 0:0"}, nil},
		"time":              {func(at func(string) string) error { return os.Chtimes(at("upper"), time.Unix(1, 5), time.Unix(1, 5)) }, []string{"upper: time 1.000000005, not 1711314872.123456789"}, nil},
		"directory's time":  {func(at func(string) string) error { return os.Chtimes(at("d"), time.Unix(1, 5), time.Unix(1, 5)) }, []string{"d: time 1.000000005, not 1711314872.123456789"}, nil},
		"attribute":         {func(at func(string) string) error { return unix.Setxattr(at("attribute"), "user.a", []byte("c"), 0) }, []string{"attribute: other extended attributes"}, nil},
		"attribute missing": {func(at func(string) string) error { return unix.Removexattr(at("attribute"), "user.a") }, []string{"attribute: other extended attributes"}, nil},
		"capability": {func(at func(string) string) error {
			// VFS_CAP_REVISION_2, effective, and CAP_SETUID: linux/capability.h.
			raw := append([]byte{1, 0, 0, 2, 1 << 7}, make([]byte, 15)...)
			return unix.Setxattr(at("upper"), "security.capability", raw, 0)
		}, []string{"upper: other extended attributes"}, nil},
		"attribute extra": {func(at func(string) string) error { return unix.Setxattr(at("upper"), "user.a", []byte("c"), 0) }, []string{"upper: other extended attributes"}, nil},
		"target": {func(at func(string) string) error {
			return inPlace(at(""), os.Remove(at("l")), os.Symlink("/etc/passwd", at("l")))
		}, []string{`l: it leads to "/etc/passwd", not to "d/f"`}, nil},
		"file is a directory": {func(at func(string) string) error {
			return inPlace(at(""), os.Remove(at("upper")), os.MkdirAll(at("upper/below"), 0o700))
		}, []string{"upper: a directory, not a file"}, []int{1}},
		"file is a link out": {func(at func(string) string) error {
			return inPlace(at(""), os.Remove(at("upper")), os.Symlink("/etc/passwd", at("upper")))
		}, []string{"upper: a symbolic link, not a file"}, []int{1}},
		"file is a FIFO": {func(at func(string) string) error {
			return inPlace(at(""), os.Remove(at("upper")), unix.Mkfifo(at("upper"), 0o640))
		}, []string{"upper: a FIFO, not a file"}, []int{1}},
		"directory is a link out": {func(at func(string) string) error {
			return inPlace(at(""), os.RemoveAll(at("d")), os.Symlink("/etc", at("d")))
		}, []string{"d/big: missing", "d/f: missing", "d: a symbolic link, not a directory"}, []int{0}},
		"link is a file": {func(at func(string) string) error {
			return inPlace(at(""), os.Remove(at("chain")), os.WriteFile(at("chain"), nil, 0o600))
		}, []string{"chain: a file, not a symbolic link"}, nil},
		"hard link broken": {func(at func(string) string) error {
			raw, err := os.ReadFile(at("pair"))
			return inPlace(at(""), err, os.Remove(at("pair")), os.WriteFile(at("pair"), raw, 0o644), os.Chtimes(at("pair"), Time, Time))
		}, []string{`pair: not the same file as "d/f"`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := newRegistry(t), newStore(t)
			layers := verified(t)
			r.push(image{tag: "v1", layers: layers})
			im := pull(t, s, r.ref(":v1"))
			want := List(t, im.Rootfs())
			if err := test.damage(func(name string) string { return filepath.Join(im.Rootfs(), name) }); err != nil {
				t.Fatal(err)
			}
			if got := damages(t, s, im.ID); !slices.Equal(got, test.found) {
				t.Errorf("found %q\nwant  %q", got, test.found)
			}
			r.took()
			var reported []string
			v, err := s.Repair(context.Background(), im.ID, impatient, func(d extract.Damage) { reported = append(reported, d.Path+": "+d.What) })
			slices.Sort(reported)
			if err != nil || v.Repaired != len(test.found) || !slices.Equal(reported, test.found) {
				t.Errorf("Repair = %+v, %v, reported %q", v, err, reported)
			}
			took := r.took()
			var bytes int64
			for _, n := range test.fetch {
				bytes += int64(len(gz(layers[n].tar)))
			}
			if got := blobsOf(took, layers); !slices.Equal(got, test.fetch) || v.DownloadedBytes != bytes || len(took) != len(test.fetch) {
				t.Errorf("it took %q, %d bytes; want layers %v, %d bytes", took, v.DownloadedBytes, test.fetch, bytes)
			}
			whole(t, s, im.ID, want)
			if left := contents(t, s); !slices.Equal(left, []string{im.ID}) {
				t.Errorf("the store holds %v", left)
			}
			if _, err := os.Stat("/etc/passwd"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestVerifyRecords: without what was recorded nothing can be said, and it is not made up; a repair records it again.
func TestVerifyRecords(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"missing":   os.Remove,
		"cut short": func(path string) error { return os.Truncate(path, 150) },
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"flipped":   ruin,
		"none":      func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			r, s := newRegistry(t), newStore(t)
			layers := verified(t)
			r.push(image{tag: "v1", layers: layers})
			im := pull(t, s, r.ref(":v1"))
			want := List(t, im.Rootfs())
			recorded := lists(t, im)
			if err := damage(listAt(im, layers[1])); err != nil {
				t.Fatal(err)
			}
			before := List(t, s.Dir)
			_, err := s.Verify(context.Background(), im.ID, func(d extract.Damage) { t.Errorf("reported %+v", d) })
			if !errors.Is(err, extract.ErrRecord) || name != "none" && !strings.Contains(err.Error(), "layer 2 of 2") {
				t.Errorf("Verify: %v", err)
			}
			r.on(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusForbidden); return true })
			_, err = s.Repair(context.Background(), im.ID, impatient, func(extract.Damage) {})
			if !errors.Is(err, extract.ErrRegistry) || !strings.Contains(err.Error(), "anew") {
				t.Errorf("Repair without a registry: %v", err)
			}
			if name != "none" {
				unchanged(t, s, before)
			}
			r.on(nil)
			r.took()
			var told []string
			v, err := s.Repair(context.Background(), im.ID, impatient, func(d extract.Damage) { told = append(told, d.Path+": "+d.What) })
			n := 1
			if name == "none" {
				n = 2
			}
			if err != nil || v.Damaged != n || v.Repaired != n || len(told) != n || told[n-1] != ".: the list of what is in layer 2 of 2 could not be read" {
				t.Errorf("Repair = %+v, %v, told %q", v, err, told)
			}
			if took := r.took(); len(took) != n || v.DownloadedBytes == 0 {
				t.Errorf("it took %q, %d bytes", took, v.DownloadedBytes)
			}
			if got := lists(t, im); len(got) != len(recorded) {
				t.Errorf("the lists are %v, were %v", got, recorded)
			}
			whole(t, s, im.ID, want)
		})
	}
	s := newStore(t)
	if _, err := s.Verify(context.Background(), "sha256-"+strings.Repeat("0", 64), nil); !errors.Is(err, extract.ErrNotFound) {
		t.Errorf("Verify of nothing: %v", err)
	}
}

// listAt is the path of the list of a layer of an image.
func listAt(im *extract.Image, l layer) string {
	return filepath.Join(dirOf(im), "layers", strings.TrimPrefix(sha(l.tar), "sha256:"))
}

func lists(t *testing.T, im *extract.Image) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dirOf(im), "layers", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// unchanged checks that nothing in a store is another than before.
func unchanged(t *testing.T, s *extract.Store, before map[string]Listed) {
	t.Helper()
	after := List(t, s.Dir)
	for path, l := range before {
		if after[path] != l {
			t.Errorf("%s was %v, is %v", path, l, after[path])
		}
	}
	for path, l := range after {
		if _, ok := before[path]; !ok {
			t.Errorf("%s is new: %v", path, l)
		}
	}
}

// TestRepairInUse: whoever has a damaged file open keeps what he has.
func TestRepairInUse(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	r.push(image{tag: "v1", layers: verified(t)})
	im := pull(t, s, r.ref(":v1"))
	path := im.Rootfs() + "/upper"
	if err := ruin(path); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := s.Repair(context.Background(), im.ID, impatient, func(extract.Damage) {}); err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(f)
	if err != nil || len(raw) != 3000 || raw[2999] != '#' {
		t.Errorf("what was open has %d bytes now, %v", len(raw), err)
	}
	sound(t, s, im.ID)
}

// TestRepairInterrupted: a repair that is cancelled, or finds no registry, leaves what the next one mends, and the metadata that needs
// no registry right.
func TestRepairInterrupted(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	layers := verified(t)
	r.push(image{tag: "v1", layers: layers})
	im := pull(t, s, r.ref(":v1"))
	want := List(t, im.Rootfs())
	at := func(name string) string { return filepath.Join(im.Rootfs(), name) }
	damage := func() {
		t.Helper()
		if err := errors.Join(ruin(at("upper")), os.RemoveAll(at("d")), os.Chmod(at("attribute"), 0o777), os.WriteFile(at("hollow/x"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, test := range map[string]struct {
		ctx   context.Context //nolint:containedctx // of one call
		fault func(http.ResponseWriter, *http.Request) bool
		want  error
	}{
		"cancelled": {ctx, func(_ http.ResponseWriter, r *http.Request) bool {
			cancel()
			<-r.Context().Done()
			return true
		}, context.Canceled},
		"no registry":    {context.Background(), func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }, extract.ErrRegistry},
		"no second blob": {context.Background(), status(404, "blobs", sha(gz(layers[1].tar))), extract.ErrUnknown},
		"wrong bytes": {context.Background(), answer("blobs", sha(gz(layers[1].tar)), func(w http.ResponseWriter) {
			w.Write(make([]byte, len(gz(layers[1].tar))))
		}), extract.ErrDigest},
	} {
		t.Run(name, func(t *testing.T) {
			damage()
			r.on(test.fault)
			_, err := s.Repair(test.ctx, im.ID, impatient, func(extract.Damage) {})
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			r.on(nil)
			if left := contents(t, s); !slices.Equal(left, []string{im.ID}) {
				t.Errorf("the store holds %v", left)
			}
			left := damages(t, s, im.ID)
			if !slices.Contains(left, "upper: other contents") || slices.ContainsFunc(left, func(d string) bool {
				return strings.HasPrefix(d, "attribute") || strings.HasPrefix(d, "hollow/x")
			}) {
				t.Errorf("what is left is %q", left)
			}
			if _, err := s.Repair(context.Background(), im.ID, impatient, func(extract.Damage) {}); err != nil {
				t.Error(err)
			}
			whole(t, s, im.ID, want)
		})
	}
}

// TestVerifyCancelled: a verification that is cut short says so.
func TestVerifyCancelled(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	r.push(image{tag: "v1", layers: verified(t)})
	im := pull(t, s, r.ref(":v1"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Verify(ctx, im.ID, func(extract.Damage) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
