package testhost

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MachineOptions say what a virtual machine is made of.
type MachineOptions struct {
	Suite   string    // as Options.Suite
	Dir     string    // where its disks lie; the caller's to remove
	Payload string    // directory whose files the machine has in /payload
	Log     io.Writer // console; nil discards it
}

// Machine is a booted Debian of its own kernel, under qemu: for what a Host
// cannot show, since it shares the kernel of this machine. Memory, CPU and IP
// accounting are those of cgroup version 2, a reboot goes through firmware,
// it has a TPM, and Cut is a power cut: what was not flushed is lost. It is
// slow, half a minute from power on to the first command where /dev/kvm does
// not work.
//
// Its methods must not be called at the same time.
type Machine struct {
	o              MachineOptions
	kernel, initrd string
	accel          []string
	log            *console

	ended <-chan struct{} // closed when qemu has; nil: powered off
	parts parts
	kill  context.CancelFunc // of all of it
	port  net.Conn
	lines *bufio.Reader
}

// NewMachine makes the disks of a machine and switches nothing on. The first
// one of a suite takes a minute or two and the network.
func NewMachine(ctx context.Context, o MachineOptions) (*Machine, error) {
	if o.Suite == "" {
		o.Suite = "bookworm"
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	tree, image, err := machineBase(ctx, o.Suite, o.Log)
	if err != nil {
		return nil, err
	}
	m := &Machine{o: o, log: &console{to: o.Log}}
	if m.kernel, m.initrd, err = bootFiles(tree); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "cp", "--reflink=auto", "--sparse=always", image, m.disk("root")).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making a virtual machine: %w: %s", err, out)
	}
	if err := makeDisk(ctx, m.disk("payload"), "payload", o.Payload, "1G"); err != nil {
		return nil, err
	}
	if err := makeDisk(ctx, m.disk("data"), "data", "", "256M"); err != nil {
		return nil, err
	}
	m.accel = []string{"-accel", "tcg,thread=multi", "-cpu", "max"}
	if m.kvmWorks(ctx) {
		m.accel = []string{"-accel", "kvm", "-cpu", "host"}
	}
	return m, nil
}

func (m *Machine) disk(name string) string { return filepath.Join(m.o.Dir, name+".ext4") }

// kvmWorks boots a kernel that finds no disk and gives up: where /dev/kvm is
// only there, qemu ends in another way, or that takes for ever.
func (m *Machine) kvmWorks(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, qemu(), "-accel", "kvm", "-cpu", "host", "-m", "512", "-nodefaults", "-display", "none", "-serial", "stdio",
		"-no-reboot", "-kernel", m.kernel, "-append", "console=ttyS0 panic=-1").Output()
	return err == nil && strings.Contains(string(out), "Kernel panic")
}

// PowerOn starts the machine, without the parts that are named (data, tpm), and
// waits until systemd has started everything.
func (m *Machine) PowerOn(ctx context.Context, without ...string) error {
	if m.ended != nil {
		return errors.New("starting a virtual machine: it runs")
	}
	socket := filepath.Join(m.o.Dir, "port")
	if err := os.RemoveAll(socket); err != nil {
		return fmt.Errorf("starting a virtual machine: %w", err)
	}
	if err := m.start(socket, without); err != nil {
		return fmt.Errorf("starting a virtual machine: %w", err)
	}
	if err := m.awaitReady(ctx, socket); err != nil {
		return fmt.Errorf("starting a virtual machine: %w\n%s", err, m.log.tail())
	}
	return nil
}

// start runs qemu and the parts of the machine.
func (m *Machine) start(socket string, without []string) (err error) {
	args := append(slices.Clone(m.accel), "-smp", "2", "-m", "2048", "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", m.kernel, "-initrd", m.initrd, "-append", "root=LABEL=root rw console=ttyS0 quiet",
		"-device", "virtio-serial", "-chardev", "socket,id=port,server=on,wait=off,path="+socket, "-device", "virtserialport,chardev=port,name=testhost",
		"-drive", "if=virtio,format=raw,readonly=on,file="+m.disk("payload"))
	ctx, kill := context.WithCancel(context.Background())
	p := parts{ctx: ctx}
	defer func() {
		for _, f := range p.files { // qemu has its own
			f.Close()
		}
		if err != nil {
			kill()
			p.await()
		}
	}()
	for _, name := range []string{"root", "data", "tpm"} {
		if slices.Contains(without, name) {
			continue
		}
		plug := p.disk
		if name == "tpm" {
			plug = p.tpm
		}
		more, err := plug(m, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		args = append(args, more...)
	}
	cmd := exec.CommandContext(ctx, qemu(), args...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = m.log, m.log, p.files
	ended, err := launch(cmd)
	if err != nil {
		return err
	}
	p.ended = append(p.ended, ended)
	m.ended, m.parts, m.kill = ended, p, kill
	return nil
}

func (m *Machine) awaitReady(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	err := Wait(ctx, "qemu", func() (bool, error) {
		select {
		case <-m.ended:
			return false, errors.New("it ended")
		default:
		}
		var err error
		m.port, err = net.Dial("unix", socket)
		return err == nil, nil
	})
	if err != nil {
		return err
	}
	m.lines = bufio.NewReader(m.port)
	if _, err := m.line(ctx); err != nil {
		return err
	}
	return Wait(ctx, "systemd to settle", func() (bool, error) {
		r, err := m.Sh(ctx, "systemctl is-system-running --wait")
		state := strings.TrimSpace(r.Stdout)
		return state == "running" || state == "degraded", err
	})
}

// line reads one, for as long as ctx and the machine last.
func (m *Machine) line(ctx context.Context) (string, error) {
	stop := context.AfterFunc(ctx, func() { m.port.Close() })
	defer stop()
	text, err := m.lines.ReadString('\n')
	if err != nil {
		return "", errors.Join(ctx.Err(), fmt.Errorf("the machine does not answer: %w", err))
	}
	return strings.TrimSpace(text), nil
}

// Sh runs a script with bash, as root.
func (m *Machine) Sh(ctx context.Context, script string) (Result, error) {
	if m.port == nil {
		return Result{}, errors.New("running a script: the machine is off")
	}
	if _, err := fmt.Fprintf(m.port, "%s\n", base64.StdEncoding.EncodeToString([]byte(script))); err != nil {
		return Result{}, fmt.Errorf("running a script: %w", err)
	}
	answer, err := m.line(ctx)
	if err != nil {
		return Result{}, err
	}
	words := strings.Fields(answer)
	if len(words) != 3 {
		return Result{}, fmt.Errorf("running a script: the answer is %q", answer)
	}
	var r Result
	if r.Code, err = strconv.Atoi(words[0]); err != nil {
		return Result{}, fmt.Errorf("running a script: %w", err)
	}
	for i, to := range []*string{&r.Stdout, &r.Stderr} {
		data, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(words[i+1], "."))
		if err != nil {
			return Result{}, fmt.Errorf("running a script: %w", err)
		}
		*to = string(data)
	}
	return r, nil
}

// PowerOff shuts the machine down in the orderly way.
func (m *Machine) PowerOff(ctx context.Context) error {
	if m.ended == nil {
		return nil
	}
	// Its answer may come or not: the agent is stopped, too.
	if _, err := m.Sh(ctx, "systemctl --no-block poweroff"); err != nil && ctx.Err() != nil {
		return err
	}
	for _, ended := range m.parts.ended { // qemu, and then the others, since it has gone
		select {
		case <-ended:
		case <-ctx.Done():
			return fmt.Errorf("switching a virtual machine off: %w", ctx.Err())
		}
	}
	return m.Cut()
}

// Cut takes the power away.
func (m *Machine) Cut() error {
	if m.ended == nil {
		return nil
	}
	m.kill()
	m.parts.await()
	m.ended = nil
	if m.port == nil {
		return nil
	}
	err := m.port.Close()
	m.port = nil
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
