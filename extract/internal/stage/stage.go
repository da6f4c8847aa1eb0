package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

const (
	// bufferSize is what one worker takes at a time: many small files, or a piece of a large one. Bytes.
	bufferSize = 512 << 10
	// buffers bounds the memory of all layers together.
	buffers = 8
)

// Stats says what was done with contents of files.
type Stats struct {
	Written int64 // bytes, to disk
	Shared  int64 // bytes, linked to, or cloned from, what another version has
	Xattrs  int64 // number of attributes that could not be given to files made by Place, and that no layer counts
}

// Stage is where the layers of one image are put aside. Layers may be read at the same time.
type Stage struct {
	key    layer.Key
	index  *Index
	budget *Budget
	free   chan []byte
	jobs   chan job
	pool   errgroup.Group
	clones atomic.Bool // the file system has not refused to clone yet

	written, shared atomic.Int64
	claimed         atomic.Int64 // bytes of sparse files, holes and all

	linked lastDir      // of Place
	taken  spot         // of Place
	lost   atomic.Int64 // attributes that files made by Place did not get

	mu   sync.Mutex
	dirs map[int]*dir // by number of the layer
}

// job is something for a worker.
type job interface{ run(w *worker) }

// New starts the workers for so many layers at a time, and makes the directory path for what they put aside. The digests are under key,
// as those of the index have to be. The index and the budget stay the caller's.
func New(path string, layers int, key layer.Key, index *Index, budget *Budget) (*Stage, error) {
	s := &Stage{
		key: key, index: index, budget: budget,
		free: make(chan []byte, buffers), jobs: make(chan job, buffers), dirs: map[int]*dir{},
	}
	base, err := s.openDir(path)
	if err != nil {
		return nil, err
	}
	if err := base.Close(); err != nil {
		return nil, err
	}
	s.clones.Store(true)
	for range buffers {
		s.free <- make([]byte, 0, bufferSize)
	}
	// Every layer can keep one worker waiting for the rest of a large file. One more makes sure that buffers come back.
	for range max(layers, runtime.GOMAXPROCS(0)) + 1 {
		s.pool.Go(func() error { return newWorker().run(s.jobs) })
	}
	return s, nil
}

// Close ends the workers. What was put aside stays. Nothing may be in use any more.
func (s *Stage) Close() error {
	close(s.jobs)
	errs := []error{s.pool.Wait(), s.linked.close(), s.taken.leave()}
	for _, d := range s.dirs {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}

// Stats returns what was done so far.
func (s *Stage) Stats() Stats {
	return Stats{Written: s.written.Load(), Shared: s.shared.Load(), Xattrs: s.lost.Load()}
}

// Open says where the contents of layer n of the image are put aside: the directory path, which is made if need be. What is kept there
// is linked from there; otherwise Place and PlaceDir take it away.
func (s *Stage) Open(n int, path string, keep bool) error {
	d, err := s.openDir(path)
	if err != nil {
		return err
	}
	d.kept = keep
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.dirs[n]
	s.dirs[n] = d
	if old != nil {
		return old.Close()
	}
	return nil
}

func (s *Stage) dir(n int) *dir {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirs[n]
}

// Layer reads the plain tar archive of layer n, which must be open, up to its end mark, and gives its entries to emit, in their
// order and with their contents put aside. Errors that wrap layer.ErrInvalid are the layer's fault, those that wrap ErrSpace the
// disk's.
func (s *Stage) Layer(ctx context.Context, n int, archive io.Reader, emit func(*layer.Entry) error) (layer.Dropped, error) {
	return s.read(ctx, s.dir(n), archive, nil, emit)
}

// read is Layer for a directory. Files that are not wanted are hashed only; nil wants all.
func (s *Stage) read(
	parent context.Context, d *dir, archive io.Reader, wanted func(layer.Digest) bool, emit func(*layer.Entry) error,
) (layer.Dropped, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	r := &reader{
		s: s, ctx: ctx, cancel: cancel, dir: d, wanted: wanted, scanner: layer.NewScanner(archive), out: make(chan *pending, 4096),
		numbers: map[string]uint32{},
	}
	var emitted error
	var consumer sync.WaitGroup
	consumer.Go(func() {
		for p := range r.out {
			<-p.done
			if emitted == nil && p.err != nil {
				emitted = fmt.Errorf("entry %.200q: %w", p.entry.Path, p.err)
			}
			if emitted == nil {
				emitted = emit(p.entry)
			}
			if emitted != nil {
				cancel(emitted)
			}
		}
	})
	err := r.run()
	close(r.out)
	consumer.Wait()
	// What cancelled the reading is the cause, not that it was cancelled; and what ended it early, not that a file is short.
	if err == nil {
		err = emitted
	}
	if cause := context.Cause(ctx); err != nil && errors.Is(err, ctx.Err()) && cause != context.Cause(parent) {
		err = cause
	}
	if err != nil || wanted != nil {
		s.claimed.Add(-r.claimed)
	}
	dropped := r.scanner.Dropped()
	dropped.Xattrs += d.dropped.Swap(0)
	return dropped, err
}
