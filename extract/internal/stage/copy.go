package stage

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// copyRange copies the first n bytes of from to to, in the kernel where it can: copy_file_range(2).
func copyRange(from, to int, n int64) error {
	var off int64
	for off < n {
		copied, err := unix.CopyFileRange(from, &off, to, nil, int(min(n-off, 1<<30)), 0)
		if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
			return copySlow(from, to, off, n)
		}
		if err != nil {
			return err
		}
		if copied == 0 {
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}

func copySlow(from, to int, off, n int64) error {
	buf := make([]byte, 256<<10)
	for off < n {
		read, err := unix.Pread(from, buf[:min(n-off, int64(len(buf)))], off)
		if err != nil {
			return err
		}
		if read == 0 {
			return io.ErrUnexpectedEOF
		}
		if err := writeAll(to, buf[:read]); err != nil {
			return err
		}
		off += int64(read)
	}
	return nil
}
