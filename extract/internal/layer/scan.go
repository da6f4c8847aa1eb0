package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

const (
	whiteoutPrefix = ".wh."          // OCI image specification, layer.md, "Whiteouts"
	opaqueSuffix   = ".wh..opq"      // what follows the prefix in ".wh..wh..opq"
	xattrRecord    = "SCHILY.xattr." // how star, GNU tar, BSD tar and every image builder put attributes in PAX records
	sparseRecord   = "GNU.sparse."   // GNU tar manual, "Sparse Formats"
	setID          = 0o6000
)

// Scanner reads the entries of an uncompressed layer, a tar archive, and checks what does not depend on other entries: an entry
// that it returns has a clean path, attributes that a kernel takes, and nothing that a service must not gain from an image.
//
// It believes nothing, and leaves to the reader's owner what concerns the bytes: their digest, and how many there may be.
type Scanner struct {
	src     source
	tar     *tar.Reader
	body    body
	entries int
	total   int64
	dropped Dropped
}

// NewScanner starts a scan of r. Reads are small, so r should be buffered.
func NewScanner(r io.Reader) *Scanner {
	s := &Scanner{src: source{r: r}}
	s.tar = tar.NewReader(&s.src)
	s.body.s = s
	return s
}

// Dropped counts what the entries so far lost on purpose.
func (s *Scanner) Dropped() Dropped { return s.dropped }

// Next returns the next entry and, for a File, a reader of its contents, of exactly Entry.Size bytes, which is valid until the
// next call; what of them is not read is skipped. Holes of a sparse file read as zeros. Digest and Staged are the caller's to
// fill in. Nothing of an entry is used again.
//
// The error is io.EOF at the end of the archive, what follows being left unread; or it is the reader's own; or it wraps ErrInvalid
// and names the entry, as do those of the contents.
func (s *Scanner) Next() (*Entry, io.Reader, error) {
	for {
		hdr, err := s.tar.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil, io.EOF
		case err != nil && !errors.Is(err, tar.ErrInsecurePath): // names are judged below, whatever GODEBUG says
			return nil, nil, s.blame(err)
		}
		if s.entries++; s.entries > MaxEntries {
			return nil, nil, fmt.Errorf("%w: more than %d entries", ErrInvalid, MaxEntries)
		}
		if hdr.Typeflag == tar.TypeXGlobalHeader {
			continue // POSIX pax: it describes later entries; no builder uses it for more than a comment
		}
		e, err := s.entry(hdr)
		if err != nil {
			return nil, nil, fmt.Errorf("entry %s: %w", Quote(hdr.Name), err)
		}
		if s.total += e.Text(); s.total > MaxText {
			return nil, nil, errText()
		}
		e.unpin()
		if e.Kind != File {
			return e, nil, nil
		}
		s.body.name = hdr.Name
		return e, &s.body, nil
	}
}

// unpin gives e strings of its own. Those that archive/tar took from PAX records are parts of one with all records of the entry,
// up to 1 MiB of them, which would stay in memory for as long as the entry does.
func (e *Entry) unpin() {
	e.Path, e.Target = strings.Clone(e.Path), strings.Clone(e.Target)
	for i := range e.Xattrs {
		x := &e.Xattrs[i]
		x.Name, x.Value = strings.Clone(x.Name), strings.Clone(x.Value)
	}
}

// blame tells the errors of the reader from those of the archive.
func (s *Scanner) blame(err error) error {
	if s.src.err != nil {
		return s.src.err
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}

// source remembers what its reader failed with.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// body is the contents of the current entry.
type body struct {
	s    *Scanner
	name string
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.s.tar.Read(p)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case b.s.src.err != nil:
		return n, b.s.src.err
	}
	return n, fmt.Errorf("entry %s: %w: its contents are cut short: %w", Quote(b.name), ErrInvalid, err)
}

func (s *Scanner) entry(hdr *tar.Header) (*Entry, error) {
	path, err := clean(hdr.Name)
	if err != nil {
		return nil, err
	}
	e := &Entry{Path: path}
	if err := s.describe(e, hdr); err != nil {
		return nil, err
	}
	if path == "." {
		if hdr.Typeflag != tar.TypeDir {
			return nil, errRoot()
		}
		e.Kind = Dir
		return e, nil
	}
	if strings.Contains(path, whiteoutPrefix) {
		hidden, err := whiteout(path, hdr.Typeflag)
		if hidden != nil || err != nil {
			return hidden, err
		}
	}
	switch hdr.Typeflag {
	case tar.TypeDir:
		e.Kind = Dir
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		e.Kind, e.Size = File, hdr.Size
		e.Sparse = hdr.Typeflag == tar.TypeGNUSparse || e.Sparse
	case tar.TypeSymlink:
		e.Kind, e.Target = Symlink, hdr.Linkname
		err = checkSymlink(e.Target)
		s.dropXattrs(e) // links cannot have user.* attributes, see xattr(7)
	case tar.TypeLink:
		if e.Target, err = clean(hdr.Linkname); err != nil {
			err = fmt.Errorf("resolving the hard link's target %s: %w", Quote(hdr.Linkname), err)
		}
		// What else it says would alter the earlier file.
		e.Kind, e.Attrs = Link, Attrs{}
	case tar.TypeFifo:
		e.Kind = Fifo
		s.dropXattrs(e)
	case tar.TypeChar, tar.TypeBlock:
		s.dropped.Devices++
		e.Kind, e.Attrs = Device, Attrs{}
	default:
		return nil, fmt.Errorf("%w: entries of type %q are not supported", ErrInvalid, hdr.Typeflag)
	}
	if e.Kind != File {
		e.Sparse = false
	}
	return e, err
}

// describe reads the attributes and counts those that are dropped.
func (s *Scanner) describe(e *Entry, hdr *tar.Header) error {
	// chown(2) takes 2^32-1 as "leave it", which is root here.
	for _, id := range [...]int{hdr.Uid, hdr.Gid} {
		if id < 0 || int64(id) >= math.MaxUint32 {
			return fmt.Errorf("%w: %d is not an owner", ErrInvalid, id)
		}
	}
	e.UID, e.GID, e.Mode = uint32(hdr.Uid), uint32(hdr.Gid), uint32(hdr.Mode)&modeBits
	e.MTime = Time{hdr.ModTime.Unix(), uint32(hdr.ModTime.Nanosecond())}
	if hdr.Typeflag == tar.TypeLink {
		return nil
	}
	if hdr.Mode&setID != 0 && hdr.Typeflag != tar.TypeSymlink {
		s.dropped.SetIDBits++
	}
	total := 0
	for record, value := range hdr.PAXRecords {
		name, ok := strings.CutPrefix(record, xattrRecord)
		if !ok {
			e.Sparse = e.Sparse || strings.HasPrefix(record, sparseRecord)
			continue
		}
		if total += len(name) + len(value); total > MaxXattrs || strings.IndexByte(name, 0) >= 0 {
			return fmt.Errorf("%w: over %d bytes of extended attributes, or NUL in one's name", ErrInvalid, MaxXattrs)
		}
		switch {
		case name == "security.capability":
			s.dropped.FileCapabilities++
		case !strings.HasPrefix(name, userXattr):
			s.dropped.Xattrs++
		case !validXattr(name):
			return fmt.Errorf("%w: the name %s of an extended attribute is empty or too long", ErrInvalid, Quote(name))
		default:
			e.Xattrs = append(e.Xattrs, Xattr{name, value})
		}
	}
	slices.SortFunc(e.Xattrs, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func (s *Scanner) dropXattrs(e *Entry) {
	s.dropped.Xattrs += int64(len(e.Xattrs))
	e.Xattrs = nil
}

// whiteout returns the entry that path means if it is a whiteout, or nil. It refuses names that only look like one: a ".wh." alone
// would name its own directory, ".wh..." the parent.
func whiteout(path string, typeflag byte) (*Entry, error) {
	dir, name := Split(path)
	for part := range strings.SplitSeq(dir, "/") {
		if strings.HasPrefix(part, whiteoutPrefix) {
			return nil, fmt.Errorf("%w: a whiteout is not a directory", ErrInvalid)
		}
	}
	hidden, ok := strings.CutPrefix(name, whiteoutPrefix)
	switch {
	case !ok:
		return nil, nil
	case typeflag != tar.TypeReg && typeflag != tar.TypeLink:
		return nil, fmt.Errorf("%w: a whiteout is a file, not of type %q", ErrInvalid, typeflag)
	case hidden == opaqueSuffix:
		return &Entry{Kind: Opaque, Path: dir}, nil
	case hidden == "" || hidden == "." || hidden == ".." || strings.HasPrefix(hidden, whiteoutPrefix):
		return nil, fmt.Errorf("%w: not a valid whiteout", ErrInvalid)
	case dir == ".":
		return &Entry{Kind: Whiteout, Path: hidden}, nil
	}
	return &Entry{Kind: Whiteout, Path: dir + "/" + hidden}, nil
}
