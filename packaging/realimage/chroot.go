package realimage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

// Chroot runs commands in the root file system of an image, confined about as a
// unit would confine them: read-only root, private /tmp, an unprivileged user,
// one writable directory. It needs root, as mounting does.
type Chroot struct {
	// Root is the unpacked image. It stays unchanged.
	Root string
	// Data is a directory of the host, seen as /mnt inside; it is made, and given
	// to UID.
	Data string
	// UID is the user and group of the command.
	UID int
}

// ChrootData is where Chroot.Data is seen inside.
const ChrootData = "/mnt"

// Command returns a command for a path inside Root. Its process is the command
// itself, so that signals reach it. The environment is only what the caller
// puts into Env; it should have the PATH of the image.
func (c Chroot) Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	script, err := recipe.ReadFile("chroot.sh")
	if err != nil {
		return nil, fmt.Errorf("reading the recipe: %w", err)
	}
	if err := os.MkdirAll(c.Data, 0o755); err != nil {
		return nil, fmt.Errorf("making the data directory of a chroot: %w", err)
	}
	if err := os.Chown(c.Data, c.UID, c.UID); err != nil {
		return nil, fmt.Errorf("making the data directory of a chroot: %w", err)
	}
	args = append([]string{"--mount", "--propagation", "private", "sh", "-c", string(script), "chroot.sh", c.Root, c.Data, strconv.Itoa(c.UID)}, args...)
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = []string{imagePath}
	return cmd, nil
}
