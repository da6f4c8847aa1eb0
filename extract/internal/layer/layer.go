// Package layer is what a layer of an image says: its entries in their order, with the contents of files reduced to size and
// digest.
//
// An image is unpacked in two halves that meet in this list. One half turns the bytes of a layer into entries and puts the
// contents of files aside, in directories of its own naming (package stage). The other adds the entries of all layers up to one
// tree in memory and makes that on disk (package rootfs). Neither makes anything at a path that an image chose, and a layer whose
// list is known, and whose contents are here, need not be downloaded again.
package layer

import "errors"

// ErrInvalid is wrapped by every error that is the layer's own fault.
var ErrInvalid = errors.New("invalid layer")

// Kind is the type of an entry.
type Kind uint8

// The kinds of entries. Their numbers are part of the format of recorded lists.
const (
	File     Kind = 1 + iota
	Dir           // also the root, whose Path is "."
	Symlink       //
	Link          // a hard link
	Fifo          //
	Device        // dropped; it still hides what lower layers have there, and later entries may link to it
	Whiteout      // Path, if a lower layer has it, is gone: OCI image specification, layer.md, "Whiteouts"
	Opaque        // everything that lower layers have in the directory Path is gone
)

// Time is a modification time as file systems keep it.
type Time struct {
	Sec  int64
	Nsec uint32
}

// Xattr is one extended attribute.
type Xattr struct{ Name, Value string }

// Attrs are the attributes of an inode.
type Attrs struct {
	Mode     uint32 // permissions and the sticky bit; setuid and setgid never get here
	UID, GID uint32
	MTime    Time
	Xattrs   []Xattr // user.* only, by name
}

// Entry is one entry of a layer.
type Entry struct {
	Kind Kind
	// Path is relative, without empty, "." and ".." components; "." is the root. Its parents may be links of the image.
	Path string
	// Target is what a Symlink says, and the path of what a Link links to, in the form of Path.
	Target string
	Attrs         // of File, Dir, Symlink (owner and time) and Fifo
	Size   int64  // of a File, in bytes
	Digest Digest // of a File
	Sparse bool   // of a File: the archive says that it has holes
	// Staged says where the contents are in the staging directory of this layer, see Aside; 0 if they were here already.
	Staged uint32
}

// Alone is the bit of Entry.Staged that says that the rest is the number of a file.
const Alone = 1 << 31

// Aside is what Staged says: the number of a directory, in which the file has the last name of its path, or, alone, of a file. Files of
// one directory of the layer are in one directory, which can become that of the tree as it is.
func (e *Entry) Aside() (number uint32, alone bool) { return e.Staged &^ Alone, e.Staged&Alone != 0 }

// Dropped counts what is in layers and never in a tree, on purpose.
type Dropped struct {
	SetIDBits        int64 `json:"set_id_bits"`       // files and directories that lost setuid or setgid
	Devices          int64 `json:"devices"`           // character and block devices
	FileCapabilities int64 `json:"file_capabilities"` // security.capability
	Xattrs           int64 `json:"xattrs"`            // other attributes outside user.*, or that cannot be kept
}

// Add adds other to d.
func (d *Dropped) Add(other Dropped) {
	d.SetIDBits += other.SetIDBits
	d.Devices += other.Devices
	d.FileCapabilities += other.FileCapabilities
	d.Xattrs += other.Xattrs
}
