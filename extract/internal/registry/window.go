package registry

import "sync"

// What all blobs of a repository may use at once. By BenchmarkBlob, 50 ms from a registry that gives 10 MB/s to a connection,
// this is 70 MB/s; 2 MiB in 13 buffers are 65 MB/s, and one connection is 10 MB/s.
const (
	chunkSize = 1 << 20
	buffers   = 16
	conns     = 8
)

// window shares buffers and connections out among the blobs that are being read.
//
// A blob is fetched by spans, each into one buffer and by one connection at a time, and a buffer is free again when the reader
// has had all of it. Every blob has a right to an equal share, and one buffer is kept for a blob that has none. When even that
// is gone, a blob that is waited for takes one from a blob whose reader is away, which must fetch that span once more when it
// comes back: so it is that three readers may wait for each other in any order, however many buffers there are.
type window struct {
	chunk   int64
	buffers int
	conns   int

	mu       sync.Mutex
	free     [][]byte
	used     int // buffers
	active   int // connections
	dropping int // spans whose buffers are about to be free
	blobs    []*Blob
}

func newWindow() *window { return &window{chunk: chunkSize, buffers: buffers, conns: conns} }

// add makes b one of those that share. The caller holds no lock.
func (w *window) add(b *Blob) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blobs = append(w.blobs, b)
	w.schedule()
}

// schedule gives out what is free, and takes back what it must. The caller holds the lock, and calls it after every change.
func (w *window) schedule() {
	for w.active < w.conns && w.used < w.buffers {
		b := w.pick()
		if b == nil {
			break
		}
		b.grant(w.take())
	}
	if w.dropping == 0 {
		w.reclaim()
	}
}

// pick chooses the blob to have the next buffer: the first without any, those that are waited for before others; and while there
// is more than one buffer left, that which has fewest of those below their share or, beyond that, waited for.
func (w *window) pick() *Blob {
	var empty, fewest *Blob
	share := w.share()
	for _, b := range w.blobs {
		switch n := len(b.spans); {
		case !b.wants():
		case n == 0 && (empty == nil || b.waiting && !empty.waiting):
			empty = b
		case n > 0 && (n < share || b.waiting) && (fewest == nil || n < len(fewest.spans)):
			fewest = b
		}
	}
	if empty == nil && w.buffers-w.used > 1 {
		return fewest
	}
	return empty
}

// share is how many buffers a blob may have without having been asked for more.
func (w *window) share() int {
	n := 0
	for _, b := range w.blobs {
		if b.err == nil && (b.next < b.size || len(b.spans) > 0) {
			n++
		}
	}
	return max(1, (w.buffers-1)/max(n, 1))
}

// reclaim drops a span for a blob that is waited for and has too little: nothing at all, or less than its share while another
// blob has more than that and has not been read for long.
func (w *window) reclaim() {
	full, busy := w.used == w.buffers, w.active == w.conns
	share := w.share()
	var starving, short bool
	for _, b := range w.blobs {
		if b.waiting && b.wants() {
			starving = starving || len(b.spans) == 0
			short = short || len(b.spans) < share
		}
	}
	var victim *Blob
	for _, b := range w.blobs {
		n := len(b.spans)
		if n == 0 || b.waiting || n == 1 && b.pinned {
			continue
		}
		greedy := short && n > share && b.idle > w.chunk && w.used >= w.buffers-1
		hungry := starving && (full || busy && b.stuck())
		if (greedy || hungry) && (victim == nil || n > len(victim.spans) || n == len(victim.spans) && b.idle > victim.idle) {
			victim = b
		}
	}
	if victim != nil {
		victim.drop()
	}
}

func (w *window) take() []byte {
	w.used++
	if n := len(w.free); n > 0 {
		buf := w.free[n-1]
		w.free = w.free[:n-1]
		return buf
	}
	return make([]byte, w.chunk)
}

func (w *window) give(buf []byte) {
	w.used--
	w.free = append(w.free, buf)
}
