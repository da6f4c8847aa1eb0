package docker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// saying is a docker that prints a file for what it is asked: of the name of its
// last argument.
func saying(t *testing.T, answers map[string]string) *CLI {
	t.Helper()
	dir := t.TempDir()
	answers["docker"] = "#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 1\nfor last; do :; done\ncat \"$last\"\n"
	for name, text := range answers {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return At(filepath.Join(dir, "docker"))
}

func TestInspect(t *testing.T) {
	d := saying(t, map[string]string{
		"c0ffee": `[{"Id":"c0ffee","Name":"/aztec","Image":"sha256:1","State":{"Restarting":true},"Config":{"Image":"registry.example:5000/a/b:latest"},
			"NetworkSettings":{"Ports":{"40400/udp":[{"HostPort":"40401"},{"HostPort":"40401"}],"8080/tcp":null}},
			"HostConfig":{"NetworkMode":"bridge","RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3}},
			"Mounts":[{"Name":"data","Source":"/srv/data","Destination":"/var/lib/data"}]}]`,
		"sha256:1": `["registry.example@sha256:a","registry.example:5000/a@sha256:b","registry.example:5000/a/b@sha256:c"]`,
		"beef":     `[{"Id":"beef","Name":"/other","Image":"sha256:2","State":{},"HostConfig":{"NetworkMode":"host"}}]`,
		"sha256:2": `[]`,
		"two":      `[{},{}]`,
	})
	for id, want := range map[string]*Container{
		"c0ffee": {
			ID: "c0ffee", Name: "aztec", Image: "registry.example:5000/a/b:latest", Digest: "sha256:c", Restart: "on-failure:3", Running: true,
			Mounts: []Mount{{"data", "/srv/data", "/var/lib/data"}}, Ports: []Port{{"udp", 40401}, {"udp", 40401}},
		},
		"beef": {ID: "beef", Name: "other", Restart: "no", HostNet: true},
		"two":  nil,
	} {
		got, err := d.Inspect(t.Context(), id)
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (want != nil) {
			t.Errorf("%s: %v (-want +got):\n%s", id, err, diff)
		}
	}
}

func TestHolds(t *testing.T) {
	udp := Port{"udp", 40400}
	for name, test := range map[string]struct {
		c    *Container
		want bool
	}{
		"none":           {nil, false},
		"published":      {&Container{Running: true, Ports: []Port{udp}}, true},
		"stopped":        {&Container{Ports: []Port{udp}}, false},
		"another's":      {&Container{Running: true, Ports: []Port{{"tcp", 40400}}}, false},
		"on the host":    {&Container{Running: true, HostNet: true}, true},
		"stopped, there": {&Container{HostNet: true}, false},
	} {
		if got := test.c.Holds(udp); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// What docker lacks may be something else than the container, which runs on.
func TestNoContainer(t *testing.T) {
	for said, want := range map[string]bool{
		"Error response from daemon: No such container: c0ffee":                                true,
		"Error: No such container: c0ffee\n":                                                   true,
		"Error response from daemon: no such container: c0ffee\nError: failed to start":        true,
		`Error: no container with name or ID "c0ffee" found: no such container`:                true,
		`Error: no container with ID or name "c0ffee" found: no such container`:                true,
		"Emulate Docker CLI using podman.\nError: inspecting object: no such container c0ffee": true,
		"Error: No such image: sha256:c0ffee":                                                  false,
		"Error response from daemon: No such container: beef":                                  false, // whose network it uses
		"Error response from daemon: No such container: c0ffee1":                               false,
		`Error: no container with name or ID "beef" found: no such container`:                  false,
		"failed to connect to the docker API at unix:///var/run/docker.sock: No such file":     false,
		"Error response from daemon: No such network: c0ffee":                                  false,
		`exec: "docker": executable file not found in $PATH`:                                   false,
	} {
		if got := NoContainer(fmt.Errorf("docker inspect: exit status 1: %s", said), "c0ffee"); got != want {
			t.Errorf("%q: %t, want %t", said, got, want)
		}
	}
	if NoContainer(nil, "c0ffee") || NoContainer(errors.New("No such container: "), "") {
		t.Error("what did not fail, or has no ID, is gone")
	}
}
