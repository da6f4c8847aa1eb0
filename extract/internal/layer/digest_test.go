package layer_test

import (
	"bytes"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

func TestDigest(t *testing.T) {
	one, other := layer.NewKey(), layer.NewKey()
	if one == other {
		t.Fatal("two keys are the same")
	}
	if got := one.Of(nil); got != (layer.Digest{}) {
		t.Errorf("of no contents it is %x", got)
	}
	for _, size := range []int{1, 31, 32, 33, 1000, 1 << 20} {
		b := bytes.Repeat([]byte{7}, size)
		h := one.Hash()
		h.Write(b[:size/3])
		h.Write(b[size/3:])
		if got := layer.Digest(h.Sum(nil)); got != one.Of(b) {
			t.Errorf("%d bytes: in pieces %x, at once %x", size, got, one.Of(b))
		}
		if one.Of(b) == other.Of(b) {
			t.Errorf("%d bytes: the key makes no difference", size)
		}
		changed := bytes.Clone(b)
		changed[size-1] ^= 1
		if one.Of(b) == one.Of(changed) {
			t.Errorf("%d bytes: the last one makes no difference", size)
		}
	}
}
