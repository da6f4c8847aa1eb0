package rootfs

import (
	"errors"
	"fmt"
	"hash"
	"io"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

const (
	checkBuffer = 128 << 10
	// From this size on, in bytes, a file is read faster if the kernel is told to read further ahead.
	longFile = 1 << 20
)

// job is an open file whose contents are to be compared.
type job struct {
	node *node
	fd   int
}

// file checks x, which is a regular file, and leaves its contents to the workers.
func (k *checker) file(x *node, dirfd int, st *unix.Stat_t) error {
	if want := x.inode.entry.Size; st.Size != want {
		k.tell(k.found(x, fixInode, fmt.Sprintf("%d bytes, not %d", st.Size, want)))
		return nil
	}
	fd, err := unix.Openat(dirfd, x.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		k.tell(k.found(x, fixInode, "it cannot be read: "+err.Error()))
		return nil
	}
	if err := k.attrs(x, fd, st); err != nil {
		unix.Close(fd)
		return err
	}
	select {
	case k.jobs <- job{x, fd}:
		return nil
	case <-k.ctx.Done():
		unix.Close(fd)
		return k.ctx.Err()
	}
}

// work compares contents until there are no more.
func (k *checker) work() {
	h, buf := k.key.Hash(), make([]byte, checkBuffer)
	for j := range k.jobs {
		what, err := k.contents(j, h, buf)
		unix.Close(j.fd)
		if err == nil && what != "" {
			k.tell(k.found(j.node, fixInode, what))
		}
	}
}

// contents says what is wrong with them. The error is the context's.
func (k *checker) contents(j job, h hash.Hash, buf []byte) (string, error) {
	e := j.node.inode.entry
	if e.Size >= longFile {
		// Advice: without it reading is only slower.
		_ = unix.Fadvise(j.fd, 0, 0, unix.FADV_SEQUENTIAL)
	}
	h.Reset()
	n, err := io.CopyBuffer(h, io.LimitReader(fdReader{k, j.fd}, e.Size+1), buf)
	if k.ctx.Err() != nil {
		return "", k.ctx.Err()
	}
	switch {
	case err != nil:
		return "it cannot be read: " + err.Error(), nil
	case n != e.Size:
		return fmt.Sprintf("%d bytes, not %d", n, e.Size), nil
	case n > 0 && layer.Digest(h.Sum(buf[:0])) != e.Digest:
		return "other contents", nil
	}
	return "", nil
}

// fdReader reads a descriptor without the poller that os.File would bring to each of many small files.
type fdReader struct {
	k  *checker
	fd int
}

func (r fdReader) Read(p []byte) (int, error) {
	for r.k.ctx.Err() == nil {
		n, err := unix.Read(r.fd, p)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
	return 0, r.k.ctx.Err()
}
