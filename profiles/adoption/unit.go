package adoption

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
)

// readUnit reads a unit whose ExecStart= is docker run or docker compose.
func readUnit(host fs.FS, file string) (Setup, error) {
	s, err := unitSetup(host, file)
	if err != nil {
		return Setup{}, fmt.Errorf("reading %s: %w", file, err)
	}
	return s, nil
}

func unitSetup(host fs.FS, file string) (Setup, error) {
	data, err := readFile(host, file)
	if err != nil {
		return Setup{}, err
	}
	options, err := unit.DeserializeOptions(strings.NewReader(string(data)))
	if err != nil {
		return Setup{}, errors.New("it is no unit file")
	}
	var exec []string
	var vars environment
	dir := "/"
	for _, o := range options {
		if o.Section != "Service" {
			continue
		}
		switch o.Name {
		case "WorkingDirectory":
			dir = strings.TrimPrefix(o.Value, "-")
		case "ExecStart":
			exec = words(strings.TrimLeft(o.Value, "-@:+!"))
		case "Environment":
			err = vars.addUnit(o.Value)
		case "EnvironmentFile":
			err = vars.addFile(host, o.Value)
		}
		if err != nil {
			return Setup{}, err
		}
	}
	for i, w := range exec {
		if exec[i], err = interpolate(w, vars.lookup); err != nil {
			return Setup{}, fmt.Errorf("ExecStart: %w", err)
		}
	}
	// A shell around it.
	if i := slices.Index(exec, "-c"); i >= 0 && i+1 < len(exec) {
		exec = words(exec[i+1])
	}
	s, err := dockerSetup(host, dir, file, exec, vars)
	s.Unit = path.Base(file)
	return s, err
}

// addUnit adds what a line of Environment= has.
func (e *environment) addUnit(value string) error {
	for _, w := range words(value) {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			continue
		}
		if err := e.add(name, value); err != nil {
			return err
		}
	}
	return nil
}

// addFile adds what is in a file of EnvironmentFile=, where - says that it need
// not be there.
func (e *environment) addFile(host fs.FS, value string) error {
	name, optional := strings.CutPrefix(value, "-")
	text, err := readFile(host, name)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	parsed, err := envfile.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, v := range parsed.Vars {
		if err := e.add(v.Name, v.Value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func dockerSetup(host fs.FS, dir, file string, exec []string, vars environment) (Setup, error) {
	compose, run := -1, -1
	for i, w := range exec {
		if w == "compose" && i > 0 && path.Base(exec[i-1]) == "docker" || path.Base(w) == "docker-compose" {
			compose = i
		}
		if w == "run" && i > 0 && path.Base(exec[i-1]) == "docker" {
			run = i
		}
	}
	switch {
	case compose >= 0:
		return unitCompose(host, dir, exec[compose+1:])
	case run >= 0:
		s := Setup{Kind: Unit, File: file}
		return s, s.dockerRun(host, dir, exec[run+1:], vars)
	}
	return Setup{}, errors.New("ExecStart runs neither docker run nor docker compose")
}

func unitCompose(host fs.FS, dir string, args []string) (Setup, error) {
	where := dir
	for i, w := range args {
		name, value, joined := strings.Cut(w, "=")
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		if name == "-f" || name == "--file" || name == "--project-directory" {
			where = absolute(dir, value)
		}
	}
	return Read(host, where)
}

// bare are the options of docker run that take no value.
var bare = []string{"-d", "--detach", "-i", "-t", "-it", "-ti", "--interactive", "--tty", "--rm", "--init", "--privileged", "--read-only", "-P", "--no-healthcheck"}

// dockerRun reads the arguments of docker run.
func (s *Setup) dockerRun(host fs.FS, dir string, args []string, vars environment) error {
	var entry []string
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		if !strings.HasPrefix(name, "-") {
			s.Image = args[i]
			s.Command = append(entry, args[i+1:]...)
			return nil
		}
		if slices.Contains(bare, args[i]) {
			continue
		}
		if !joined {
			if i++; i == len(args) {
				break
			}
			value = args[i]
		}
		switch name {
		case "--name":
			s.Name = value
		case "-v", "--volume":
			if m := shortMount(value); m.Source != "" {
				if !m.Volume {
					m.Source = absolute(dir, m.Source)
				}
				s.Mounts = append(s.Mounts, m)
			}
		case "--mount":
			s.longMount(dir, value)
		case "-p", "--publish":
			s.publish(value)
		case "--network", "--net":
			s.HostNet = value == "host"
		case "--entrypoint":
			entry = []string{value}
		case "-e", "--env":
			name, v, given := strings.Cut(value, "=")
			if !given {
				v, given = vars.lookup(name)
			}
			if given {
				if err := s.env.add(name, v); err != nil {
					return err
				}
			}
		case "--env-file":
			if err := s.rawEnvFile(host, absolute(dir, value), vars); err != nil {
				return err
			}
		}
	}
	return errors.New("docker run names no image")
}

func (s *Setup) longMount(dir, text string) {
	m := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		m[name] = value
	}
	first := func(names ...string) string {
		for _, n := range names {
			if m[n] != "" {
				return m[n]
			}
		}
		return ""
	}
	mount := Mount{Source: first("source", "src"), Target: first("target", "destination", "dst"), Volume: m["type"] != "bind"}
	if mount.Source == "" || mount.Target == "" {
		return
	}
	if !mount.Volume {
		mount.Source = absolute(dir, mount.Source)
	}
	s.Mounts = append(s.Mounts, mount)
}

// rawEnvFile reads a file as docker run does, which knows no quotes.
func (s *Setup) rawEnvFile(host fs.FS, name string, vars environment) error {
	data, err := readFile(host, name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(strings.TrimLeft(line, " \t"), "\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, given := strings.Cut(line, "=")
		if !given {
			value, given = vars.lookup(name)
		}
		if given {
			if err := s.env.add(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}
