package stage

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// maxClaim keeps sums of claims from overflowing. No file system is as large, in bytes.
const maxClaim = 1 << 56

// claim makes sure that there is room for a sparse file of size bytes and for all others of the image, as if they had no holes:
// whoever fills those later must find the room, and a few bytes of an archive can claim any number of them, to be hashed.
func (r *reader) claim(size int64) error {
	size = min(size, maxClaim)
	r.claimed += size
	return r.s.budget.Fits(r.s.claimed.Add(size))
}

// hole is the granularity of holes, in bytes: what file systems use as a block.
const hole = 4 << 10

// writeSparse leaves out blocks of zeros.
func (l *large) writeSparse(b []byte) error {
	for at := l.size; len(b) > 0; {
		n := min(len(b), hole)
		if !bytes.Equal(b[:n], zeros[:n]) {
			if err := l.r.s.budget.take(int64(n)); err != nil {
				return err
			}
			if _, err := unix.Pwrite(l.file.fd, b[:n], at); err != nil {
				return err
			}
			l.r.s.written.Add(int64(n))
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}

var zeros [hole]byte
