package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

const (
	defaultMaxBytes = 64 << 30
	// maxWindow bounds the memory that a zstd frame may ask for, in bytes. RFC 8878, section 3.1.1.1.2, asks for 8 MiB at least;
	// zstd goes beyond 32 MiB only with --ultra or --long.
	maxWindow = 32 << 20
)

// membersOf finds the members of the archive in r.
func membersOf(ctx context.Context, r io.Reader, o Options) (*packed, error) {
	if f, ok := r.(*os.File); ok {
		st, err := f.Stat()
		switch {
		case err != nil:
			return nil, err
		case st.IsDir():
			return nil, fmt.Errorf("%w: it is a directory", ErrInvalid)
		case st.Mode().IsRegular():
			at, err := f.Seek(0, io.SeekCurrent)
			if err != nil {
				return nil, err
			}
			section := io.NewSectionReader(f, at, st.Size()-at)
			head := make([]byte, headSize)
			n, err := section.ReadAt(head, 0)
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			if compression(head[:n]) == none {
				if err := checkHead(head[:n]); err != nil {
					return nil, err
				}
				return index(ctx, section, nil)
			}
			r = section
		default:
			r = &pipe{ctx: ctx, file: f}
		}
	}
	file, size, err := spool(ctx, r, o)
	if err != nil {
		return nil, err
	}
	p, err := index(ctx, io.NewSectionReader(file, 0, size), file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return p, nil
}

// spool writes what r has, uncompressed, to a temporary file.
func spool(ctx context.Context, r io.Reader, o Options) (*os.File, int64, error) {
	src := &source{ctx: ctx, r: r}
	in := bufio.NewReaderSize(src, 64<<10)
	head, _ := in.Peek(headSize) // source keeps the error
	if src.err != nil {
		return nil, 0, src.err
	}
	if compression(head) != none {
		inflate := o.Inflate
		if inflate == nil {
			inflate = decompressor
		}
		z, err := inflate(in)
		if err != nil {
			return nil, 0, src.blame(err)
		}
		defer z.Close()
		in = bufio.NewReaderSize(z, 64<<10)
		if head, err = in.Peek(headSize); err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, src.blame(err)
		}
		if compression(head) != none {
			return nil, 0, fmt.Errorf("%w: it is compressed twice", ErrInvalid)
		}
	}
	if err := checkHead(head); err != nil {
		return nil, 0, err
	}
	file, err := unnamed(o.TempDir)
	if err != nil {
		return nil, 0, err
	}
	size, err := src.pour(file, in, o.MaxBytes)
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, size, nil
}

// source keeps the error of what is read, so that whoever undoes the compression cannot disguise it, and stops with its context.
type source struct {
	ctx context.Context
	r   io.Reader
	err error // other than io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// blame finds out whose fault an error of reading is.
func (s *source) blame(err error) error {
	if s.err != nil {
		return s.err
	}
	return explain(err)
}

// pour copies all of in, and at most limit bytes.
func (s *source) pour(file *os.File, in io.Reader, limit int64) (int64, error) {
	if limit <= 0 {
		limit = defaultMaxBytes
	}
	var (
		size int64
		buf  = make([]byte, 256<<10)
	)
	for {
		// Compressed zeros come out for a long time without a read from the source.
		if err := s.ctx.Err(); err != nil {
			return 0, err
		}
		n, err := in.Read(buf)
		if size += int64(n); size > limit {
			return 0, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
		}
		if _, err := file.Write(buf[:n]); err != nil {
			return 0, err
		}
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return 0, s.blame(err)
		}
	}
}

func decompressor(r io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReader(r)
	head, err := in.Peek(4)
	if err != nil {
		return nil, err
	}
	if compression(head) == gzipped {
		return gzip.NewReader(in)
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// unnamed makes a file that no one else sees and that is gone with the process.
func unnamed(dir string) (*os.File, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
	// open(2), O_TMPFILE: file systems without it answer EOPNOTSUPP.
	if !errors.Is(err, unix.EOPNOTSUPP) {
		return f, err
	}
	if f, err = os.CreateTemp(dir, ".archive-*"); err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// pipe reads a pipe or a device without being stuck in a read when its context ends. Deadlines serve only files that were not
// opened by someone else: standard input has none.
type pipe struct {
	ctx  context.Context
	file *os.File
}

func (p *pipe) Read(b []byte) (int, error) {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	for ready := false; !ready; {
		if err := p.ctx.Err(); err != nil {
			return 0, err
		}
		var failed error
		if err := conn.Control(func(fd uintptr) { ready, failed = readable(fd) }); err != nil {
			return 0, err
		}
		if failed != nil {
			return 0, failed
		}
	}
	return p.file.Read(b)
}

// readable waits for a while. The end of a file counts as something to read.
func readable(fd uintptr) (bool, error) {
	const milliseconds = 200
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, milliseconds)
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, os.NewSyscallError("poll", err)
}
