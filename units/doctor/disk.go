package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// Free bytes on the disk of the data: where one should act, and where the node
// is about to stop.
const (
	lowRoom  = 50 << 30
	fullRoom = 2 << 30
)

// slowSync is a disk that stores databases badly: SSDs take below 2 ms, hard
// disks and networks more.
const slowSync = 20 * time.Millisecond

const freeDisk = "aztec-spartan disk shows what uses it; aztec-spartan gc frees versions"

func (e exam) room(context.Context) []Finding {
	var list []Finding
	if e.Images != "" {
		free, _, err := e.Disk.Room(e.Images)
		switch {
		case err != nil:
			list = append(list, warn("", "the room for images in %s is not known: %v", e.Images, err))
		case free < e.Reserve:
			f := fail(freeDisk, "%s has %s free, less than the reserve of %s: no image can be unpacked", e.Images, bytesOf(free), bytesOf(e.Reserve))
			f.Holds = true
			list = append(list, f)
		default:
			list = append(list, ok("%s has %s free", e.Images, bytesOf(free)))
		}
	}
	if e.Data == "" {
		return list
	}
	free, total, err := e.Disk.Room(e.Data)
	switch {
	case err != nil:
		list = append(list, warn("", "the room for data in %s is not known: %v", e.Data, err))
	case free < fullRoom:
		f := fail(freeDisk, "%s has only %s free: the node is about to stop", e.Data, bytesOf(free))
		f.Holds = true
		list = append(list, f)
	case e.Floor.Disk > 0 && free < lowRoom:
		list = append(list, warn(freeDisk, "%s has %s free", e.Data, bytesOf(free)))
	case total < int64(float64(e.Floor.Disk)*nearly):
		list = append(list, warn(e.config("--data-dir DIR moves the data to a larger disk"), "%s is on a disk of %s, and the role wants %s", e.Data, bytesOf(total), bytesOf(e.Floor.Disk)))
	default:
		list = append(list, ok("%s has %s free", e.Data, bytesOf(free)))
	}
	return list
}

func (e exam) speed(context.Context) []Finding {
	if e.Data == "" {
		return nil
	}
	took, err := e.Disk.Sync(e.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // made at the first start
	case err != nil:
		return one(warn("", "the speed of the disk of %s is not known: %v", e.Data, err))
	case took > slowSync:
		return one(warn(e.config("--data-dir DIR moves the data to a faster disk"), "a small write to %s takes %s to be durable: is it an SSD?", e.Data, took.Round(time.Microsecond)))
	}
	return one(ok("a small write to %s is durable after %s", e.Data, took.Round(time.Microsecond)))
}

func bytesOf(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// Disks are those of the running host.
type Disks struct{}

// Room implements Disk.
func (Disks) Room(dir string) (free, total int64, err error) {
	for {
		var st unix.Statfs_t
		err = unix.Statfs(dir, &st)
		if err == nil {
			return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return 0, 0, err
		}
		dir = filepath.Dir(dir)
	}
}

// Sync implements Disk with a file of its own, which it removes. It takes a
// second at most.
func (Disks) Sync(dir string) (time.Duration, error) {
	file, err := os.CreateTemp(dir, ".aztec-spartan-doctor-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	block := make([]byte, 4096)
	_, _ = rand.Read(block) // never fails: crypto/rand
	var took []time.Duration
	for began := time.Now(); len(took) < 32 && (len(took) == 0 || time.Since(began) < time.Second); {
		start := time.Now()
		if _, err := file.WriteAt(block, int64(len(took))*int64(len(block))); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(file.Fd())); err != nil {
			return 0, err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
