package extract_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// TestNoSpace pulls into file systems of all sizes, in pages and in inodes, until one is large enough. Whatever it is that does not
// fit, the error says so, and nothing is left; given more space, the same store works.
func TestNoSpace(t *testing.T) {
	r := newRegistry(t)
	// They compress to so little that the first estimate lets them pass.
	var many []Entry
	for i := range 40 {
		many = append(many, File(fmt.Sprint("f", i), strings.Repeat("x", 50*i)))
	}
	r.push(image{tag: "v1", layers: []layer{
		{tar: tarOf(t, append(many, Dir("d"), Symlink("l", "d"), Link("h", "f39"))...)},
		{tar: tarOf(t, File("zeros", strings.Repeat("\x00", 600<<10)), Whiteout("f0"))},
		{tar: tarOf(t, File("d/zeros", strings.Repeat("\x00", 300<<10)), File("f1", "new"))},
	}})
	want := fresh(t, r.ref(":v1"))
	for _, limit := range []struct {
		option      string
		first, more int
		dense       int // up to here every one is tried
	}{
		{"size=%dk", 4, 4, 160},
		{"nr_inodes=%d", 3, 1, 200},
	} {
		t.Run(limit.option, func(t *testing.T) {
			failures := 0
			for n := limit.first; ; n += limit.more {
				if n > limit.dense {
					n += 11 * limit.more
				}
				dir := tmpfs(t, fmt.Sprintf(limit.option, n))
				s := &extract.Store{Dir: dir + "/images"}
				im, _, err := s.Pull(context.Background(), r.ref(":v1"), impatient)
				if err == nil {
					whole(t, s, im.ID, want)
					break
				}
				failures++
				if !errors.Is(err, extract.ErrSpace) {
					t.Errorf("%d: got %v", n, err)
				}
				// Recording what the tag was comes after the image.
				if left := contents(t, s); len(left) > 0 && !strings.Contains(err.Error(), "recording what") {
					t.Errorf("%d: after %v the store holds %v", n, err, left)
				}
				if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=100m,nr_inodes=100k"); err != nil {
					t.Fatal(err)
				}
				if im, _, err = s.Pull(context.Background(), r.ref(":v1"), impatient); err != nil {
					t.Fatalf("%d: with more space: %v", n, err)
				}
				if n%5 == 0 {
					whole(t, s, im.ID, want)
				}
			}
			t.Logf("%d were too small", failures)
			if failures < 40 {
				t.Errorf("only %d were too small", failures)
			}
		})
	}
}
