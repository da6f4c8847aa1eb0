package testhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A machine is qemu and what it talks to: a program for each disk, and one for
// the TPM. None has a name on the file system, they find each other by sockets
// that are handed down.

// parts are the programs of a machine that is on.
type parts struct {
	ctx   context.Context
	ended []<-chan struct{}
	files []*os.File // of qemu, from 3
	root  *os.Process
}

// await returns when all have ended.
func (p *parts) await() {
	for _, ended := range p.ended {
		<-ended
	}
}

// plug makes the line from qemu to a part, and returns the part's end. qemu's
// is the last of files.
func (p *parts) plug() (*os.File, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a line to it: %w", err)
	}
	p.files = append(p.files, os.NewFile(uintptr(ends[0]), "qemu"))
	return os.NewFile(uintptr(ends[1]), "part"), nil
}

// last is the number by which qemu knows the last of files.
func (p *parts) last() int { return 2 + len(p.files) }

// disk starts a disk with a cache of its own, as real ones have: what is
// written is on the disk when the guest has flushed it, and else lost with the
// power. It returns qemu's options for it.
func (p *parts) disk(m *Machine, name string) ([]string, error) {
	end, err := p.plug()
	if err != nil {
		return nil, err
	}
	defer end.Close()
	cmd := exec.CommandContext(p.ctx, "nbdkit", "--single", "--filter=cache", "file", m.disk(name))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = end, end, m.log
	ended, err := launch(cmd)
	if err != nil {
		return nil, err
	}
	p.ended = append(p.ended, ended)
	if name == "root" {
		p.root = cmd.Process
	}
	return []string{
		"-blockdev", fmt.Sprintf("driver=raw,node-name=%s,file.driver=nbd,file.server.type=fd,file.server.str=%d", name, p.last()),
		"-device", "virtio-blk-pci,drive=" + name,
	}, nil
}

// CopyDisk copies to a file what the machine, which is on, would find on its
// root disk if the power went now. The disk stands still meanwhile. Other than
// the rest it may be called while a script runs.
func (m *Machine) CopyDisk(ctx context.Context, to string) (err error) {
	if m.ended == nil {
		return errors.New("copying a disk: the machine is off")
	}
	disk := m.parts.root
	if err := disk.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("copying a disk: %w", err)
	}
	defer func() { err = errors.Join(err, disk.Signal(syscall.SIGCONT)) }()
	err = Wait(ctx, "the disk to stand still", func() (bool, error) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", disk.Pid))
		return strings.Contains(string(status), "\nState:\tT "), err
	})
	if err != nil {
		return fmt.Errorf("copying a disk: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "cp", "--sparse=always", m.disk("root"), to).CombinedOutput(); err != nil {
		return fmt.Errorf("copying a disk: %w: %s", err, out)
	}
	return nil
}

// tpm starts a TPM, whose state outlasts it, and returns qemu's options for it.
func (p *parts) tpm(m *Machine, _ string) ([]string, error) {
	if err := os.MkdirAll(m.tpm(), 0o700); err != nil {
		return nil, err
	}
	end, err := p.plug()
	if err != nil {
		return nil, err
	}
	defer end.Close()
	cmd := exec.CommandContext(p.ctx, "swtpm", "socket", "--tpm2", "--terminate", "--tpmstate", "dir="+m.tpm(), "--ctrl", "type=unixio,clientfd=3")
	cmd.ExtraFiles = []*os.File{end}
	cmd.Stdout, cmd.Stderr = m.log, m.log
	ended, err := launch(cmd)
	if err != nil {
		return nil, err
	}
	p.ended = append(p.ended, ended)
	return []string{
		"-chardev", fmt.Sprintf("socket,id=tpm,fd=%d", p.last()),
		"-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-tis,tpmdev=tpm",
	}, nil
}

func (m *Machine) tpm() string { return filepath.Join(m.o.Dir, "tpm") }

// ReplaceTPM puts another TPM into the machine, which must be off.
func (m *Machine) ReplaceTPM() error {
	if err := os.RemoveAll(m.tpm()); err != nil {
		return fmt.Errorf("replacing the TPM: %w", err)
	}
	return nil
}

// launch starts a program that does not outlive this process. What it returns
// is closed when the program has ended.
func launch(cmd *exec.Cmd) (<-chan struct{}, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // whose end the signal is for (prctl(2))
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ends is the guest's affair
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return ended, nil
}
