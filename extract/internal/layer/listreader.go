package layer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

// Reader reads a recorded list. It believes nothing in it; what it returns takes no more memory than MaxEntries and MaxText allow.
type Reader struct {
	in      *hashed
	diffID  string
	key     Key
	prev    Entry
	scratch []byte
	count   uint64
	total   int64
	dropped Dropped
	end     error
}

// NewReader starts reading a list. Errors wrap ErrDamaged or ErrSchema, or are those of r.
func NewReader(r io.Reader) (*Reader, error) {
	l := &Reader{in: newHashed(r), scratch: make([]byte, 2*MaxPath)}
	magic := l.scratch[:len(listMagic)]
	if l.in.fill(magic); l.in.err == nil && string(magic) != listMagic {
		l.in.damaged("it does not begin like one")
	}
	schema := l.in.number(math.MaxUint64)
	if l.in.err == nil && schema != listSchema {
		l.in.err = fmt.Errorf("%w: its schema is %d, this one knows %d", ErrSchema, schema, listSchema)
		if schema < listSchema {
			l.in.err = fmt.Errorf("%w: its schema is %d", ErrDamaged, schema)
		}
	}
	l.diffID = l.text(maxDiffID)
	l.in.fill(l.key[:])
	return l, l.in.err
}

// DiffID is what NewWriter was given.
func (l *Reader) DiffID() string { return l.diffID }

// Key is what NewWriter was given. Like the diffID, it is only known to be that after io.EOF.
func (l *Reader) Key() Key { return l.key }

// Dropped is what Close was given. It is known after io.EOF.
func (l *Reader) Dropped() Dropped { return l.dropped }

// Next returns the next entry, which passes Check. Only io.EOF says that the list is whole and what was written: keep nothing
// for good before. Errors wrap ErrDamaged, or are those of the reader.
func (l *Reader) Next() (*Entry, error) {
	if l.end != nil {
		return nil, l.end
	}
	e := l.entry()
	if l.end = l.in.err; l.end != nil {
		return nil, l.end
	}
	if e == nil {
		l.end = l.trailer()
		return nil, l.end
	}
	return e, nil
}

// entry reads an entry, or nil at the end.
func (l *Reader) entry() *Entry {
	kind := Kind(l.in.byte())
	if kind == 0 {
		return nil
	}
	if l.count++; l.count > MaxEntries {
		l.in.damaged("it has too many entries")
		return nil
	}
	c := change(l.in.byte())
	e := &Entry{Kind: kind}
	e.Path = l.path()
	if kind == Symlink || kind == Link {
		e.Target = l.text(MaxPath)
	}
	l.attrs(e, c)
	if kind == File {
		e.Size = int64(l.in.number(math.MaxInt64))
		l.in.fill(e.Digest[:])
	}
	if l.in.err != nil {
		return nil
	}
	if err := e.Check(); err != nil {
		l.in.damaged(err.Error())
		return nil
	}
	if l.total += e.Text(); l.total > MaxText {
		l.in.damaged("its entries are too large")
		return nil
	}
	return e
}

func (l *Reader) path() string {
	shared := l.in.number(uint64(len(l.prev.Path)))
	added := l.in.number(MaxPath)
	path := append(l.scratch[:0], l.prev.Path[:shared]...)
	path = path[:shared+added]
	l.in.fill(path[shared:])
	l.prev.Path = string(path)
	return l.prev.Path
}

func (l *Reader) text(limit uint64) string {
	n := l.in.number(limit)
	if n == 0 {
		return ""
	}
	b := l.scratch
	if n > uint64(len(b)) {
		b = make([]byte, n)
	}
	l.in.fill(b[:n])
	return string(b[:n])
}

func (l *Reader) attrs(e *Entry, c change) {
	allowed := change(0)
	if e.Kind.described() {
		allowed = newMode | newUID | newGID | newSec | newNsec | withXattrs
	}
	if e.Kind == File {
		allowed |= sparse | staged
	}
	if c&^allowed != 0 {
		l.in.damaged("an entry has attributes that its kind has not")
		return
	}
	p := &l.prev
	if c&newMode != 0 {
		p.Mode = uint32(l.in.number(math.MaxUint32))
	}
	if c&newUID != 0 {
		p.UID = uint32(l.in.number(math.MaxUint32))
	}
	if c&newGID != 0 {
		p.GID = uint32(l.in.number(math.MaxUint32))
	}
	if c&newSec != 0 {
		p.MTime.Sec += l.in.signed()
	}
	if c&newNsec != 0 {
		p.MTime.Nsec = uint32(l.in.number(math.MaxUint32))
	}
	if e.Kind.described() {
		e.Attrs = Attrs{Mode: p.Mode, UID: p.UID, GID: p.GID, MTime: p.MTime}
	}
	if c&withXattrs != 0 {
		e.Xattrs = l.xattrs()
	}
	e.Sparse = c&sparse != 0
	if c&staged != 0 {
		n := int64(p.Staged) + l.in.signed()
		if n <= 0 || n > math.MaxUint32 {
			l.in.damaged("a number is out of range")
			return
		}
		p.Staged = uint32(n)
		e.Staged = p.Staged
	}
}

func (l *Reader) xattrs() []Xattr {
	var found []Xattr
	total := 0
	for range l.in.number(MaxXattrs) {
		x := Xattr{l.text(maxXattrName), l.text(MaxXattrs)}
		if total += len(x.Name) + len(x.Value); total > MaxXattrs {
			l.in.damaged("the extended attributes are too large")
		}
		if l.in.err != nil {
			return nil
		}
		found = append(found, x)
	}
	return found
}

func (l *Reader) trailer() error {
	d := &l.dropped
	for _, n := range []*int64{&d.SetIDBits, &d.Devices, &d.FileCapabilities, &d.Xattrs} {
		*n = int64(l.in.number(math.MaxInt64))
	}
	if n := l.in.number(MaxEntries); n != l.count {
		l.in.damaged("the number of entries differs")
	}
	l.in.hash.Write(l.in.part)
	want, sum := l.in.hash.Sum(nil), make([]byte, 32)
	l.in.part = l.in.part[:0]
	l.in.fill(sum)
	if l.in.err != nil {
		return l.in.err
	}
	if !bytes.Equal(want, sum) {
		return fmt.Errorf("%w: its bytes are not those written", ErrDamaged)
	}
	switch _, err := l.in.r.ReadByte(); {
	case err == nil:
		return fmt.Errorf("%w: something follows it", ErrDamaged)
	case !errors.Is(err, io.EOF):
		return err
	}
	return io.EOF
}
