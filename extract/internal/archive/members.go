package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of what an index of an archive may need in memory. A thousand images of thirty layers are within them.
const (
	maxEntries = 100_000
	maxNames   = 16 << 20 // bytes of all names and links
	maxLinks   = 16       // one after the other
)

// packed are the members of a tar archive.
type packed struct {
	at      io.ReaderAt
	entries map[string]entry
	order   []string // of entries
	cut     bool     // the end marker is missing
	file    io.Closer
}

// entry is where a member is.
type entry struct {
	kind         byte // of tar, or sparse
	offset, size int64
	link         string // target of a link, as it is
}

// sparse stands for the several ways of tar to leave holes out. What is stored then is not the content.
const sparse = tar.TypeGNUSparse

// index finds the members of the archive in r. file is closed with them; nil if there is nothing to close.
func index(ctx context.Context, r *io.SectionReader, file io.Closer) (*packed, error) {
	p := &packed{at: r, entries: map[string]entry{}, file: file}
	end := &noteEnd{SectionReader: r}
	var (
		archive = tar.NewReader(end)
		names   int
	)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			p.cut = end.met
			return p, nil
		}
		if err != nil {
			return nil, explain(err)
		}
		if n == maxEntries {
			return nil, fmt.Errorf("%w: it has more than %d entries and looks like %s", ErrInvalid, maxEntries, describe(p.order))
		}
		if names += len(h.Name) + len(h.Linkname); names > maxNames {
			return nil, fmt.Errorf("%w: its names have more than %d bytes", ErrInvalid, maxNames)
		}
		// tar.Reader reads headers one by one and nothing ahead: what follows is the content.
		offset, err := r.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if err := p.add(h, offset, r.Size()); err != nil {
			return nil, err
		}
	}
}

func (p *packed) add(h *tar.Header, offset, total int64) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		// pax(1) applies them to all entries that follow, tar.Reader does not: to those that matter here, neither may.
		for _, key := range []string{"path", "linkpath", "size"} {
			if _, ok := h.PAXRecords[key]; ok {
				return fmt.Errorf("%w: it has a global %s", ErrInvalid, key)
			}
		}
		return nil
	}
	name, err := cleanName(h.Name)
	if err != nil {
		return err
	}
	e := entry{kind: h.Typeflag, offset: offset, size: h.Size, link: h.Linkname}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			e.kind = sparse
		}
	}
	if e.kind == tar.TypeReg && e.size > total-offset {
		return fmt.Errorf("%w: it is cut short: %s should have %d bytes and has %d", ErrInvalid, oneLine(name), e.size, total-offset)
	}
	if had, ok := p.entries[name]; ok && (had.kind != tar.TypeDir || e.kind != tar.TypeDir) {
		return fmt.Errorf("%w: it has two entries named %s", ErrInvalid, oneLine(name))
	} else if !ok {
		p.order = append(p.order, name)
	}
	p.entries[name] = e
	return nil
}

// cleanName is a name of the archive without "./" before it and "/" after it.
func cleanName(name string) (string, error) {
	if path.IsAbs(name) || name == "" {
		return "", fmt.Errorf("%w: it has an entry named %q", ErrInvalid, oneLine(name))
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", fmt.Errorf("%w: it has an entry named %q", ErrInvalid, oneLine(name))
		}
	}
	return path.Clean(name), nil
}

func (p *packed) open(name string) (io.ReadCloser, int64, error) {
	e, err := p.follow(name)
	if err != nil {
		return nil, 0, err
	}
	return io.NopCloser(io.NewSectionReader(p.at, e.offset, e.size)), e.size, nil
}

// follow finds the file that name is or links to, as `docker save` did for layers that two images share: by symbolic links
// like ../ID/layer.tar. Links on the way to a name are not followed, no one writes them.
func (p *packed) follow(name string) (entry, error) {
	start := name
	for range maxLinks {
		e, ok := p.entries[name]
		switch {
		case !ok:
			return entry{}, fs.ErrNotExist
		case e.kind == tar.TypeReg:
			return e, nil
		case e.kind == tar.TypeSymlink && !path.IsAbs(e.link):
			// A target that climbs out of the archive is not a name in it.
			name = path.Join(path.Dir(name), e.link)
		case e.kind == tar.TypeLink:
			name = path.Clean(e.link)
		case e.kind == sparse:
			return entry{}, fmt.Errorf("%w: %s is stored with holes", ErrInvalid, oneLine(start))
		default:
			return entry{}, fmt.Errorf("%w: %s is not a file", ErrInvalid, oneLine(start))
		}
	}
	return entry{}, fmt.Errorf("%w: %s is a link to a link, more than %d times", ErrInvalid, oneLine(start), maxLinks)
}

func (p *packed) names() []string { return p.order }

func (p *packed) short() string {
	if p.cut {
		return "which lacks its end"
	}
	return ""
}

func (p *packed) Close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// noteEnd notes whether a reader was read to its end: a whole archive stops before, at its end marker.
type noteEnd struct {
	*io.SectionReader
	met bool
}

func (e *noteEnd) Read(b []byte) (int, error) {
	n, err := e.SectionReader.Read(b)
	e.met = e.met || errors.Is(err, io.EOF)
	return n, err
}

// explain tells errors of the archive from errors of reading it.
func explain(err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return failed
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it is cut short", ErrInvalid)
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}

// directory are the members of a layout that is not packed.
type directory struct{ root *os.Root }

func openDirectory(name string) (*directory, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &directory{root}, nil
}

func (d *directory) open(name string) (io.ReadCloser, int64, error) {
	// Without O_NONBLOCK a pipe in the place of a file would be waited for.
	f, err := d.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if _, ok := errors.AsType[unix.Errno](err); err != nil && !ok {
		// Not from the system but from os.Root itself.
		return nil, 0, fmt.Errorf("%w: %s is a link out of it", ErrInvalid, oneLine(name))
	}
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is not a file", ErrInvalid, oneLine(name))
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, st.Size()), f}, st.Size(), nil
}

func (d *directory) names() []string {
	f, err := d.root.Open(".")
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxImages) // what can be read serves the purpose
	return names
}

func (d *directory) short() string { return "" }

func (d *directory) Close() error { return d.root.Close() }
