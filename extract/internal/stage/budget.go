package stage

import (
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// ErrSpace says that the disk holds no more, or that what it holds is kept free on purpose.
var ErrSpace = errors.New("not enough disk space")

// Budget is the space that may be used on one file system.
type Budget struct {
	fd      int
	reserve int64
	written atomic.Int64 // since the file system was last asked, in bytes
	names   atomic.Int64 // likewise
	steps   atomic.Int64
	heaps   chan struct{}
}

const (
	// step is how much is written between two looks at the file system, in bytes.
	step = 16 << 20
	// heap is how many steps are worth a write to the disk: enough to keep it busy, and little to wait for in the end.
	heap = 8
	// stepNames is how many names are made.
	stepNames = 1000
	// perName is what a name takes on top of contents, in bytes: an inode, its part of a directory, the rest of a block.
	perName = 4 << 10
)

// NewBudget watches the file system of the open directory fd, of which reserve bytes stay free, and a thousandth of its inodes.
func NewBudget(fd int, reserve int64) *Budget {
	return &Budget{fd: fd, reserve: reserve, heaps: make(chan struct{}, 1)}
}

// Heaps gets a value when 128 MiB more were written, unless the last has not been taken yet.
func (b *Budget) Heaps() <-chan struct{} { return b.heaps }

// Fits says whether n bytes more would leave the reserve alone. Errors wrap ErrSpace.
func (b *Budget) Fits(n int64) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(b.fd, &st); err != nil {
		return err
	}
	free := int64(st.Bavail) * st.Frsize
	if free-n < b.reserve {
		return fmt.Errorf("%w: %s needed, and %s of %s free to be left, but only %s are free",
			ErrSpace, size(n), size(b.reserve), size(int64(st.Blocks)*st.Frsize), size(free))
	}
	// File systems without fixed inode tables report none.
	if st.Files > 0 && st.Ffree < st.Files/1000+1 {
		return fmt.Errorf("%w: %d of %d inodes are free", ErrSpace, st.Ffree, st.Files)
	}
	return nil
}

// Left is how many bytes may be written before the reserve is touched.
func (b *Budget) Left() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(b.fd, &st); err != nil {
		return 0, err
	}
	return max(int64(st.Bavail)*st.Frsize-b.reserve, 0), nil
}

// Take accounts for one name about to be made, of a file with n bytes or of anything else. Now and then it looks at the file
// system; errors wrap ErrSpace.
func (b *Budget) Take(n int64) error {
	if b.names.Add(1) >= stepNames {
		b.names.Store(0)
		return b.Fits(n + perName)
	}
	return b.take(n + perName)
}

// take accounts for n bytes about to be written.
func (b *Budget) take(n int64) error {
	if b.written.Add(n) < step {
		return nil
	}
	// Whoever adds something before this is over the step too, and looks for itself.
	b.written.Store(0)
	if b.steps.Add(1)%heap == 0 {
		select {
		case b.heaps <- struct{}{}:
		default:
		}
	}
	return b.Fits(n)
}

func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", (n+1023)>>10)
}
