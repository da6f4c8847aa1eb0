package layer

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// A recorded list is, in order, with all numbers as varints (encoding/binary):
//
//	magic, schema, diffID, key
//	of each entry: its kind, what differs from the entry before it (change), and that, see Writer.Write
//	0, the four counts of Dropped, the number of entries
//	the SHA-256 of all the above
//
// Most entries have the attributes of their neighbour and most of its path, so one takes some 60 bytes, half of them the digest.
const (
	listMagic  = "\x89aslist\n" // not text, and damaged by what changes line ends
	listSchema = 2
	maxDiffID  = 256
	listBuffer = 32 << 10
)

// Errors of reading a list, which is this program's own file: it is damaged by accident, or newer than the program.
var (
	ErrDamaged = errors.New("damaged list of a layer")
	ErrSchema  = errors.New("list of a layer written by a newer version of this program")
)

// change says what follows an entry's kind.
type change uint8

const (
	newMode change = 1 << iota
	newUID
	newGID
	newSec
	newNsec
	withXattrs
	sparse
	staged
)

// Writer records the list of one layer.
type Writer struct {
	w     io.Writer
	hash  hash.Hash
	buf   []byte
	prev  Entry // what the next entry is written as the difference from
	count uint64
	total int64
	err   error
}

// NewWriter starts the list of the layer with the given diffID, 256 bytes at most, and with digests under key. The caller closes w,
// after Close.
func NewWriter(w io.Writer, diffID string, key Key) *Writer {
	l := &Writer{w: w, hash: sha256.New(), buf: make([]byte, 0, listBuffer+2*MaxPath)}
	if len(diffID) > maxDiffID {
		l.err = fmt.Errorf("recording a layer: its diffID has %d bytes", len(diffID))
	}
	l.buf = append(l.buf, listMagic...)
	l.number(listSchema)
	l.text(diffID)
	l.buf = append(l.buf, key[:]...)
	return l
}

// Write records e, which must pass Check. Attributes that its kind has no use for are not kept.
func (l *Writer) Write(e *Entry) error {
	if l.err != nil {
		return l.err
	}
	if l.err = e.Check(); l.err != nil {
		return l.err
	}
	if l.count++; l.count > MaxEntries {
		l.err = fmt.Errorf("%w: more than %d entries", ErrInvalid, MaxEntries)
		return l.err
	}
	if l.total += e.Text(); l.total > MaxText {
		l.err = errText()
		return l.err
	}
	c := l.change(e)
	l.buf = append(l.buf, byte(e.Kind), byte(c))
	shared := commonPrefix(l.prev.Path, e.Path)
	l.number(uint64(shared))
	l.text(e.Path[shared:])
	l.prev.Path = e.Path
	if e.Kind == Symlink || e.Kind == Link {
		l.text(e.Target)
	}
	l.attrs(e, c)
	if e.Kind == File {
		l.number(uint64(e.Size))
		l.buf = append(l.buf, e.Digest[:]...)
	}
	if len(l.buf) >= listBuffer {
		l.flush()
	}
	return l.err
}

func (l *Writer) change(e *Entry) change {
	var c change
	set := func(differs bool, bit change) {
		if differs {
			c |= bit
		}
	}
	if e.Kind.described() {
		set(e.Mode != l.prev.Mode, newMode)
		set(e.UID != l.prev.UID, newUID)
		set(e.GID != l.prev.GID, newGID)
		set(e.MTime.Sec != l.prev.MTime.Sec, newSec)
		set(e.MTime.Nsec != l.prev.MTime.Nsec, newNsec)
		set(len(e.Xattrs) > 0, withXattrs)
	}
	if e.Kind == File {
		set(e.Sparse, sparse)
		set(e.Staged != 0, staged)
	}
	return c
}

func (l *Writer) attrs(e *Entry, c change) {
	if c&newMode != 0 {
		l.number(uint64(e.Mode))
		l.prev.Mode = e.Mode
	}
	if c&newUID != 0 {
		l.number(uint64(e.UID))
		l.prev.UID = e.UID
	}
	if c&newGID != 0 {
		l.number(uint64(e.GID))
		l.prev.GID = e.GID
	}
	if c&newSec != 0 {
		l.buf = binary.AppendVarint(l.buf, e.MTime.Sec-l.prev.MTime.Sec)
		l.prev.MTime.Sec = e.MTime.Sec
	}
	if c&newNsec != 0 {
		l.number(uint64(e.MTime.Nsec))
		l.prev.MTime.Nsec = e.MTime.Nsec
	}
	if c&withXattrs != 0 {
		l.number(uint64(len(e.Xattrs)))
		for _, x := range e.Xattrs {
			l.text(x.Name)
			l.text(x.Value)
		}
	}
	if c&staged != 0 {
		l.buf = binary.AppendVarint(l.buf, int64(e.Staged)-int64(l.prev.Staged))
		l.prev.Staged = e.Staged
	}
}

// Close ends the list; without it, it is a damaged one.
func (l *Writer) Close(d Dropped) error {
	if l.err != nil {
		return l.err
	}
	l.number(0)
	for _, n := range []int64{d.SetIDBits, d.Devices, d.FileCapabilities, d.Xattrs} {
		l.number(uint64(n))
	}
	l.number(l.count)
	l.flush()
	if l.err == nil {
		_, l.err = l.w.Write(l.hash.Sum(nil))
	}
	return l.err
}

func (l *Writer) number(n uint64) { l.buf = binary.AppendUvarint(l.buf, n) }

func (l *Writer) text(s string) {
	l.number(uint64(len(s)))
	l.buf = append(l.buf, s...)
}

func (l *Writer) flush() {
	l.hash.Write(l.buf)
	_, l.err = l.w.Write(l.buf)
	l.buf = l.buf[:0]
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// hashed is a buffered reader that hashes what was taken from it. After the first error it yields zeros, so that callers need
// not look at each one.
type hashed struct {
	r    *bufio.Reader
	hash hash.Hash
	part []byte // taken, not hashed yet
	err  error
}

func newHashed(r io.Reader) *hashed {
	return &hashed{r: bufio.NewReaderSize(r, listBuffer), hash: sha256.New(), part: make([]byte, 0, listBuffer)}
}

// ReadByte is for binary.ReadUvarint.
func (h *hashed) ReadByte() (byte, error) {
	if h.err != nil {
		return 0, h.err
	}
	b, err := h.r.ReadByte()
	if err != nil {
		h.fail(err)
		return 0, h.err
	}
	h.part = append(h.part, b)
	h.full()
	return b, nil
}

func (h *hashed) full() {
	if len(h.part) >= listBuffer {
		h.hash.Write(h.part)
		h.part = h.part[:0]
	}
}

func (h *hashed) fail(err error) {
	switch {
	case h.err != nil:
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		h.err = fmt.Errorf("%w: it is cut short", ErrDamaged)
	default:
		h.err = err
	}
}

func (h *hashed) damaged(what string) {
	if h.err == nil {
		h.err = fmt.Errorf("%w: %s", ErrDamaged, what)
	}
}

// fill reads len(p) bytes.
func (h *hashed) fill(p []byte) {
	if h.err != nil {
		return
	}
	if _, err := io.ReadFull(h.r, p); err != nil {
		h.fail(err)
		return
	}
	h.part = append(h.part, p...)
	h.full()
}

func (h *hashed) byte() byte {
	b, _ := h.ReadByte() // remembered
	return b
}

// number reads a varint that is limit at most.
func (h *hashed) number(limit uint64) uint64 {
	n, err := binary.ReadUvarint(h)
	switch {
	case h.err != nil:
		return 0
	case err != nil || n > limit:
		h.damaged("a number is out of range")
		return 0
	}
	return n
}

func (h *hashed) signed() int64 {
	n, err := binary.ReadVarint(h)
	if err != nil {
		h.damaged("a number is out of range")
		return 0
	}
	return n
}
