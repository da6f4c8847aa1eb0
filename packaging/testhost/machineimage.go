package testhost

import (
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

//go:embed machineagent.sh
var machineAgent []byte

const agentUnit = `[Unit]
BindsTo=dev-virtio\x2dports-testhost.device
After=dev-virtio\x2dports-testhost.device multi-user.target
[Service]
ExecStart=/usr/local/sbin/testhost-agent
[Install]
WantedBy=multi-user.target
`

// machineRecipe is recipe with what a machine has beyond a container: a
// kernel, its modules, devices, and somebody who takes commands.
func machineRecipe(suite string) ([]string, error) {
	args, err := recipe(suite)
	if err != nil {
		return nil, err
	}
	file := func(path, mode string, data []byte) string {
		return fmt.Sprintf(`--customize-hook=echo %s | base64 -d >"$1%s" && chmod %s "$1%s"`, base64.StdEncoding.EncodeToString(data), path, mode, path)
	}
	return append(
		args, "--include=kmod,udev,tpm2-tools,linux-image-cloud-"+runtime.GOARCH,
		file("/usr/local/sbin/testhost-agent", "755", machineAgent),
		file("/etc/systemd/system/testhost-agent.service", "644", []byte(agentUnit)),
		`--customize-hook=chroot "$1" systemctl enable testhost-agent.service`,
		// The one who boots without a disk waits that long; it must do for a loaded machine to find one that is there.
		`--customize-hook=mkdir -p "$1/payload" "$1/srv/data" && printf 'LABEL=payload /payload ext4 ro 0 0\nLABEL=data /srv/data ext4 nofail,x-systemd.device-timeout=60s 0 0\n' >>"$1/etc/fstab"`,
	), nil
}

// machineBase returns the tree of a suite and an image of it, both built on
// first use.
func machineBase(ctx context.Context, suite string, log io.Writer) (tree, image string, err error) {
	for program, debian := range map[string]string{"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "nbdkit": "nbdkit", "swtpm": "swtpm", qemu(): "qemu-system-x86"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", "", fmt.Errorf("starting a virtual machine: no %s: apt-get install %s", program, debian)
		}
	}
	if os.Geteuid() != 0 {
		return "", "", errors.New("starting a virtual machine: must be root, for the owners of its files")
	}
	args, err := machineRecipe(suite)
	if err != nil {
		return "", "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", "", err
	}
	if tree, err = built(ctx, cache, "machine-"+suite, suite, args, log); err != nil {
		return "", "", err
	}
	image = tree + ".ext4"
	lock, err := acquire(ctx, image+".lock")
	if err != nil {
		return "", "", err
	}
	defer lock.Close()
	if _, err := os.Stat(image); err == nil {
		return tree, image, nil
	}
	return tree, image, makeDisk(ctx, image, "root", tree, "4G")
}

// makeDisk makes the image of a file system with the files of a directory; ""
// for none. It is there whole or not at all.
func makeDisk(ctx context.Context, image, label, dir, size string) error {
	partial := image + ".partial"
	args := []string{"-q", "-F", "-t", "ext4", "-L", label}
	if dir != "" {
		args = append(args, "-d", dir)
	}
	if err := os.RemoveAll(partial); err != nil {
		return fmt.Errorf("making the disk %s: %w", label, err)
	}
	if out, err := exec.CommandContext(ctx, "mke2fs", append(args, partial, size)...).CombinedOutput(); err != nil {
		return fmt.Errorf("making the disk %s: %w: %s", label, err, out)
	}
	return os.Rename(partial, image)
}

// bootFiles are the kernel of a tree and its initial file system.
func bootFiles(tree string) (kernel, initrd string, err error) {
	kernels, err := filepath.Glob(filepath.Join(tree, "boot/vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		return "", "", fmt.Errorf("starting a virtual machine: %d kernels in %s", len(kernels), tree)
	}
	return kernels[0], strings.Replace(kernels[0], "vmlinuz-", "initrd.img-", 1), nil
}

// qemu is the program for machines like this one.
func qemu() string {
	if runtime.GOARCH == "arm64" {
		return "qemu-system-aarch64"
	}
	return "qemu-system-x86_64"
}
