package adoption

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Kind is what a node was set up with.
type Kind string

// Kinds of set-ups.
const (
	Compose Kind = "compose"
	Unit    Kind = "systemd unit"
)

// Mount is a directory or file of the host in the container.
type Mount struct {
	Source string // path on the host, or the name of a volume of docker's
	Target string
	Volume bool
}

// Port is a port of the host that leads to one of the container.
type Port struct {
	Host, Container int
	Protocol        string // tcp, udp
}

// Setup is how a node is run now.
type Setup struct {
	Kind     Kind
	File     string // path on the host
	Project  string // of compose; "": none
	Service  string // of compose
	Name     string // of the container; "": docker or compose chooses one
	Unit     string // that wraps docker; "": none
	Image    string
	Command  []string // entry point and command
	HostNet  bool
	Mounts   []Mount
	Ports    []Port
	Warnings []string

	env environment // may hold keys
}

func (s *Setup) warn(format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
}

// maxFile bounds what is read of one file, in bytes.
const maxFile = 1 << 20

// composeFiles are where compose looks, in its order.
var composeFiles = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}

// Read reads a set-up at a path of the host whose root is host: a directory
// with a compose file, a compose file, or a systemd unit.
func Read(host fs.FS, name string) (Setup, error) {
	info, err := fs.Stat(host, inside(name))
	if err != nil {
		return Setup{}, fmt.Errorf("reading %s: %w", name, cause(err))
	}
	if !info.IsDir() {
		if strings.HasSuffix(name, ".service") {
			return readUnit(host, name)
		}
		return readCompose(host, name, "")
	}
	for _, file := range composeFiles {
		if _, err := fs.Stat(host, inside(path.Join(name, file))); err == nil {
			return readCompose(host, path.Join(name, file), "")
		}
	}
	return Setup{}, fmt.Errorf("reading %s: it has none of %s", name, strings.Join(composeFiles, ", "))
}

// inside is a path of the host as io/fs has it.
func inside(name string) string {
	if name = strings.TrimPrefix(path.Clean("/"+name), "/"); name == "" {
		return "."
	}
	return name
}

// cause is an error without the path, which io/fs says in its own way.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

func readFile(host fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(host, inside(name))
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxFile) {
		err = fmt.Errorf("it is no file of at most %d bytes", maxFile)
	}
	var data []byte
	if err == nil {
		data, err = fs.ReadFile(host, inside(name))
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, cause(err))
	}
	return data, nil
}

// absolute is a path as a file in dir names it; ~ is the home of whoever adopts.
func absolute(dir, name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		name = path.Join(os.Getenv("HOME"), rest)
	}
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

// HostPath is where a path of the container is: on the host, or in a volume, of
// which rest is the path within.
func (s Setup) HostPath(inContainer string) (m Mount, rest string, ok bool) {
	inContainer = path.Clean(inContainer)
	for _, mount := range s.Mounts {
		target := path.Clean(mount.Target)
		inside := inContainer == target || strings.HasPrefix(inContainer, strings.TrimSuffix(target, "/")+"/")
		if inside && (!ok || len(target) > len(path.Clean(m.Target))) {
			m, rest, ok = mount, strings.TrimPrefix(strings.TrimPrefix(inContainer, target), "/"), true
		}
	}
	return m, rest, ok
}
