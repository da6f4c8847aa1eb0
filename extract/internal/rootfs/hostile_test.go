package rootfs_test

import (
	"archive/tar"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// TestHostile applies layers that aim at a directory beside the root, by each kind of link, and checks that it is as it was, and that
// each is either refused with one clear error or, as a process chrooted there would do it, resolved inside the root. V stands for
// the directory's absolute path.
func TestHostile(t *testing.T) {
	const inside = ""
	for name, test := range map[string]struct {
		in   layers
		want string // part of the error
	}{
		"CVE-2021-29136, root becomes a link":                   {layers{{Symlink("./", "V"), File("f", "evil")}}, "the root must stay a directory"},
		"CVE-2021-29136, root of a later layer":                 {layers{{Dir("./"), File("f", "")}, {Symlink(".", "V")}}, "the root must stay a directory"},
		"CVE-2021-32760, mode through a link":                   {layers{{Symlink("l", "V/f", Mode(0o777)), Dir("l", Mode(0o777), Owner(9, 9))}}, inside},
		"CVE-2021-32760, mode through a link as parent":         {layers{{Symlink("l", "V"), Dir("l/d", Mode(0o777), Owner(9, 9))}}, inside},
		"CVE-2021-32760, mode through a hard link to a link":    {layers{{Symlink("l", "V/f"), Link("h", "l", Mode(0o777), Owner(9, 9)), File("h2", ""), Link("h2", "l")}}, inside},
		"CVE-2021-41103, set-id programs":                       {layers{{Dir("./", Mode(0o6777)), Dir("d", Mode(0o6777)), File("d/sh", "x", Mode(0o6777)), Node(tar.TypeFifo, "p", Mode(0o6777))}}, inside},
		"CVE-2024-40635, owner that wraps to root":              {layers{{File("a", "", Owner(1<<32, 0))}}, "is not an owner"},
		"CVE-2024-40635, group that wraps to root":              {layers{{File("a", "", Owner(0, 1<<32))}}, "is not an owner"},
		"CVE-2025-47290, directory becomes a link":              {layers{{Dir("d"), File("d/x", "1"), Symlink("d", "V"), File("d/f", "evil")}}, inside},
		"CVE-2025-47290, directory becomes a link, deeper":      {layers{{Dir("d"), Dir("d/e"), File("d/e/x", "1"), Symlink("d", "V"), File("d/e/f", "evil")}}, inside},
		"CVE-2025-47290, link becomes a directory and back":     {layers{{Symlink("d", "V"), Dir("d"), File("d/x", ""), Symlink("d", "V"), File("d/f", "evil")}, {Dir("d"), File("d/f", "")}}, inside},
		"nbc 86, hard link out, absolute":                       {layers{{Link("h", "V/f")}}, "no such file"},
		"nbc 86, hard link out through a link":                  {layers{{Symlink("l", "V"), Link("h", "l/f"), File("h", "evil", Mode(0o777))}}, "no such file"},
		"nbc 86, hard link to a link out":                       {layers{{Symlink("l", "V/f"), Link("h", "l"), File("h/x", "evil")}}, inside},
		"oras-go 2.6.2, hard link to a file of the working dir": {layers{{Link("h", "hostile_test.go")}}, "no such file"},
		"banger, write through a link above":                    {layers{{Dir("a"), Symlink("a/l", "../../victim"), File("a/l/d/f", "evil")}}, inside},
		"banger, whiteout through a link":                       {layers{{Symlink("l", "V"), Whiteout("l/f"), Whiteout("l/d")}}, inside},
		"banger, whiteout through a link of a lower layer":      {layers{{Symlink("l", "V")}, {Whiteout("l/f"), Whiteout("l/d")}}, inside},
		"banger, opaque through a link":                         {layers{{Symlink("l", "V")}, {Opaque("l")}}, inside},
		"banger, hard link into a link":                         {layers{{File("a", "evil"), Symlink("l", "V"), Link("l/f", "a")}}, inside},

		"write through an absolute link":    {layers{{Symlink("l", "V"), File("l/f", "evil"), File("l/new", "evil")}}, inside},
		"write through a relative link":     {layers{{Symlink("l", "../victim"), File("l/f", "evil")}}, inside},
		"write through a chain of links":    {layers{{Symlink("a", "b"), Symlink("b", "../victim"), File("a/f", "evil")}}, inside},
		"write through a lower layer's":     {layers{{Symlink("l", "V/f")}, {File("l", "evil")}}, inside},
		"parents made through a link":       {layers{{Symlink("l", "V/new/deep"), File("l/a/b", "evil")}}, inside},
		"FIFO through a link":               {layers{{Symlink("l", "V"), Node(tar.TypeFifo, "l/f")}}, inside},
		"device through a link":             {layers{{Symlink("l", "V"), Node(tar.TypeChar, "l/f")}}, inside},
		"link through a link":               {layers{{Symlink("l", "V"), Symlink("l/f", "/etc/passwd")}}, inside},
		"magic link":                        {layers{{Symlink("l", "/proc/self/root"), File("l/f", "evil")}}, inside},
		"hard link, dot dot":                {layers{{Link("h", "../victim/f")}}, "'..' in the name"},
		"dot dot":                           {layers{{File("../victim/f", "evil")}}, "'..' in the name"},
		"dot dot in the middle":             {layers{{Dir("a"), File("a/../../victim/f", "evil")}}, "'..' in the name"},
		"absolute":                          {layers{{File("V/f", "evil")}}, inside},
		"whiteout of dot dot":               {layers{{File("d/.wh...", "")}}, "not a valid whiteout"},
		"what is hidden is a link out":      {layers{{Symlink("d", "V"), File("x", "")}, {File("d", "")}, {Whiteout("d")}}, inside},
		"a directory of links out, removed": {layers{{Dir("d"), Symlink("d/a", "V"), Symlink("d/b", "../../victim"), Dir("d/c"), Symlink("d/c/f", "V/f")}, {Whiteout("d")}}, inside},
	} {
		t.Run(name, func(t *testing.T) {
			for _, when := range []often{never, afterEntries} {
				root, victim := outside(t)
				before := List(t, victim)
				var in layers
				for _, entries := range test.in {
					entries = slices.Clone(entries)
					for i := range entries {
						h := &entries[i].Header
						h.Name, h.Linkname = strings.Replace(h.Name, "V", victim, 1), strings.Replace(h.Linkname, "V", victim, 1)
					}
					in = append(in, entries)
				}
				_, err := applyTo(t, root, in, when)
				if test.want == inside && err != nil {
					t.Errorf("refused: %v", err)
				}
				if test.want != inside && (!errors.Is(err, layer.ErrInvalid) || !strings.Contains(err.Error(), test.want)) {
					t.Errorf("got %v, want an invalid layer: %s", err, test.want)
				}
				if diff := cmp.Diff(before, List(t, victim)); diff != "" {
					t.Errorf("outside the root something changed (error %v):\n%s", err, diff)
				}
				for path, l := range List(t, root) {
					if l.Content == `"keep"` {
						t.Errorf("%s has contents from outside the root", path)
					}
					if l.Mode&0o6000 != 0 || l.Type == "c" || l.Type == "b" {
						t.Errorf("%s is %s", path, l)
					}
				}
			}
		})
	}
}

// TestThroughLinks checks that no entry alters an earlier file through another name of it.
func TestThroughLinks(t *testing.T) {
	keep := File("keep", "keep", Mode(0o600), Owner(1, 1))
	for name, in := range map[string]layers{
		"link to itself":  {{keep, Symlink("l", "keep"), File("l", "evil", Mode(0o777))}},
		"hard link":       {{keep, Link("h", "keep", Mode(0o4777), Owner(0, 0)), File("h", "evil", Mode(0o777))}},
		"hard link, then": {{keep}, {Link("h", "keep"), Node(tar.TypeFifo, "h", Mode(0o777))}},
		"attributes":      {{keep}, {Link("h", "keep", Xattr("user.evil", "1"))}},
		"directory":       {{keep, Symlink("l", "keep"), Dir("l", Mode(0o777))}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _, err := apply(t, in, afterEntries)
			if err != nil {
				t.Fatal(err)
			}
			got := List(t, dir)["keep"]
			got.SameAs = ""
			if got.Type+got.Content+got.Xattrs != `f"keep"` || got.Mode != 0o600 || got.UID != 1 {
				t.Errorf("the file is now %s", got)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	deep := func() []Entry {
		// Each link reaches deeper than a single name could.
		var e []Entry
		path := "a"
		for _, link := range []string{"l1", "l2", "l3", "l4"} {
			path += strings.Repeat("/d", 200)
			e = append(e, File(path+"/f", ""), Symlink(link, path))
			path = link
		}
		return e
	}
	for name, test := range map[string]struct {
		in   []Entry
		want string
	}{
		"dot dot":                    {[]Entry{File("../f", "")}, "'..' in the name"},
		"dot dot in the middle":      {[]Entry{File("a/../f", "")}, "'..' in the name"},
		"dot dot in a hard link":     {[]Entry{Link("h", "../f")}, "'..' in the name"},
		"root is a file":             {[]Entry{File(".", "")}, "the root must stay a directory"},
		"root is a link":             {[]Entry{Symlink("/", "/etc")}, "the root must stay a directory"},
		"root is a hard link":        {[]Entry{File("a", ""), Link(".", "a")}, "the root must stay a directory"},
		"root is a fifo":             {[]Entry{Node(tar.TypeFifo, ".")}, "the root must stay a directory"},
		"long name":                  {[]Entry{File(strings.Repeat("d/", 2500)+"f", "")}, "more than 4095"},
		"long component":             {[]Entry{File(strings.Repeat("n", 256), "")}, "more than 255"},
		"long target":                {[]Entry{Symlink("l", strings.Repeat("d/", 2500))}, "too long"},
		"deep":                       {[]Entry{File(strings.Repeat("d/", 600)+"f", "")}, "directories deep"},
		"deeper than a name":         {deep(), "directories deep"},
		"link without target":        {[]Entry{Symlink("l", "")}, "empty"},
		"hard link to nothing":       {[]Entry{Link("h", "none")}, "no such file"},
		"hard link to no directory":  {[]Entry{Link("h", "no/ne")}, "no such file"},
		"hard link to directory":     {[]Entry{Dir("d"), Link("h", "d")}, "is a directory"},
		"hard link to root":          {[]Entry{Link("h", "/")}, "is a directory"},
		"hard link to what it hides": {[]Entry{Dir("d"), File("d/f", ""), Link("d", "d/f")}, "no such file"},
		"below a file":               {[]Entry{File("a", ""), File("a/b", "")}, "not a directory"},
		"below a link to itself":     {[]Entry{Symlink("l", "l"), File("l/f", "")}, "too many levels"},
		"below too many links":       {append(chain(41), File("l1/f", "")), "too many levels"},
		"below a link that was cut":  {[]Entry{Dir("x"), Symlink("l", "x/.."), File("l/x", ""), File("l/y", "")}, "not a directory"},
		"owner too large":            {[]Entry{File("a", "", Owner(1<<32-1, 0))}, "is not an owner"}, // chown's "leave it"
		"group too large":            {[]Entry{File("a", "", Owner(0, 1<<32))}, "is not an owner"},
		"negative owner":             {[]Entry{File("a", "", Owner(-1, 0), func(e *Entry) { e.Header.Format = tar.FormatGNU })}, "is not an owner"},
		"unknown type":               {[]Entry{Node('Z', "a")}, "not supported"},
		"large attributes":           {[]Entry{File("a", "", Xattr("user.a", strings.Repeat("x", 70000)))}, "extended attributes"},
		"bare whiteout":              {[]Entry{File("d/.wh.", "")}, "not a valid whiteout"},
		"whiteout of dot":            {[]Entry{File("d/.wh..", "")}, "not a valid whiteout"},
		"whiteout of dot dot":        {[]Entry{File("d/.wh...", "")}, "not a valid whiteout"},
		"whiteout of a whiteout":     {[]Entry{File(".wh..wh.x", "")}, "not a valid whiteout"},
		"whiteout is a directory":    {[]Entry{Dir(".wh.d")}, "a whiteout is a file"},
		"whiteout is a link":         {[]Entry{Symlink(".wh.d", "x")}, "a whiteout is a file"},
		"below a whiteout":           {[]Entry{File(".wh.d/f", "")}, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := apply(t, layers{test.in}, never)
			if !errors.Is(err, layer.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an invalid layer: %s", err, test.want)
			}
			if err != nil && (len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\n\x1b")) {
				t.Errorf("not one line: %.2000s", err)
			}
		})
	}
}
