package rootfs_test

import (
	"archive/tar"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// TestNothingOutside applies layers that aim at a directory beside the root, by each kind of link, and checks that it is as it
// was. V stands for its absolute path. Whether the layer is refused or resolved inside the root is not the question here.
func TestNothingOutside(t *testing.T) {
	for name, in := range map[string]layers{
		"write through absolute link":       {{Symlink("l", "V"), File("l/f", "evil"), File("l/new", "evil")}},
		"write through relative link":       {{Symlink("l", "../victim"), File("l/f", "evil")}},
		"write through link chain":          {{Symlink("a", "b"), Symlink("b", "../victim"), File("a/f", "evil")}},
		"write through link ancestor":       {{Dir("a"), Symlink("a/l", "../../victim"), File("a/l/d/f", "evil")}},
		"write through link of lower layer": {{Symlink("l", "V/f")}, {File("l", "evil")}},
		"mode through link":                 {{Symlink("l", "V/f", Mode(0o777)), Dir("l", Mode(0o777), Owner(9, 9))}}, // CVE-2021-32760
		"mode through link as parent":       {{Symlink("l", "V"), Dir("l/d", Mode(0o777), Owner(9, 9))}},
		"whiteout through link":             {{Symlink("l", "V"), Whiteout("l/f"), Whiteout("l/d")}},
		"whiteout of lower layer's link":    {{Symlink("l", "V")}, {Whiteout("l/f"), Whiteout("l/d")}},
		"opaque through link":               {{Symlink("l", "V")}, {Opaque("l")}},
		"hard link through link":            {{Symlink("l", "V"), Link("h", "l/f"), File("h", "evil", Mode(0o777))}},
		"hard link to link":                 {{Symlink("l", "V/f"), Link("h", "l"), File("h/x", "evil")}},
		"hard link out, absolute":           {{Link("h", "V/f")}},
		"hard link into link":               {{File("a", "evil"), Symlink("l", "V"), Link("l/f", "a")}},
		"hard link dot dot":                 {{Link("h", "../victim/f")}},
		"dot dot":                           {{File("../victim/f", "evil")}},
		"dot dot inside":                    {{Dir("a"), File("a/../../victim/f", "evil")}},
		"absolute":                          {{File("V/f", "evil")}},
		"fifo through link":                 {{Symlink("l", "V"), Node(tar.TypeFifo, "l/f")}},
		"device through link":               {{Symlink("l", "V"), Node(tar.TypeChar, "l/f")}},
		"link through link":                 {{Symlink("l", "V"), Symlink("l/f", "/etc/passwd")}},
		"directory becomes link":            {{Dir("d"), File("d/x", "1"), Symlink("d", "V"), File("d/f", "evil")}},
		"directory becomes link, cached":    {{Dir("d"), Dir("d/e"), File("d/e/x", "1"), Symlink("d", "V"), File("d/e/f", "evil")}},
		"root becomes link":                 {{Symlink("./", "V"), File("f", "evil")}}, // CVE-2021-29136
		"implicit parents through link":     {{Symlink("l", "V/new/deep"), File("l/a/b", "evil")}},
		"magic link":                        {{Symlink("l", "/proc/self/root"), File("l/f", "evil")}},
	} {
		t.Run(name, func(t *testing.T) {
			root, victim := outside(t)
			before := List(t, victim)
			for _, entries := range in {
				for i := range entries {
					h := &entries[i].Header
					h.Name, h.Linkname = strings.Replace(h.Name, "V", victim, 1), strings.Replace(h.Linkname, "V", victim, 1)
				}
			}
			_, err := applyTo(t, root, in, afterEntries)
			if diff := cmp.Diff(before, List(t, victim)); diff != "" {
				t.Errorf("outside the root something changed (error %v):\n%s", err, diff)
			}
			for path, l := range List(t, root) {
				if l.Content == `"keep"` {
					t.Errorf("%s has contents from outside the root", path)
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
