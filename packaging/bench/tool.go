package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// tool is one way to get an image. What it does is said in bash, as an operator
// would say it; the scripts find these variables:
//
//	STORE   the tool's directory, empty at first and kept for all steps
//	REF     the image, as host:port/repository:tag
//	TAG     its tag, unlike that of any other step
//	BLOBS   the addresses of its layers, lowest first
type tool struct {
	key  string // as in BENCH_TOOLS
	name string
	// commands have to be on the PATH.
	commands []string
	// version prints one line.
	version string
	pull    string
	// daemon, if any, runs until it is told to stop; ready succeeds once it answers.
	daemon, ready string
	// driver prints how the daemon or the tool keeps its trees; may be empty.
	driver string
	// shares tells whether a store that has a version helps with another one.
	shares bool
	// goal tells that a goal of this project is a ratio to this tool's time, so
	// that it takes part in every round.
	goal bool
	// syncs says what the tool itself does for its files to survive a power cut.
	syncs string
}

// ourKey is the tool that all others are compared with.
const ourKey = "aztec-spartan"

// allTools lists the tools as the tables show them.
func allTools(binary string) []tool {
	blobs := func(inflate string) string {
		return `mkdir "$STORE/$TAG"; for url in $BLOBS; do curl -sSf "$url" | ` + inflate + ` | tar x -C "$STORE/$TAG"; done`
	}
	const nothing = "nothing"
	return []tool{
		{
			key: ourKey, name: "aztec-spartan", shares: true, goal: true,
			version: fmt.Sprintf("'%s' version | head -n 1", binary),
			pull:    fmt.Sprintf(`exec '%s' pull "$REF" --root "$STORE"`, binary),
			syncs:   "one syncfs before a version is published",
		},
		{
			key: "docker", name: "docker pull", shares: true, goal: true,
			commands: []string{"docker", "dockerd"}, version: "dockerd --version",
			daemon: `echo '{}' >"$STORE/daemon.json"
				exec dockerd --config-file "$STORE/daemon.json" --data-root "$STORE/data" --exec-root "$STORE/exec" --pidfile "$STORE/docker.pid" \
				--host "unix://$STORE/docker.sock" --bridge none --iptables=false --storage-driver overlay2 --log-level error`,
			ready:  `docker -H "unix://$STORE/docker.sock" version`,
			driver: `docker -H "unix://$STORE/docker.sock" info --format '{{.Driver}} on {{index (index .DriverStatus 0) 1}}'`,
			pull:   `exec docker -H "unix://$STORE/docker.sock" pull -q "$REF"`,
			syncs:  "its records, not the files of layers",
		},
		{
			key: "podman", name: "podman pull", shares: true,
			commands: []string{"podman"}, version: "podman --version",
			driver: `podman --root "$STORE/root" --runroot "$STORE/run" --tmpdir "$STORE/libpod" --storage-driver overlay info --format '{{.Store.GraphDriverName}}'`,
			pull: `exec podman --root "$STORE/root" --runroot "$STORE/run" --tmpdir "$STORE/libpod" --storage-driver overlay \
				pull -q --tls-verify=false "$REF"`,
			syncs: "its records, not the files of layers",
		},
		{
			key: "containerd", name: "containerd (ctr pull)", shares: true,
			commands: []string{"containerd", "ctr"}, version: "containerd --version",
			daemon: `printf '%s\n' 'version = 2' 'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]' >"$STORE/config.toml"
				exec containerd --config "$STORE/config.toml" --root "$STORE/data" --state "$STORE/state" --address "$STORE/c.sock" --log-level error`,
			ready:  `ctr --address "$STORE/c.sock" version`,
			driver: "echo overlayfs",
			pull:   `exec ctr --address "$STORE/c.sock" images pull --plain-http --snapshotter overlayfs "$REF"`,
			syncs:  "its compressed blobs and records, not the files of layers",
		},
		{
			key: "umoci", name: "skopeo + umoci", shares: true,
			commands: []string{"skopeo", "umoci"}, version: "echo $(skopeo --version), $(umoci --version)",
			pull: `skopeo copy -q --insecure-policy --src-tls-verify=false "docker://$REF" "oci:$STORE/oci:$TAG"
				umoci raw unpack --image "$STORE/oci:$TAG" "$STORE/$TAG"`,
			syncs: nothing,
		},
		{
			key: "crane", name: "crane export | tar", goal: true,
			commands: []string{"crane", "tar"}, version: "echo crane $(crane version)",
			pull:  `mkdir "$STORE/$TAG"; crane export "$REF" - | tar x -C "$STORE/$TAG"`,
			syncs: nothing,
		},
		{
			key: "igzip", name: "curl | igzip | tar", goal: true,
			commands: []string{"curl", "igzip", "tar"}, version: "igzip --version",
			pull: blobs("igzip -dc"), syncs: nothing,
		},
		{
			key: "pigz", name: "curl | pigz | tar",
			commands: []string{"curl", "pigz", "tar"}, version: "pigz --version",
			pull: blobs("pigz -dc"), syncs: nothing,
		},
	}
}

// chosen keeps the tools with the given keys, and this program; all without keys.
func chosen(all []tool, keys []string) ([]tool, error) {
	for _, key := range keys {
		if !slices.ContainsFunc(all, func(t tool) bool { return t.key == key }) {
			return nil, fmt.Errorf("choosing tools: there is none called %q", key)
		}
	}
	var some []tool
	for _, t := range all {
		if len(keys) == 0 || t.key == ourKey || slices.Contains(keys, t.key) {
			some = append(some, t)
		}
	}
	return some, nil
}

// missing lists the commands of a tool that are not on the PATH.
func (t tool) missing() (list []string) {
	for _, c := range t.commands {
		if _, err := exec.LookPath(c); err != nil {
			list = append(list, c)
		}
	}
	return list
}

// shell prepares a script that ends with the first command that fails.
func shell(ctx context.Context, script string, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Env = append(cmd.Environ(), env...)
	return cmd
}

// line runs a script and returns the first line it prints.
func line(ctx context.Context, script string, env ...string) (string, error) {
	out, err := shell(ctx, script, env...).Output()
	if err != nil {
		return "", fmt.Errorf("running %s: %w", script, err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return first, nil
}
