package extract

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/inroot"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// schema is the version of image.json.
const schema = 2

// Image is one unpacked image of a store; its JSON form is image.json.
type Image struct {
	Schema          int          `json:"schema"`
	ID              string       `json:"id"`        // "sha256-HEX", the name of its directory: the digest of the platform's manifest
	Reference       string       `json:"reference"` // canonical; on disk, the one it was first pulled by
	Digest          string       `json:"digest"`    // "sha256:HEX"
	IndexDigest     string       `json:"index_digest,omitempty"`
	Version         string       `json:"version,omitempty"` // what PullOptions.Version made of it
	Platform        string       `json:"platform"`          // as asked for, "linux/amd64"
	Config          Config       `json:"config"`
	Layers          []Layer      `json:"layers"` // oldest first
	MountPoints     []MountPoint `json:"mount_points,omitempty"`
	Dropped         Dropped      `json:"dropped"`
	DownloadedBytes int64        `json:"downloaded_bytes"` // of blobs
	WrittenBytes    int64        `json:"written_bytes"`    // of file contents
	SharedBytes     int64        `json:"shared_bytes"`     // of file contents that other images had
	ReusedBytes     int64        `json:"reused_bytes"`     // of blobs that were not needed
	Seconds         float64      `json:"seconds"`          // from the first request to publication
	Pulled          time.Time    `json:"pulled"`

	dir string // real path
}

// Dropped counts what was in the layers and is not in the rootfs, on purpose.
type Dropped = layer.Dropped

// MountPoint is an empty file or directory that exists only so that something can be mounted on it.
type MountPoint struct {
	Path string      `json:"path"` // absolute, in the image; links are followed inside it
	Dir  bool        `json:"dir,omitempty"`
	Mode fs.FileMode `json:"mode"` // permission bits
}

// Rootfs returns the path of the root file system, free of links: systemd 252 refuses links in RootDirectory=.
func (im *Image) Rootfs() string { return filepath.Join(im.dir, "rootfs") }

// FS reads the root file system with links resolved inside it, as a process chrooted there would.
func (im *Image) FS() fs.FS { return inroot.FS(im.Rootfs()) }

// defaultPath is what container runtimes search when an image sets no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// LookPath finds the executable that name means in the image, as execvp(3) would after the image's own PATH and working
// directory, and returns its absolute path there, links in it not resolved. The error wraps fs.ErrNotExist if there is none.
func (im *Image) LookPath(name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("finding an executable of %s: the name is empty: %w", im.ID, fs.ErrNotExist)
	}
	candidates := []string{name}
	if !strings.Contains(name, "/") {
		candidates = nil
		for dir := range strings.SplitSeq(im.path(), ":") {
			// Relative elements depend on where a process happens to be.
			if path.IsAbs(dir) {
				candidates = append(candidates, path.Join(dir, name))
			}
		}
	} else if !path.IsAbs(name) {
		candidates[0] = path.Join("/", im.Config.WorkingDir, name)
	}
	root := inroot.FS(im.Rootfs())
	for _, c := range candidates {
		c = path.Clean(c)
		st, err := root.Stat(strings.TrimPrefix(c, "/"))
		if err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o111 != 0 {
			return c, nil
		}
	}
	return "", fmt.Errorf("finding the executable %s of %s: %w", oneLine(name), im.ID, fs.ErrNotExist)
}

func (im *Image) path() string {
	for _, e := range im.Config.Env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			return value
		}
	}
	return defaultPath
}
