package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"
)

// member is a whole one of nothing but a final, empty stored block.
func member(flags byte, fields ...[]byte) []byte {
	head := join([]byte{0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255}, join(fields...))
	if flags&flagHeaderCRC != 0 {
		head = binary.LittleEndian.AppendUint16(head, uint16(crc32.ChecksumIEEE(head)))
	}
	return join(head, []byte{1, 0, 0, 0xff, 0xff}, make([]byte, 8))
}

func TestMembers(t *testing.T) {
	t.Parallel()
	plain := sourceTar(t, 40<<10)
	blob := gz(t, plain)
	wrong := func(at int, to byte) []byte {
		b := bytes.Clone(blob)
		if at < 0 {
			at += len(b)
		}
		b[at] ^= to
		return b
	}
	// A match that reaches into the member before.
	var far bitWriter
	far.block(true, 1).fixed(257).code(1, 5).fixed(256)
	reach := join(gz(t, []byte("ab")), []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, far.b, make([]byte, 8))
	long := bytes.Repeat([]byte{'n'}, inSize+100)
	crcWrong := member(flagHeaderCRC)
	crcWrong[10] ^= 1
	for _, c := range []struct {
		name  string
		blob  []byte
		want  []byte
		err   error
		agree bool // with compress/gzip
	}{
		{"one", blob, plain, nil, true},
		{"three", join(blob, blob, blob), join(plain, plain, plain), nil, true},
		{"empty ones between", join(member(0), blob, member(0), member(0), blob, member(0)), join(plain, plain), nil, true},
		{"match into the member before", reach, []byte("ab"), ErrCorrupt, true},
		{"name", join(member(flagName, []byte("name\x00")), blob), plain, nil, true},
		{"name longer than the buffer", join(member(flagName, long, []byte{0}), blob), plain, nil, false}, // Go takes 512 bytes
		{"name without end", join(blob, member(flagName, long)[:inSize+50]), plain, io.ErrUnexpectedEOF, true},
		{"comment", member(flagComment, []byte("\x00")), nil, nil, true},
		{"extra", member(flagExtra, []byte{3, 0, 1, 2, 3}), nil, nil, true},
		{"extra of 64 KiB", member(flagExtra, []byte{255, 255}, make([]byte, 65535)), nil, nil, true},
		{"extra, cut", member(flagExtra, []byte{255, 255}), nil, io.ErrUnexpectedEOF, true},
		{"all fields", member(31, []byte{1, 0, 9}, []byte("name\x00"), []byte("comment\x00")), nil, nil, true},
		{"header checksum", member(flagHeaderCRC), nil, nil, true},
		{"wrong header checksum", crcWrong, nil, ErrCorrupt, true},
		{"reserved flag", member(1 << 5), nil, ErrCorrupt, false},
		{"method", wrong(2, 1), nil, ErrCorrupt, true},
		{"checksum", wrong(-8, 1), plain, ErrCorrupt, true},
		{"size", wrong(-1, 1), plain, ErrCorrupt, true},
		{"no trailer", blob[:len(blob)-8], plain, io.ErrUnexpectedEOF, true},
		{"half a trailer", blob[:len(blob)-4], plain, io.ErrUnexpectedEOF, true},
		{"padding", join(blob, make([]byte, 512)), plain, nil, false},
		{"much padding", join(blob, make([]byte, 3*inSize)), plain, nil, false},
		{"a member after padding", join(blob, make([]byte, 512), blob), plain, ErrCorrupt, true},
		{"junk", join(blob, []byte("junk, and enough for a header")), plain, ErrCorrupt, true},
		{"a byte of junk", join(blob, []byte("j")), plain, ErrCorrupt, true},
		{"junk like a member", join(blob, []byte{0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0}), plain, ErrCorrupt, true},
		{"a byte of a member", join(blob, []byte{0x1f}), plain, io.ErrUnexpectedEOF, true},
		{"a header", blob[:10], nil, io.ErrUnexpectedEOF, true},
		{"half a header", blob[:5], nil, io.ErrUnexpectedEOF, true},
		{"empty blocks", join(blob[:10], bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 100_000), []byte{1, 0, 0, 0xff, 0xff}, make([]byte, 8)), nil, nil, true},
		{"empty members", bytes.Repeat(member(0), 50_000), nil, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := readAll(bytes.NewReader(c.blob))
			if !errors.Is(err, c.err) || !bytes.Equal(got, c.want) {
				t.Errorf("got %d bytes, %v; want %d, %v", len(got), err, len(c.want), c.err)
			}
			if _, serr := stdlib(c.blob); c.agree != ((serr == nil) == (err == nil)) {
				t.Errorf("got %v, where compress/gzip says %v", err, serr)
			}
		})
	}
}

// TestEmptyMembersAreCheap counts what work there could be that is not that of bytes: a window is carried once for a block.
func TestEmptyMembersAreCheap(t *testing.T) {
	blob := join(gz(t, make([]byte, BlockSize)), bytes.Repeat(member(0), 1000))
	z, err := New(bytes.NewReader(blob))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if _, err := rest(z); err != nil {
		t.Fatal(err)
	}
	if z.blocks.made != 1 {
		t.Errorf("%d blocks were made", z.blocks.made)
	}
	allocs := testing.AllocsPerRun(5, func() {
		if err := z.Reset(bytes.NewReader(blob)); err != nil {
			t.Error(err)
		}
		if _, err := io.Copy(io.Discard, z); err != nil {
			t.Error(err)
		}
	})
	if allocs > 50 {
		t.Errorf("%v allocations for 1001 members", allocs)
	}
}
