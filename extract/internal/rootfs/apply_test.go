package rootfs_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

func TestApply(t *testing.T) {
	for name, test := range map[string]struct {
		in   layers
		want string // lines; the root is not among them
	}{
		"all types": {
			layers{{
				Dir("d", Mode(0o1777), Owner(3, 4)), File("d/f", "x", Mode(0o640), Owner(70000, 4294967294)),
				Symlink("l", "/d", Owner(5, 6)), Link("h", "d/f"), Node(tar.TypeFifo, "p", Mode(0o600), Owner(7, 8)),
			}},
			"d d 1777 3:4\nd/f f 0640 70000:4294967294 \"x\"\nh f 0640 70000:4294967294 = d/f\nl l 0000 5:6 -> /d\np p 0600 7:8",
		},
		"names are cleaned":           {layers{{Dir("./"), File("./a", "1"), File("/b", "2"), File(".//./c", "3")}}, "a f 0644 0:0 \"1\"\nb f 0644 0:0 \"2\"\nc f 0644 0:0 \"3\""},
		"implicit parents":            {layers{{File("a/b/c", "x")}}, "a d 0755 0:0\na/b d 0755 0:0\na/b/c f 0644 0:0 \"x\""},
		"empty layer":                 {layers{{}, {File("a", "x")}, {}}, "a f 0644 0:0 \"x\""},
		"the last duplicate wins":     {layers{{File("a", "1"), File("a", "2", Mode(0o600))}}, "a f 0600 0:0 \"2\""},
		"unwritable directory":        {layers{{Dir("d", Mode(0o555)), File("d/f", "x", Mode(0))}}, "d d 0555 0:0\nd/f f 0000 0:0 \"x\""},
		"global header is not a file": {layers{{Entry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}}, File("a", "x")}}, "a f 0644 0:0 \"x\""},

		"directory stays, attributes change":           {layers{{Dir("d", Xattr("user.a", "1")), File("d/f", "x")}, {Dir("d", Mode(0o700), Owner(1, 2), Xattr("user.b", "2"))}}, "d d 0700 1:2 user.b=\"2\"\nd/f f 0644 0:0 \"x\""},
		"the root's attributes change":                 {layers{{Dir("./", Xattr("user.a", "1"))}, {Dir("./", Mode(0o700), Owner(1, 2))}}, ""},
		"file replaces directory":                      {layers{{Dir("d"), File("d/f", "x")}, {File("d", "y")}}, "d f 0644 0:0 \"y\""},
		"directory replaces file":                      {layers{{File("d", "y")}, {Dir("d"), File("d/f", "x")}}, "d d 0755 0:0\nd/f f 0644 0:0 \"x\""},
		"link replaces directory":                      {layers{{Dir("e"), Dir("d"), File("d/f", "x")}, {Symlink("d", "e"), File("d/g", "y")}}, "d l 0000 0:0 -> e\ne d 0755 0:0\ne/g f 0644 0:0 \"y\""},
		"directory replaces link to directory":         {layers{{Dir("e"), File("e/f", "x"), Symlink("d", "e")}, {Dir("d", Mode(0o700))}}, "d d 0700 0:0\ne d 0755 0:0\ne/f f 0644 0:0 \"x\""},
		"file replaces link, not its target":           {layers{{File("a", "keep"), Symlink("l", "a")}, {File("l", "new")}}, "a f 0644 0:0 \"keep\"\nl f 0644 0:0 \"new\""},
		"file replaces one name of an inode":           {layers{{File("a", "keep"), Link("b", "a")}, {File("b", "new", Mode(0o600), Owner(9, 9))}}, "a f 0644 0:0 \"keep\"\nb f 0600 9:9 \"new\""},
		"a hard link's own attributes are not applied": {layers{{File("a", "keep", Mode(0o600))}, {Link("b", "a", Mode(0o777), Owner(9, 9))}}, "a f 0600 0:0 \"keep\"\nb f 0600 0:0 = a"},
		"hard link replaces a file":                    {layers{{File("a", "1"), File("b", "2")}, {Link("b", "a")}}, "a f 0644 0:0 \"1\"\nb f 0644 0:0 = a"},
		"hard link to itself":                          {layers{{File("a", "1")}, {Link("a", "a")}}, "a f 0644 0:0 \"1\""},
		"hard link twice":                              {layers{{File("a", "1"), Link("b", "a"), Link("b", "/a"), Link("a", "b")}}, "a f 0644 0:0 \"1\"\nb f 0644 0:0 = a"},
		"hard link to a link":                          {layers{{File("a", "1"), Symlink("l", "/a"), Link("h", "l")}}, "a f 0644 0:0 \"1\"\nh l 0000 0:0 -> /a\nl l 0000 0:0 -> /a"},
		"hard link through a directory link":           {layers{{Dir("d"), File("d/f", "1"), Symlink("s", "/d")}, {Link("s/g", "s/f")}}, "d d 0755 0:0\nd/f f 0644 0:0 \"1\"\nd/g f 0644 0:0 = d/f\ns l 0000 0:0 -> /d"},
		"hard link to what is removed later":           {layers{{File("a", "1")}, {Link("b", "a")}, {Whiteout("a")}}, "b f 0644 0:0 \"1\""},
		"absolute link as a parent":                    {layers{{Dir("usr"), Dir("usr/bin"), Symlink("bin", "/usr/bin")}, {File("bin/sh", "x")}}, "bin l 0000 0:0 -> /usr/bin\nusr d 0755 0:0\nusr/bin d 0755 0:0\nusr/bin/sh f 0644 0:0 \"x\""},
		"a link as a parent before its target":         {layers{{Dir("var"), Symlink("var/run", "../run/x"), File("var/run/f", "x")}}, "run d 0755 0:0\nrun/x d 0755 0:0\nrun/x/f f 0644 0:0 \"x\"\nvar d 0755 0:0\nvar/run l 0000 0:0 -> ../run/x"},

		"whiteout of a file":                        {layers{{File("a", "1"), File("b", "2")}, {Whiteout("a")}}, "b f 0644 0:0 \"2\""},
		"whiteout of a directory":                   {layers{{Dir("d"), Dir("d/e"), File("d/e/f", "1")}, {Whiteout("d")}}, ""},
		"whiteout of a link":                        {layers{{Dir("d"), File("d/f", "1"), Symlink("l", "d")}, {Whiteout("l")}}, "d d 0755 0:0\nd/f f 0644 0:0 \"1\""},
		"whiteout of nothing":                       {layers{{Whiteout("a"), Whiteout("x/y"), Opaque("z")}}, ""},
		"whiteout before the same name":             {layers{{File("a", "1")}, {Whiteout("a"), File("a", "2")}}, "a f 0644 0:0 \"2\""},
		"whiteout after the same name":              {layers{{File("a", "1")}, {File("a", "2"), Whiteout("a")}}, "a f 0644 0:0 \"2\""},
		"whiteout of a directory made anew":         {layers{{Dir("d"), File("d/old", "1")}, {Dir("d"), File("d/new", "2"), Whiteout("d")}}, "d d 0755 0:0\nd/new f 0644 0:0 \"2\""},
		"whiteout of a parent in the same layer":    {layers{{Dir("d", Mode(0o700), Owner(1, 1)), File("d/old", "1")}, {File("d/new", "2"), Whiteout("d")}}, "d d 0755 0:0\nd/new f 0644 0:0 \"2\""},
		"the same, the other way":                   {layers{{Dir("d", Mode(0o700), Owner(1, 1)), File("d/old", "1")}, {Whiteout("d"), File("d/new", "2")}}, "d d 0755 0:0\nd/new f 0644 0:0 \"2\""},
		"opaque first":                              {layers{{Dir("d"), File("d/old", "1"), Dir("d/s"), File("d/s/old", "1")}, {Dir("d"), Opaque("d"), File("d/new", "2")}}, "d d 0755 0:0\nd/new f 0644 0:0 \"2\""},
		"opaque last":                               {layers{{Dir("d"), File("d/old", "1"), Dir("d/s"), File("d/s/old", "1")}, {Dir("d"), File("d/new", "2"), Dir("d/s"), File("d/s/new", "3"), Opaque("d")}}, "d d 0755 0:0\nd/new f 0644 0:0 \"2\"\nd/s d 0755 0:0\nd/s/new f 0644 0:0 \"3\""},
		"opaque twice":                              {layers{{Dir("d"), File("d/old", "1")}, {Opaque("d"), File("d/new", "2"), Opaque("d")}}, "d d 0755 0:0\nd/new f 0644 0:0 \"2\""},
		"opaque root":                               {layers{{Dir("d"), File("d/old", "1")}, {File("new", "2"), Opaque("")}}, "new f 0644 0:0 \"2\""},
		"opaque through a link":                     {layers{{Dir("d"), File("d/old", "1"), Symlink("s", "/d")}, {File("s/new", "2"), Opaque("s")}}, "d d 0755 0:0\nd/new f 0644 0:0 \"2\"\ns l 0000 0:0 -> /d"},
		"a whiteout spares hard links of its layer": {layers{{Dir("d"), File("d/a", "1")}, {Link("d/b", "d/a"), Opaque("d")}}, "d d 0755 0:0\nd/b f 0644 0:0 \"1\""},

		"the last name on disk goes, another comes":           {layers{{File("a", "1")}, {Link("b", "a"), Dir("a"), Link("a/x", "b")}, {Whiteout("b")}}, "a d 0755 0:0\na/x f 0644 0:0 \"1\""},
		"the same, of a directory":                            {layers{{Dir("d"), File("d/a", "1"), Link("d/b", "d/a")}, {Link("e", "d/b"), Whiteout("d")}}, "e f 0644 0:0 \"1\""},
		"the same, beside names like those in between":        {layers{{File("a", "1"), File(".placing-1", "2")}, {Link(".placing-2", "a"), Symlink("a", "x"), File(".placing-1", "3")}}, ".placing-1 f 0644 0:0 \"3\"\n.placing-2 f 0644 0:0 \"1\"\na l 0000 0:0 -> x"},
		"a directory with what is hidden in it is hidden too": {layers{{Dir("d"), File("d/a", "1"), File("x", "")}, {Whiteout("x"), Whiteout("d/a"), Whiteout("d")}}, ""},
		"a device is of its layer":                            {layers{{Dir("d", Mode(0o700)), File("d/a", "1")}, {Node(tar.TypeChar, "d/c"), Whiteout("d")}}, "d d 0755 0:0"},
		"attributes go with what is reset":                    {layers{{Dir("d", Mode(0o700), Xattr("user.a", "1"))}, {File("d/f", "1"), Whiteout("d")}}, "d d 0755 0:0\nd/f f 0644 0:0 \"1\""},

		"long names":      {layers{{File(strings.Repeat("d/", 60)+strings.Repeat("n", 255), "x")}}, longPath()},
		"user attributes": {layers{{File("a", "x", Xattr("user.k", "v\x00w"), Xattr("trusted.k", "v"), Xattr("security.selinux", "v"))}}, "a f 0644 0:0 \"x\" user.k=\"v\\x00w\""},
		"set-id bits":     {layers{{Dir("d", Mode(0o2775)), File("a", "x", Mode(0o4755)), File("b", "x", Mode(0o7711))}}, "a f 0755 0:0 \"x\"\nb f 1711 0:0 \"x\"\nd d 0775 0:0"},
		"devices":         {layers{{File("c", "under"), File("z", "z")}, {Node(tar.TypeChar, "c"), Node(tar.TypeBlock, "b"), Link("b2", "b"), Link("z", "c")}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, when := range []often{never, afterLayers, afterEntries} {
				dir, _, err := apply(t, test.in, when)
				if err != nil {
					t.Fatal(err)
				}
				list := List(t, dir)
				delete(list, ".")
				if diff := cmp.Diff(test.want, strings.Join(Lines(list), "\n")); diff != "" {
					t.Errorf("tree differs, flushed %d (-want +got):\n%s", when, diff)
				}
			}
		})
	}
}

func longPath() string {
	var lines []string
	for i := 1; i <= 60; i++ {
		lines = append(lines, strings.TrimSuffix(strings.Repeat("d/", i), "/")+" d 0755 0:0")
	}
	return strings.Join(append(lines, strings.Repeat("d/", 60)+strings.Repeat("n", 255)+" f 0644 0:0 \"x\""), "\n")
}

func TestDropped(t *testing.T) {
	_, stats, err := apply(t, layers{{
		File("a", "x", Mode(0o4755), Xattr("security.capability", "cap")), File("b", "x", Mode(0o2755)), Dir("d", Mode(0o2755)),
		Node(tar.TypeChar, "c"), Node(tar.TypeBlock, "e"), Link("f", "e"), Symlink("l", "a", Xattr("user.x", "1")), File("g", "", Xattr("security.ima", "1")),
		Link("h", "a", Mode(0o4755), Xattr("security.capability", "cap")),
	}}, never)
	if err != nil {
		t.Fatal(err)
	}
	want := layer.Dropped{SetIDBits: 3, Devices: 3, FileCapabilities: 1, Xattrs: 2}
	if diff := cmp.Diff(want, stats.Dropped); diff != "" {
		t.Errorf("dropped differs (-want +got):\n%s", diff)
	}
	if stats.Files != 3 || stats.Bytes != 2 || stats.Entries != 9 {
		t.Errorf("%d files of %d bytes from %d entries, want 3 of 2 from 9", stats.Files, stats.Bytes, stats.Entries)
	}
}

func TestTimes(t *testing.T) {
	at := func(n int64) Option { return MTime(time.Unix(n, n)) }
	dir, _, err := apply(t, layers{
		{Dir("./", at(1)), Dir("d", at(2)), File("d/f", "x", at(3)), Symlink("d/l", "f", at(4)), Node(tar.TypeFifo, "d/p", at(5)), File("i/f", "x", at(6)), Dir("gone", at(7))},
		{File("d/g", "x", at(8)), Whiteout("gone"), Link("d/h", "d/f", at(9))},
	}, afterEntries)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for path, l := range List(t, dir) {
		got[path] = l.MTime
	}
	const s = 1_000_000_001
	want := map[string]int64{".": s, "d": 2 * s, "d/f": 3 * s, "d/l": 4 * s, "d/p": 5 * s, "i": 0, "i/f": 6 * s, "d/g": 8 * s, "d/h": 3 * s}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("times differ (-want +got):\n%s", diff)
	}
}

// TestMostLinks follows as many links as a kernel would.
func TestMostLinks(t *testing.T) {
	dir, _, err := apply(t, layers{append(chain(40), File("l1/f", "x"))}, never)
	if err != nil {
		t.Fatal(err)
	}
	if got := List(t, dir)["end/f"].String(); got != `f 0644 0:0 "x"` {
		t.Errorf("at the end is %s", got)
	}
}

// chain is n links, each to the next, and the last to "end".
func chain(n int) []Entry {
	var entries []Entry
	for i := range n - 1 {
		entries = append(entries, Symlink(fmt.Sprint("l", i+1), fmt.Sprint("l", i+2)))
	}
	return append(entries, Symlink(fmt.Sprint("l", n), "/end"))
}

// TestMostNames fills a tree in memory.
func TestMostNames(t *testing.T) {
	tree, err := rootfs.New(t.TempDir(), memory{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for i := range 1 << 20 {
		if err := tree.Apply(0, &layer.Entry{Kind: layer.File, Path: strconv.Itoa(i)}); err != nil {
			if i != 1<<20-1 || !errors.Is(err, layer.ErrInvalid) || !strings.Contains(err.Error(), "names") {
				t.Errorf("entry %d: %v", i, err)
			}
			return
		}
	}
	t.Error("there is room for more names than the cap, the root's included")
}

// TestOrder applies entries of one layer in all orders: whiteouts hide what lower layers brought, whenever they come.
func TestOrder(t *testing.T) {
	lower := []Entry{
		Dir("d", Mode(0o700), Owner(1, 1), Xattr("user.a", "1")), File("d/old", "1"), Dir("d/s", Mode(0o700)), File("d/s/old", "1"), Symlink("l", "d"), File("f", "1"),
	}
	for name, test := range map[string]struct {
		upper []Entry
		want  string
	}{
		"whiteout of what stays":      {[]Entry{Dir("d", Mode(0o711)), File("d/new", "2"), Whiteout("d"), Whiteout("f"), File("f", "2")}, "d d 0711 0:0\nd/new f 0644 0:0 \"2\"\nf f 0644 0:0 \"2\"\nl l 0000 0:0 -> d"},
		"opaque":                      {[]Entry{Dir("d", Mode(0o711)), File("d/new", "2"), Opaque("d"), File("d/s/new", "2"), Whiteout("d/old")}, "d d 0711 0:0\nd/new f 0644 0:0 \"2\"\nd/s d 0755 0:0\nd/s/new f 0644 0:0 \"2\"\nf f 0644 0:0 \"1\"\nl l 0000 0:0 -> d"},
		"opaque through a link":       {[]Entry{File("l/new", "2"), Opaque("l"), Dir("l/s", Mode(0o711)), Node(tar.TypeFifo, "d/p")}, "d d 0700 1:1 user.a=\"1\"\nd/new f 0644 0:0 \"2\"\nd/p p 0644 0:0\nd/s d 0711 0:0\nf f 0644 0:0 \"1\"\nl l 0000 0:0 -> d"},
		"opaque root":                 {[]Entry{Opaque(""), File("d/s/new", "2"), Symlink("m", "d"), Dir("e")}, "d d 0755 0:0\nd/s d 0755 0:0\nd/s/new f 0644 0:0 \"2\"\ne d 0755 0:0\nm l 0000 0:0 -> d"},
		"whiteout, implicit parents":  {[]Entry{Whiteout("d"), File("d/s/new", "2"), Whiteout("d/s"), Whiteout("l")}, "d d 0755 0:0\nd/s d 0755 0:0\nd/s/new f 0644 0:0 \"2\"\nf f 0644 0:0 \"1\""},
		"whiteout beside a device":    {[]Entry{Whiteout("d"), Node(tar.TypeChar, "d/c"), Whiteout("f")}, "d d 0755 0:0\nl l 0000 0:0 -> d"},
		"whiteout and opaque of it":   {[]Entry{Whiteout("d"), Opaque("d"), Opaque("d/s"), File("d/x/new", "2")}, "d d 0755 0:0\nd/x d 0755 0:0\nd/x/new f 0644 0:0 \"2\"\nf f 0644 0:0 \"1\"\nl l 0000 0:0 -> d"},
		"hard links of the own layer": {[]Entry{Whiteout("f"), Opaque("d"), Link("d/h", "l")}, "d d 0700 1:1 user.a=\"1\"\nd/h l 0000 0:0 -> d\nl l 0000 0:0 -> d"},
	} {
		t.Run(name, func(t *testing.T) {
			permute(test.upper, len(test.upper), func(upper []Entry) {
				dir, _, err := apply(t, layers{lower, upper}, never)
				if err != nil {
					t.Fatal(err)
				}
				list := List(t, dir)
				delete(list, ".")
				if diff := cmp.Diff(test.want, strings.Join(Lines(list), "\n")); diff != "" {
					t.Errorf("in the order %v the tree differs (-want +got):\n%s", names(upper), diff)
				}
			})
		})
	}
}

// permute calls f with the first n of in in each order (Heap's algorithm).
func permute(in []Entry, n int, f func([]Entry)) {
	if n <= 1 {
		f(in)
		return
	}
	for i := range n {
		permute(in, n-1, f)
		if n%2 == 0 {
			in[i], in[n-1] = in[n-1], in[i]
		} else {
			in[0], in[n-1] = in[n-1], in[0]
		}
	}
}

func names(entries []Entry) []string {
	var names []string
	for _, e := range entries {
		names = append(names, e.Header.Name)
	}
	return names
}

func TestRoot(t *testing.T) {
	for name, test := range map[string]struct {
		in   layers
		want string
	}{
		"no entry":         {layers{{}}, "d 0755 0:0"},
		"an entry":         {layers{{Dir("./", Mode(0o2711), Owner(1, 2), Xattr("user.a", "1"))}}, `d 0711 1:2 user.a="1"`},
		"a later layer's":  {layers{{Dir("./", Owner(1, 2), Xattr("user.a", "1"))}, {Dir("/", Mode(0o700))}}, "d 0700 0:0"},
		"not in the later": {layers{{Dir("./", Owner(1, 2), Xattr("user.a", "1"))}, {Dir("d")}}, `d 0755 1:2 user.a="1"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _, err := apply(t, test.in, never)
			if err != nil {
				t.Fatal(err)
			}
			if got := List(t, dir)["."].String(); got != test.want {
				t.Errorf("the root is %s, want %s", got, test.want)
			}
		})
	}
}
