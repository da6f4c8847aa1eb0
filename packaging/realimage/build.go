package realimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Set is what Build made. All paths are absolute.
type Set struct {
	// Dir is the cache directory that holds everything else.
	Dir string `json:"dir"`
	// Layout is an OCI image layout with Tags.
	Layout string   `json:"layout"`
	Tags   []string `json:"tags"`
	// Rootfs is the image of Tags[0] unpacked, its files hard links into the
	// cache: for Chroot, never to be written to.
	Rootfs string `json:"rootfs"`
	// Anvil is the L1 node. It runs on the host, Debian 12 or later.
	Anvil string `json:"anvil"`
	// L1State is the state of an L1 that has Aztec's contracts; see L1Command.
	L1State string `json:"l1_state"`
	// The contracts of L1State that an operator or a test has to know.
	RegistryAddress string `json:"registry_address"`
	RollupAddress   string `json:"rollup_address"`
	// Rebuilt is the layout that BuildRebuilt makes; empty without it.
	Rebuilt string `json:"rebuilt,omitempty"`
}

// Build returns the image, and makes it if the cache does not have it: about
// three minutes on two cores, two gigabytes of disk. It needs root, the
// DebianPackages, the npm registry and a Debian mirror.
//
// The work is cut into steps, each a directory that is made under another name
// and renamed when it is whole. A failed or interrupted Build is taken up again
// at the step that was not finished. A lock makes a second builder wait for the
// first. The cache can be removed at any time nobody uses it; since it can be
// made again, nothing in it is synced to disk.
func Build(ctx context.Context, log io.Writer) (*Set, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("building the real image: %w", err)
	}
	set, err := buildIn(ctx, filepath.Join(cache, "aztec-spartan", "realimage"), log)
	if err != nil {
		return nil, fmt.Errorf("building the real image: %w", err)
	}
	return set, nil
}

func buildIn(ctx context.Context, cache string, log io.Writer) (*Set, error) {
	key, err := key()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, key)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	b := &builder{dir: dir, log: log}
	if err := b.all(ctx); err != nil {
		return nil, err
	}
	return b.set()
}

// lock waits for the lock file of a cache directory, which lies beside it. The
// kernel gives it back when the process ends, however it ends.
func lock(file string) (unlock func() error, err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", file, err)
	}
	return f.Close, nil
}

// builder makes the steps in dir.
type builder struct {
	dir string
	mu  sync.Mutex
	log io.Writer
}

func (b *builder) path(elem ...string) string {
	return filepath.Join(append([]string{b.dir}, elem...)...)
}

func (b *builder) printf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(b.log, format+"\n", args...)
}

// all makes what is missing. The base comes from another server than the
// packages and the fixture needs no layers, so both pairs are made side by side.
func (b *builder) all(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.step(gctx, "base", b.bootstrap) })
	g.Go(func() error {
		for _, s := range []struct {
			name string
			make func(context.Context, string) error
		}{{"tools", b.tools}, {"packages", b.packages}, {"addon", b.addon}} {
			if err := b.step(gctx, s.name, s.make); err != nil {
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	g, gctx = errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := b.step(gctx, "rootfs", b.rootfs); err != nil {
			return err
		}
		return b.step(gctx, "l1", b.l1)
	})
	g.Go(func() error { return b.step(gctx, "layout", b.layout) })
	return g.Wait()
}

// step makes the directory name unless it is there.
func (b *builder) step(ctx context.Context, name string, make func(ctx context.Context, dir string) error) error {
	done := b.path(name)
	if _, err := os.Stat(done); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	part := done + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := os.Mkdir(part, 0o755); err != nil {
		return err
	}
	began := time.Now()
	b.printf("%s: begins", name)
	if err := make(ctx, part); err != nil {
		return fmt.Errorf("making %s: %w", name, err)
	}
	if err := os.Rename(part, done); err != nil {
		return err
	}
	b.printf("%s: done in %.1f s", name, time.Since(began).Seconds())
	return nil
}

// set describes a cache directory in which every step is done.
func (b *builder) set() (*Set, error) {
	contracts, err := readContracts(b.path("l1", contractsFile))
	if err != nil {
		return nil, err
	}
	return &Set{
		Dir:             b.dir,
		Layout:          b.path("layout"),
		Tags:            []string{version, testVersion},
		Rootfs:          b.path("rootfs"),
		Anvil:           b.path("tools", foundry("anvil")),
		L1State:         b.path("l1", stateFile),
		RegistryAddress: contracts.Registry,
		RollupAddress:   contracts.Rollup,
	}, nil
}
