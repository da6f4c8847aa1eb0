package stage

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// scratchSize is what comparing takes, in bytes. Lists of attributes and their values are no larger: XATTR_LIST_MAX
// and XATTR_SIZE_MAX of linux/limits.h.
const scratchSize = 64 << 10

// equals says whether the file fd has b at the offset at.
func equals(fd int, at int64, b, scratch []byte) bool {
	for len(b) > 0 {
		n, err := unix.Pread(fd, scratch[:min(len(b), len(scratch))], at)
		if err != nil || n == 0 || !bytes.Equal(b[:n], scratch[:n]) {
			return false
		}
		b, at = b[n:], at+int64(n)
	}
	return true
}

// equalFiles says whether the first size bytes of the files a and b are the same.
func equalFiles(a, b int, size int64, scratch []byte) bool {
	var sa, sb unix.Stat_t
	if unix.Fstat(a, &sa) != nil || unix.Fstat(b, &sb) != nil {
		return false
	}
	if sa.Dev == sb.Dev && sa.Ino == sb.Ino {
		return true
	}
	one, other := scratch[:len(scratch)/2], scratch[len(scratch)/2:]
	for at := int64(0); at < size; {
		n, err := unix.Pread(a, one[:min(size-at, int64(len(one)))], at)
		if err != nil || n == 0 || !equals(b, at, one[:n], other) {
			return false
		}
		at += int64(n)
	}
	return true
}

// hasXattrs says whether want is what the file fd has of attributes that layers can set.
func hasXattrs(fd int, want []layer.Xattr, scratch []byte) bool {
	n, err := unix.Flistxattr(fd, scratch)
	if err != nil && !errors.Is(err, unix.ENOTSUP) {
		return false
	}
	found := 0
	for name := range bytes.SplitSeq(scratch[:max(n, 0)], []byte{0}) {
		if bytes.HasPrefix(name, []byte("user.")) {
			found++
		}
	}
	if found != len(want) {
		return false
	}
	for _, x := range want {
		n, err := unix.Fgetxattr(fd, x.Name, scratch)
		if err != nil || string(scratch[:n]) != x.Value {
			return false
		}
	}
	return true
}

// digest hashes the first size bytes of the file fd, or what there is of them.
func (s *Stage) digest(fd int, size int64, scratch []byte) (d layer.Digest, err error) {
	h := s.key.Hash()
	for at := int64(0); at < size; {
		n, err := unix.Pread(fd, scratch[:min(size-at, int64(len(scratch)))], at)
		if err != nil {
			return d, err
		}
		if n == 0 {
			break
		}
		h.Write(scratch[:n])
		at += int64(n)
	}
	h.Sum(d[:0])
	return d, nil
}
