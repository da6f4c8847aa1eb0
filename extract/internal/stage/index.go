package stage

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/inroot"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// Index knows the files of versions that are here by their contents. It is safe for concurrent use. Empty files are not in it:
// making one costs no more than linking one.
type Index struct {
	loaded chan struct{} // closed when the versions are in; everything waits for it

	mu     sync.RWMutex
	roots  []root
	places []place
	attrs  []layer.Attrs          // of places, times apart: few versions have many
	known  map[string]int32       // index of attrs, by what they are in text
	last   int32                  // index of attrs
	first  map[layer.Digest]int32 // index of a place
	large  map[int64]int32        // by size, of files that are not held in memory while they are read
}

// root is the tree of one version.
type root struct {
	*inroot.Root
	unfinished bool
}

// place is one file of a version. There are tens of thousands, so it is small.
type place struct {
	path  string
	size  int64
	mtime layer.Time
	attrs int32 // index of what else it has
	root  int32
	next  int32 // another place with the same contents, -1 if there is none
	sized int32 // another large place of the same size, -1 if there is none
}

// maxSame is how many places are remembered of the same contents, so that no image can make looking for them slow.
const maxSame = 16

// Version is a tree whose files may be shared.
type Version struct {
	Rootfs string
	// Files gives its files, with paths free of links.
	Files func(each func(*layer.Entry) error) error
	// Unfinished says that the tree need not have what Files says, nor at paths free of links: contents are hashed, and attributes
	// compared, before they are linked.
	Unfinished bool
}

// NewIndex reads the files of versions while the caller goes on.
func NewIndex(versions ...Version) *Index {
	x := &Index{loaded: make(chan struct{}), known: map[string]int32{}, first: map[layer.Digest]int32{}, large: map[int64]int32{}}
	go func() {
		defer close(x.loaded)
		for _, v := range versions {
			// A version that cannot be read shares nothing. That it is damaged is for its verification to say.
			_ = x.add(v, false)
		}
	}()
	return x
}

// add adds the files of a version. Those that are there already with the same contents and attributes keep their place, unless
// that is known to be stale.
func (x *Index) add(v Version, stale bool) error {
	tree, err := inroot.Open(v.Rootfs)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.roots = append(x.roots, root{tree, v.Unfinished})
	n, had := int32(len(x.roots)-1), int32(len(x.places))
	err = v.Files(func(e *layer.Entry) error {
		if e.Kind == layer.File && e.Size > 0 && (!v.Unfinished || x.roots[n].there(e)) {
			x.addFile(n, e, stale)
		}
		return nil
	})
	if err != nil {
		// What a damaged list said before the damage was noticed may be wrong too.
		x.forget(had)
	}
	return err
}

// forget drops all places from number n on.
func (x *Index) forget(n int32) {
	for d, i := range x.first {
		for i >= n {
			i = x.places[i].next
		}
		if x.first[d] = i; i < 0 {
			delete(x.first, d)
		}
	}
	for size, i := range x.large {
		for i >= n {
			i = x.places[i].sized
		}
		if x.large[size] = i; i < 0 {
			delete(x.large, size)
		}
	}
	x.places = x.places[:n]
}

func (x *Index) addFile(root int32, e *layer.Entry, stale bool) {
	p := place{path: e.Path, size: e.Size, mtime: e.MTime, attrs: x.addAttrs(e.Attrs), root: root, next: -1, sized: -1}
	if i, ok := x.first[e.Digest]; ok {
		n := 0
		for j := i; j >= 0; j = x.places[j].next {
			if stale && x.places[j].root != root {
				break
			}
			if n++; n == maxSame {
				return
			}
			if x.places[j].attrs == p.attrs && x.places[j].mtime == p.mtime {
				return
			}
		}
		p.next = i
	}
	n := int32(len(x.places))
	x.first[e.Digest] = n
	if p.next < 0 && e.Size > bufferSize {
		if i, ok := x.large[e.Size]; ok {
			p.sized = i
		}
		x.large[e.Size] = n
	}
	x.places = append(x.places, p)
}

// addAttrs returns the index of a without its time.
func (x *Index) addAttrs(a layer.Attrs) int32 {
	a.MTime = layer.Time{}
	if len(x.attrs) > 0 && same(x.attrs[x.last], a) {
		return x.last
	}
	key := fmt.Sprintf("%o %d %d %q", a.Mode, a.UID, a.GID, a.Xattrs)
	i, ok := x.known[key]
	if !ok {
		i = int32(len(x.attrs))
		x.attrs = append(x.attrs, a)
		x.known[key] = i
	}
	x.last = i
	return i
}

// use says how a file may be had from a place.
type use int

const (
	none  use = iota
	link      // the same inode will do
	clone     // only the contents will do
)

// find looks for contents that are here, with attributes a if there are such. Where only the modification time differs the
// file is linked with the time that it has, since upstream builds give new times to everything they copy. Python is the known
// reader of such times: it takes compiled code for stale when the time of its source is another.
func (x *Index) find(d layer.Digest, path string, a layer.Attrs) (place, use) {
	<-x.loaded
	x.mu.RLock()
	defer x.mu.RUnlock()
	i, ok := x.first[d]
	if !ok {
		return place{}, none
	}
	found, how := x.places[i], clone
	want := a
	want.MTime = layer.Time{}
	for ; i >= 0; i = x.places[i].next {
		p := x.places[i]
		if !same(x.attrs[p.attrs], want) {
			continue
		}
		if p.mtime == a.MTime {
			return p, link
		}
		if how == clone && !strings.HasSuffix(path, ".py") {
			found, how = p, link
		}
	}
	return found, how
}

// sized returns large files of one size, few, since each is read along with the archive.
func (x *Index) sized(size int64) []place {
	<-x.loaded
	x.mu.RLock()
	defer x.mu.RUnlock()
	var found []place
	i, ok := x.large[size]
	for ; ok && i >= 0 && len(found) < 4; i = x.places[i].sized {
		found = append(found, x.places[i])
	}
	return found
}

// open opens the file of a place for reading, and makes sure that it is still what was recorded.
func (x *Index) open(p place) (int, error) {
	x.mu.RLock()
	root, attrs := x.roots[p.root], x.attrs[p.attrs]
	x.mu.RUnlock()
	// It may have become a FIFO, for whose writer open(2) would wait.
	fd, err := root.Openat(p.path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, root.resolve())
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && !p.unchanged(&st, attrs) {
		err = unix.ESTALE
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// resolve are flags of openat2(2).
func (r root) resolve() uint64 {
	if r.unfinished {
		return 0
	}
	return unix.RESOLVE_NO_SYMLINKS
}

// there says whether something that looks like e is at its path: what is not in one tree that was left may be in another.
func (r root) there(e *layer.Entry) bool {
	fd, err := r.Openat(e.Path, unix.O_PATH|unix.O_NOFOLLOW, r.resolve())
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && place{size: e.Size, mtime: e.MTime}.unchanged(&st, e.Attrs)
}

// unchanged says whether what is at p is still what was recorded.
func (p place) unchanged(st *unix.Stat_t, a layer.Attrs) bool {
	return st.Mode == unix.S_IFREG|a.Mode && st.Size == p.size && st.Uid == a.UID && st.Gid == a.GID &&
		st.Mtim.Sec == p.mtime.Sec && st.Mtim.Nsec == int64(p.mtime.Nsec)
}

func same(a, b layer.Attrs) bool {
	if a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || a.MTime != b.MTime || len(a.Xattrs) != len(b.Xattrs) {
		return false
	}
	for i := range a.Xattrs {
		if a.Xattrs[i] != b.Xattrs[i] {
			return false
		}
	}
	return true
}

// Close releases the versions.
func (x *Index) Close() error {
	<-x.loaded
	var errs []error
	for _, r := range x.roots {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}
