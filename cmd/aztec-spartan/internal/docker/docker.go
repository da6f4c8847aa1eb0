// Package docker stops and starts containers, and looks at them, by docker's
// command line: it is no client of its socket, and podman's docker will do.
package docker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Container is what docker knows of one, as far as it is needed to stop it and
// to put it back. Its JSON is in files that older programs read.
type Container struct {
	ID      string  `json:"id"`
	Name    string  `json:"name"`
	Image   string  `json:"image"`  // as it was asked for
	Digest  string  `json:"digest"` // of what runs; "": it was built here
	Restart string  `json:"restart"`
	Running bool    `json:"running"`
	Mounts  []Mount `json:"-"`
	HostNet bool    `json:"-"` // it listens on the host itself
	Ports   []Port  `json:"-"` // of the host that lead into it, while it runs
}

// Port is one of the host.
type Port struct {
	Network string // tcp, udp
	Number  int
}

// Holds reports whether a port is busy since this container runs; a nil one runs
// nowhere.
func (c *Container) Holds(p Port) bool {
	return c != nil && c.Running && (c.HostNet || slices.Contains(c.Ports, p))
}

// Mount is a directory of the host in a container. Its name is that of a volume.
type Mount struct{ Name, Source, Destination string }

// CLI is docker's command line.
type CLI struct{ path string }

// At is the program at a path.
func At(path string) *CLI { return &CLI{path} }

// Installed returns nil where there is no docker.
func Installed() *CLI {
	path, err := exec.LookPath("docker")
	if err != nil {
		return nil
	}
	return At(path)
}

func (d *CLI) run(ctx context.Context, args ...string) ([]byte, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, d.path, args...)
	// The kernel tells all of the group in its foreground that a terminal is gone:
	// who stops a container goes on then.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("docker %s: %w: %s", args[0], err, bytes.TrimSpace(errs.Bytes()))
	}
	return out.Bytes(), nil
}

// OfService returns the container of a service of compose, which marks its
// containers with the project and the service; nil if there is none.
func (d *CLI) OfService(ctx context.Context, project, service string) (*Container, error) {
	return d.only(ctx, "service "+service, "label=com.docker.compose.project="+project, "label=com.docker.compose.service="+service)
}

// Named returns the container of a name, nil if there is none.
func (d *CLI) Named(ctx context.Context, name string) (*Container, error) {
	return d.only(ctx, "name "+name, "name=^/?"+name+"$")
}

// only returns the container that passes all filters, nil if there is none.
func (d *CLI) only(ctx context.Context, what string, filters ...string) (*Container, error) {
	args := []string{"ps", "--all", "--no-trunc", "--quiet"}
	for _, f := range filters {
		args = append(args, "--filter", f)
	}
	out, err := d.run(ctx, args...)
	if err != nil {
		return nil, err
	}
	switch ids := strings.Fields(string(out)); len(ids) {
	case 0:
		return nil, nil
	case 1:
		return d.Inspect(ctx, ids[0])
	default:
		return nil, fmt.Errorf("docker has %d containers of %s: remove all but the one that runs", len(ids), what)
	}
}

// Inspect returns the container of an ID. Where docker has none, [NoContainer]
// knows its error.
func (d *CLI) Inspect(ctx context.Context, id string) (*Container, error) {
	out, err := d.run(ctx, "inspect", "--type", "container", id)
	if err != nil {
		return nil, err
	}
	var list []struct {
		ID, Name, Image string
		State           struct{ Running, Restarting bool }
		Config          struct{ Image string }
		NetworkSettings struct {
			Ports map[string][]struct{ HostPort string }
		}
		HostConfig struct {
			NetworkMode   string
			RestartPolicy struct {
				Name              string
				MaximumRetryCount int
			}
		}
		Mounts []Mount
	}
	if err := json.Unmarshal(out, &list); err != nil || len(list) != 1 {
		return nil, errors.New("docker inspect: its answer cannot be read")
	}
	c := list[0]
	policy := cmp.Or(c.HostConfig.RestartPolicy.Name, "no")
	if n := c.HostConfig.RestartPolicy.MaximumRetryCount; policy == "on-failure" && n > 0 {
		policy += ":" + strconv.Itoa(n)
	}
	found := &Container{
		ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Image: c.Config.Image, Restart: policy,
		Running: c.State.Running || c.State.Restarting, Mounts: c.Mounts, HostNet: c.HostConfig.NetworkMode == "host",
	}
	for inner, outer := range c.NetworkSettings.Ports { // "40400/udp", with an entry for each address
		_, network, _ := strings.Cut(inner, "/")
		for _, o := range outer {
			if port, err := strconv.Atoi(o.HostPort); err == nil {
				found.Ports = append(found.Ports, Port{network, port})
			}
		}
	}
	// The image by its ID: a tag may be another image's by now.
	out, err = d.run(ctx, "inspect", "--type", "image", "--format", "{{json .RepoDigests}}", c.Image)
	if err != nil {
		return nil, err
	}
	var digests []string
	if err := json.Unmarshal(out, &digests); err != nil {
		return nil, errors.New("docker inspect: its answer cannot be read")
	}
	for _, ref := range digests {
		repository, digest, _ := strings.Cut(ref, "@")
		if found.Digest == "" || isOf(c.Config.Image, repository) {
			found.Digest = digest
		}
	}
	return found, nil
}

// isOf reports whether a reference is of a repository: a tag, a digest or both
// may follow.
func isOf(ref, repository string) bool {
	rest, ok := strings.CutPrefix(ref, repository)
	return ok && (rest == "" || strings.ContainsAny(rest[:1], ":@") && !strings.Contains(rest, "/"))
}

// stopTimeout is in seconds: nodes close databases.
const stopTimeout = "120"

// Hold stops a container for good: it does not come back with docker or the
// host.
func (d *CLI) Hold(ctx context.Context, id string) error {
	if _, err := d.run(ctx, "update", "--restart=no", id); err != nil {
		return err
	}
	_, err := d.run(ctx, "stop", "-t", stopTimeout, id)
	return err
}

// Restore takes back that a container does not come back by itself.
func (d *CLI) Restore(ctx context.Context, c Container) error {
	_, err := d.run(ctx, "update", "--restart="+c.Restart, c.ID)
	return err
}

// Start starts a container that is there; one that runs is left so.
func (d *CLI) Start(ctx context.Context, id string) error {
	_, err := d.run(ctx, "start", id)
	return err
}

// NoContainer reports whether docker has failed for want of this very
// container: not of its image, of a network, or of another container whose
// network it uses. Docker ends a line with "No such container: ID", Podman's
// docker with "no such container ID", or names the ID before that.
func NoContainer(err error, id string) bool {
	if err == nil || id == "" {
		return false
	}
	id = strings.ToLower(id)
	for line := range strings.Lines(strings.ToLower(err.Error())) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), "no such container")
		if ok && (strings.TrimPrefix(strings.TrimPrefix(after, ":"), " ") == id || after == "" && strings.Contains(before, `"`+id+`"`)) {
			return true
		}
	}
	return false
}
