package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/adoption"
)

// container is what docker knows of the one that is taken over, as far as it
// is needed to stop it and to put it back.
type container struct {
	ID      string        `json:"id"`
	Name    string        `json:"name"`
	Image   string        `json:"image"`  // as it was asked for
	Digest  string        `json:"digest"` // of what runs; "": it was built here
	Restart string        `json:"restart"`
	Running bool          `json:"running"`
	Mounts  []dockerMount `json:"-"`
	HostNet bool          `json:"-"` // it listens on the host itself
	Ports   []hostPort    `json:"-"` // of the host that lead into it, while it runs
}

type hostPort struct {
	network string // tcp, udp
	port    int
}

// holds reports whether a port is busy since this container runs.
func (c *container) holds(l profiles.Listen) bool {
	return c != nil && c.Running && (c.HostNet || slices.Contains(c.Ports, hostPort{l.Network, l.Port}))
}

type dockerMount struct{ Name, Source, Destination string }

// docker is its command line: this program is no client of its socket.
type docker struct{ path string }

// findDocker returns nil where there is no docker.
func findDocker() *docker {
	path, err := exec.LookPath("docker")
	if err != nil {
		return nil
	}
	return &docker{path}
}

func (d *docker) run(ctx context.Context, args ...string) ([]byte, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, d.path, args...)
	cmd.SysProcAttr = ownGroup()
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("docker %s: %w: %s", args[0], err, bytes.TrimSpace(errs.Bytes()))
	}
	return out.Bytes(), nil
}

// find returns the container of a set-up, nil if there is none. Compose marks
// its containers with the project and the service.
func (d *docker) find(ctx context.Context, s adoption.Setup) (*container, error) {
	args := []string{"ps", "--all", "--no-trunc", "--quiet"}
	switch {
	case s.Project != "":
		args = append(args, "--filter", "label=com.docker.compose.project="+s.Project, "--filter", "label=com.docker.compose.service="+s.Service)
	case s.Name != "":
		args = append(args, "--filter", "name=^/?"+s.Name+"$")
	default:
		return nil, nil
	}
	out, err := d.run(ctx, args...)
	if err != nil {
		return nil, err
	}
	switch ids := strings.Fields(string(out)); len(ids) {
	case 0:
		return nil, nil
	case 1:
		return d.inspect(ctx, ids[0])
	default:
		return nil, fmt.Errorf("docker has %d containers of service %s: remove all but the one that runs", len(ids), s.Service)
	}
}

func (d *docker) inspect(ctx context.Context, id string) (*container, error) {
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
		Mounts []dockerMount
	}
	if err := json.Unmarshal(out, &list); err != nil || len(list) != 1 {
		return nil, errors.New("docker inspect: its answer cannot be read")
	}
	c := list[0]
	policy := orDefault(c.HostConfig.RestartPolicy.Name, "no")
	if n := c.HostConfig.RestartPolicy.MaximumRetryCount; policy == "on-failure" && n > 0 {
		policy += ":" + strconv.Itoa(n)
	}
	found := &container{
		ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Image: c.Config.Image, Restart: policy,
		Running: c.State.Running || c.State.Restarting, Mounts: c.Mounts, HostNet: c.HostConfig.NetworkMode == "host",
	}
	for inner, outer := range c.NetworkSettings.Ports { // "40400/udp", with an entry for each address
		_, network, _ := strings.Cut(inner, "/")
		for _, o := range outer {
			if port, err := strconv.Atoi(o.HostPort); err == nil {
				found.Ports = append(found.Ports, hostPort{network, port})
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
		if found.Digest == "" || repository == repositoryOf(c.Config.Image) {
			found.Digest = digest
		}
	}
	return found, nil
}

// stopTimeout is in seconds: nodes close databases.
const stopTimeout = "120"

// hold stops a container for good: it does not come back with docker or the
// host.
func (d *docker) hold(ctx context.Context, id string) error {
	if _, err := d.run(ctx, "update", "--restart=no", id); err != nil {
		return err
	}
	_, err := d.run(ctx, "stop", "-t", stopTimeout, id)
	return err
}

// restore takes back that a container does not come back by itself.
func (d *docker) restore(ctx context.Context, c container) error {
	_, err := d.run(ctx, "update", "--restart="+c.Restart, c.ID)
	return err
}

// start starts a container that is there; one that runs is left so.
func (d *docker) start(ctx context.Context, id string) error {
	_, err := d.run(ctx, "start", id)
	return err
}

// noContainer reports whether docker has failed for want of this very
// container: not of its image, of a network, or of another container whose
// network it uses. Docker ends a line with "No such container: ID", Podman's
// docker with "no such container ID", or names the ID before that.
func noContainer(err error, id string) bool {
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
