package extract

import (
	"context"
)

// Damage is one difference between an image and what was unpacked.
type Damage struct {
	Path string `json:"path"` // relative to the rootfs
	What string `json:"what"` // "missing", "contents", ...
}

// Verified says what was compared, and found.
type Verified struct {
	Files           int64   `json:"files"` // regular files; several names of one count once
	Bytes           int64   `json:"bytes"` // of their contents
	Damaged         int     `json:"damaged"`
	Repaired        int     `json:"repaired"`
	DownloadedBytes int64   `json:"downloaded_bytes"` // of layers, for repairs
	Seconds         float64 `json:"seconds"`
}

// Verify compares every file of the image id with what was recorded when it was unpacked: type, contents, owner, mode, time,
// attributes, target; and looks for what is missing or too much. report is told about each difference. Errors wrap ErrNotFound,
// ErrSchema, or ErrRecord if what was recorded cannot be read.
func (s *Store) Verify(ctx context.Context, id string, report func(Damage)) (Verified, error) {
	panic("todo")
}

// Repair is Verify, and puts right what is found. Layers are fetched only if contents that they hold are damaged; the registry is the one
// that the image came from. What is replaced is replaced by renames, so a node may be running from the image. Errors are as
// those of Verify and of Pull.
func (s *Store) Repair(ctx context.Context, id string, o PullOptions, report func(Damage)) (Verified, error) {
	panic("todo")
}
