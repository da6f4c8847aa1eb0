package realimage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Files of the l1 step.
const (
	stateFile     = "state.json"
	contractsFile = "contracts.json"
)

// contracts are addresses that deploy-l1-contracts prints.
type contracts struct {
	Registry string `json:"registryAddress"`
	Rollup   string `json:"rollupAddress"`
}

func readContracts(file string) (contracts, error) {
	var c contracts
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err == nil && (c.Registry == "" || c.Rollup == "") {
		err = errors.New("no addresses in it")
	}
	if err != nil {
		return contracts{}, fmt.Errorf("reading the contracts of L1: %w", err)
	}
	return c, nil
}

// l1Base is what every anvil here is started with. With slots of one block the
// "finalized" block, which the archiver asks for, trails by two blocks.
func l1Base(anvil, host string, port int) []string {
	return []string{
		anvil, "--host", host, "--port", strconv.Itoa(port),
		"--chain-id", strconv.Itoa(chainID), "--slots-in-an-epoch", "1",
	}
}

// L1Command returns the command line of an L1 on 127.0.0.1 with Aztec's
// contracts, in blocks of four seconds. anvil and state are Set.Anvil and
// Set.L1State wherever they were copied to; port 0 lets the system choose, and
// anvil prints "Listening on ADDRESS" either way. The state starts anew with
// each process: nothing is written back.
func L1Command(anvil, state string, port int) []string {
	return append(l1Base(anvil, "127.0.0.1", port), "--load-state", state, "--block-time", "4")
}

// l1Lead is how far behind the clock the deploying L1 starts. Deploying sets its
// time about 70 s forward, and a fixture from the future would hold up the
// first node for as long.
const l1Lead = 5 * time.Minute

// l1 deploys the contracts and keeps the state.
func (b *builder) l1(ctx context.Context, dir string) error {
	state := filepath.Join(dir, stateFile)
	command := append(l1Base(b.path("tools", foundry("anvil")), "127.0.0.1", 0),
		"--dump-state", state, "--timestamp", strconv.FormatInt(time.Now().Add(-l1Lead).Unix(), 10))
	anvil := exec.CommandContext(ctx, command[0], command[1:]...)
	out, err := anvil.StdoutPipe()
	if err != nil {
		return err
	}
	if err := anvil.Start(); err != nil {
		return fmt.Errorf("starting anvil: %w", err)
	}
	stopped := false
	defer func() {
		if !stopped {
			anvil.Process.Kill()
			anvil.Wait()
		}
	}()
	lines := bufio.NewReader(out)
	port, err := listening(lines)
	if err != nil {
		return err
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		io.Copy(io.Discard, lines)
	}()
	if err := b.deploy(ctx, dir, port); err != nil {
		return err
	}
	// It writes its state when it is interrupted.
	if err := anvil.Process.Signal(syscall.SIGINT); err != nil {
		return fmt.Errorf("stopping anvil: %w", err)
	}
	<-drained
	stopped = true
	if err := anvil.Wait(); err != nil {
		return fmt.Errorf("stopping anvil: %w", err)
	}
	if info, err := os.Stat(state); err != nil || info.Size() == 0 {
		return fmt.Errorf("stopping anvil: it left no state: %w", err)
	}
	return nil
}

// listening reads what anvil prints until it says where it listens.
func listening(lines *bufio.Reader) (port int, err error) {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return 0, fmt.Errorf("waiting for anvil to listen: %w", err)
		}
		if address, ok := strings.CutPrefix(strings.TrimSpace(line), "Listening on "); ok {
			_, p, err := net.SplitHostPort(address)
			if err != nil {
				return 0, fmt.Errorf("waiting for anvil to listen: %w", err)
			}
			return strconv.Atoi(p)
		}
	}
}

// deploy runs the node's own deployment in the image.
func (b *builder) deploy(ctx context.Context, dir string, port int) error {
	data := filepath.Join(dir, "data")
	defer os.RemoveAll(data)
	cmd, err := Chroot{Root: b.path("rootfs"), Data: data, UID: 4242}.Command(ctx,
		append([]string{"/usr/local/bin/node"}, append(entrypoint[1:], "deploy-l1-contracts", "--json")...)...)
	if err != nil {
		return err
	}
	cmd.Env = append(append(cmd.Env, config().Env...),
		"HOME=/tmp", "ETHEREUM_HOSTS=http://127.0.0.1:"+strconv.Itoa(port))
	for name, value := range rollupEnv() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out bytes.Buffer
	errs := &tail{limit: 4096}
	cmd.Stdout, cmd.Stderr = &out, errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("deploying contracts to L1: %w\n%s", err, errs)
	}
	file := filepath.Join(dir, contractsFile)
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		return err
	}
	_, err = readContracts(file)
	return err
}
