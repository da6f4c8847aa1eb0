package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const mountinfo = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
24 22 0:5 / /dev rw - devtmpfs devtmpfs rw
25 24 0:23 / /dev/shm rw,nosuid shared:2 master:3 - tmpfs tmpfs rw
26 22 254:0 /x /mnt/a\040b rw - xfs /dev/vdb rw
27 22 254:0 /x /mnt/a\040b/in rw - ext4 /dev/vdc rw
28 22 254:0 /x /mnt/a\040b/in rw - btrfs /dev/vdd rw
this is no mount
`

func TestMountOf(t *testing.T) {
	tests := []struct {
		path string
		want mount
	}{
		{"/var/tmp/x", mount{"/", "ext4"}},
		{"/dev/shm/x", mount{"/dev/shm", "tmpfs"}},
		{"/dev/shmx", mount{"/dev", "devtmpfs"}},
		{"/mnt/a b", mount{"/mnt/a b", "xfs"}},
		{"/mnt/a b/in/x", mount{"/mnt/a b/in", "btrfs"}},
	}
	for _, tt := range tests {
		if got, err := mountOf(mountinfo, tt.path); got != tt.want || err != nil {
			t.Errorf("%s: %v, %v, want %v", tt.path, got, err, tt.want)
		}
	}
	if m, err := mountOf("", "/x"); err == nil {
		t.Errorf("no mounts, yet %v", m)
	}
}

func TestParseMounts(t *testing.T) {
	want := []string{"/", "/dev", "/dev/shm", "/mnt/a b", "/mnt/a b/in", "/mnt/a b/in"}
	var got []string
	for _, m := range parseMounts(mountinfo) {
		got = append(got, m.point)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseWritten(t *testing.T) {
	tests := []struct {
		name, text string
		want       int64
		ok         bool
	}{
		{"with discards", "  1 2 3 4 5 6 700 8 9 10 11 12 13 4000 15 16 17\n", 4700, true},
		{"before there were discards", "1 2 3 4 5 6 700 8 9 10 11", 700, true},
		{"cut off", "1 2 3 4 5 6 700", 0, false},
		{"no number", "1 2 3 4 5 6 x 8 9 10 11", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := parseWritten(tt.text); got != tt.want || (err == nil) != tt.ok {
				t.Errorf("%d, %v, want %d, ok %v", got, err, tt.want, tt.ok)
			}
		})
	}
}

func TestUsedCountsLinksOnce(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	before, err := used(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	after, err := used(t.Context(), dir)
	if err != nil || before < 1<<20 || after-before > 1<<16 {
		t.Errorf("%d bytes, with a link %d, %v", before, after, err)
	}
}

func TestMakeRoom(t *testing.T) {
	tests := []struct {
		name    string
		need    int64
		removed bool
	}{
		{"there is room", 0, false},
		{"there is none", 1 << 62, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &place{Memory: true, dir: t.TempDir(), kept: []string{"0-1"}, need: tt.need}
			if err := os.MkdirAll(filepath.Join(p.dir, "0-1", "x"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := p.makeRoom(t.Context()); (err != nil) != tt.removed {
				t.Errorf("error %v", err)
			}
			left, err := os.ReadDir(p.dir)
			if err != nil || (len(left) == 0) != tt.removed || (len(p.kept) == 0) != tt.removed {
				t.Errorf("left %v, kept %v, %v", left, p.kept, err)
			}
		})
	}
}
