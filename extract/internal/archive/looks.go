package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// headSize is how many bytes of a file are looked at: one block of tar.
const headSize = 512

type format int

const (
	none format = iota
	gzipped
	zstandard
)

// compression recognises what is undone here: RFC 1952, section 2.3.1; RFC 8878, sections 3.1.1 and 3.1.2 (skippable frames,
// which pzstd begins with).
func compression(head []byte) format {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzipped
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstandard
	case len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}):
		return zstandard
	}
	return none
}

// known are the beginnings of files that people may take for an archive of images.
var known = []struct{ prefix, what string }{
	{"\xfd7zXZ\x00", "an xz file; unpack it first"},
	{"BZh", "a bzip2 file; unpack it first"},
	{"\x04\x22\x4d\x18", "an lz4 file; unpack it first"},
	{"PK\x03\x04", "a zip file"},
	{"7z\xbc\xaf\x27\x1c", "a 7z file"},
	{"hsqs", "a squashfs image"},
	{"QFI\xfb", "a virtual disk"},
	{"\x7fELF", "a program"},
	{"!<arch>\n", "a package"},
	{"{", "JSON, perhaps one file of a layout: name the directory"},
	{"[", "JSON, perhaps one file of an archive"},
	{"<", "a web page, perhaps instead of a download"},
}

// checkHead refuses what does not begin like a tar archive, before all of it is read.
func checkHead(head []byte) error {
	if len(head) == 0 {
		return fmt.Errorf("%w: it is empty", ErrInvalid)
	}
	for _, k := range known {
		if strings.HasPrefix(string(head), k.prefix) && !isTar(head) {
			return fmt.Errorf("%w: it looks like %s", ErrInvalid, k.what)
		}
	}
	switch {
	case len(head) < headSize:
		return fmt.Errorf("%w: it has only %d bytes", ErrInvalid, len(head))
	case len(bytes.Trim(head, "\x00")) == 0:
		return fmt.Errorf("%w: it begins with zeros, as an archive without entries does", ErrInvalid)
	case !isTar(head):
		return fmt.Errorf("%w: it is neither a tar archive nor one compressed with gzip or zstd", ErrInvalid)
	}
	return nil
}

// isTar says whether head is the first header of a tar archive. One that announces a longer name ends too early here.
func isTar(head []byte) bool {
	_, err := tar.NewReader(bytes.NewReader(head)).Next()
	return err == nil || len(head) == headSize && errors.Is(err, io.ErrUnexpectedEOF)
}

// describe says what an archive without an image in it looks like.
func describe(names []string) string {
	top := func(name string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return n == name || strings.HasPrefix(n, name+"/") })
	}
	for _, n := range names {
		if dir, base, ok := strings.Cut(n, "/"); ok && (base == "oci-layout" || base == "manifest.json") {
			return fmt.Sprintf("an archive with an image in its directory %s; pack what is in there, without the directory", oneLine(dir))
		}
	}
	switch {
	case len(names) == 0:
		return "an archive without entries"
	case top(".dockerenv"), top("etc") && top("usr"), top("bin") && top("etc"):
		return "a root file system, as `docker export` writes it, and not an image, as `docker save` does"
	case top("repositories"):
		return "what `docker save` wrote before Docker 1.10; save it anew"
	case top("blobs"):
		return "a layout without oci-layout and index.json"
	}
	return "something else: there is neither oci-layout nor manifest.json"
}
