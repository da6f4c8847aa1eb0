package layer_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// long is a path that is as long as paths of layers may be.
var long = strings.Repeat(strings.Repeat("n", 254)+"/", 16) + "e"

// TestScanKeepsLittle checks that entries hold on to nothing that is not theirs: archive/tar returns parts of one string with all
// records.
func TestScanKeepsLittle(t *testing.T) {
	pad := strings.Repeat("z", 1000<<10)
	var archives [][]byte
	for i := range 64 {
		name := fmt.Sprint(strings.Repeat("n", 120), i)
		padded := func(e *Entry) { e.Header.PAXRecords = map[string]string{"VENDOR.pad": pad, "SCHILY.xattr.user.a": "v"} }
		archives = append(archives, Layer(t, File(name, "", padded), Symlink(name, name, padded), Link(name, name, padded), Whiteout(name)))
	}
	live := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := live()
	var kept []layer.Entry
	for _, raw := range archives {
		entries, _, _, err := scan(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, entries...)
	}
	if grown := live() - before; grown > 4<<20 {
		t.Errorf("%d entries hold on to %d MiB", len(kept), grown>>20)
	}
	runtime.KeepAlive(archives)
	runtime.KeepAlive(kept)
}

// TestTextCap reads, writes and reads back entries that are each allowed, until all of them together are not.
func TestTextCap(t *testing.T) {
	fits := layer.MaxText / len(long)
	one := Layer(t, File(long, ""))
	one = one[:len(one)-1024]
	s := layer.NewScanner(&repeat{one: one, left: 2 * fits * len(one)})
	n := 0
	var err error
	for ; err == nil && n < 2*fits; n++ {
		_, _, err = s.Next()
	}
	if n != fits+1 || !errors.Is(err, layer.ErrInvalid) || !strings.Contains(err.Error(), "over 64 MiB") {
		t.Errorf("scanning: %v after %d entries, want an invalid layer after %d", err, n, fits+1)
	}

	w := layer.NewWriter(io.Discard, "", layer.Key{1})
	for n, err = 0, nil; err == nil && n < 2*fits; n++ {
		err = w.Write(&layer.Entry{Kind: layer.Whiteout, Path: long})
	}
	if n != fits+1 || !errors.Is(err, layer.ErrInvalid) {
		t.Errorf("writing: %v after %d entries, want an invalid layer after %d", err, n, fits+1)
	}

	// One that another program wrote: its entries share the whole path with the first, so the list is small.
	var list bytes.Buffer
	w = layer.NewWriter(&list, "", layer.Key{1})
	for range 2 {
		if err := w.Write(&layer.Entry{Kind: layer.Whiteout, Path: long}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(layer.Dropped{}); err != nil {
		t.Fatal(err)
	}
	again := []byte{byte(layer.Whiteout), 0, 0x80 | byte(len(long)&0x7f), byte(len(long) >> 7), 0}
	at := bytes.Index(list.Bytes(), again)
	if at < 0 {
		t.Fatal("the second entry is not where it was")
	}
	r, err := layer.NewReader(io.MultiReader(bytes.NewReader(list.Bytes()[:at]), &repeat{one: again, left: 2 * fits * len(again)}))
	if err != nil {
		t.Fatal(err)
	}
	for n = 0; err == nil && n < 2*fits; n++ {
		_, err = r.Next()
	}
	if n != fits+1 || !errors.Is(err, layer.ErrDamaged) || !strings.Contains(err.Error(), "too large") {
		t.Errorf("reading: %v after %d entries, want a damaged list after %d", err, n, fits+1)
	}
}
