// Package stage sets a booted host up for the main job: the package is
// installed, a registry serves images, and, for the real node, an L1 runs.
// Tests and the demo begin here.
package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/registry"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

// RegistryAddress is where hosts find the registry.
const RegistryAddress = "127.0.0.1:5000"

// Repository is the images' repository in it.
const Repository = RegistryAddress + "/aztecprotocol/aztec"

// Options say what to set up.
type Options struct {
	Suite   string
	Deb     string         // the package, a path on this machine; "": none
	Layouts []string       // OCI layouts that the registry serves
	L1      *realimage.Set // nil: none
	Log     io.Writer      // console; may be nil
	Docker  bool           // the distribution's docker and docker-compose run on it
	Settle  string         // how long a version must stay up in a roll; "": as in the package's config.toml

	Packages []string // more of the distribution
}

// dockerCLI is what brings the command, which docker.io left to another package
// in trixie.
var dockerCLI = map[string]string{"bookworm": "docker.io", "trixie": "docker-cli"}

// Stage is a host that is ready.
type Stage struct {
	*testhost.Host
	registry *http.Server
	served   chan error
	handler  *registry.Moving
	closers  []func() error
	standsIn []func() error // ends of what stands in for L1
	options  Options
}

// Set boots a host and sets it up. The caller must Close it.
func Set(ctx context.Context, o Options) (*Stage, error) {
	handler, err := registry.Handler(o.Layouts...)
	if err != nil {
		return nil, fmt.Errorf("setting a host up: %w", err)
	}
	boot := testhost.Options{Suite: o.Suite, Log: o.Log, Packages: slices.Clone(o.Packages)}
	if o.L1 != nil {
		boot.Binds = l1Binds(o.L1)
	}
	if o.Docker {
		boot.Packages, boot.Containers = append(boot.Packages, "docker.io", "docker-compose", dockerCLI[o.Suite]), true
	}
	host, err := testhost.Boot(ctx, boot)
	if err != nil {
		return nil, err
	}
	s := &Stage{Host: host, handler: &registry.Moving{Handler: handler}, options: o}
	if o.Deb != "" {
		if err := s.install(ctx, o.Deb); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if err := s.StartRegistry(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if o.L1 != nil {
		if err := s.startL1(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Neighbour sets up another host like this one, without an L1, and lays a cable
// between the two, with the addresses here and there. The caller must Close it.
func (s *Stage) Neighbour(ctx context.Context, here, there string) (*Stage, error) {
	o := s.options
	o.L1 = nil
	other, err := Set(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.Connect(ctx, other.Host, here, there); err != nil {
		return nil, errors.Join(err, other.Close())
	}
	return other, nil
}

// install puts the package on the host, by apt as a user would.
func (s *Stage) install(ctx context.Context, deb string) error {
	if err := s.Put(ctx, deb, "/root/aztec-spartan.deb", 0o644); err != nil {
		return err
	}
	_, err := s.Must(ctx, "apt-get install -y --no-install-recommends /root/aztec-spartan.deb")
	if err == nil && s.options.Settle != "" {
		_, err = s.Must(ctx, "sed -i 's/^settle = .*/settle = \""+s.options.Settle+"\"/' /etc/aztec-spartan/config.toml")
	}
	return err
}

// Must runs a script and fails if the script does.
func (s *Stage) Must(ctx context.Context, script string) (string, error) {
	r, err := s.Sh(ctx, script)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("running %q on the host: exit code %d: %s%s", script, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout, err
}

// StartRegistry serves the images, and no one outside of the host sees it.
func (s *Stage) StartRegistry() error {
	l, err := s.Listen("tcp", RegistryAddress)
	if err != nil {
		return fmt.Errorf("starting the registry: %w", err)
	}
	s.registry = &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
	s.served = make(chan error, 1)
	go func() { s.served <- s.registry.Serve(l) }()
	return nil
}

// MoveTag has the registry serve what another tag means under a tag: its own
// name is as before, "" withdraws it.
func (s *Stage) MoveTag(tag, to string) { s.handler.Move(tag, to) }

// StopRegistry takes the registry away, as when it is down.
func (s *Stage) StopRegistry() error {
	if s.registry == nil {
		return nil
	}
	err := s.registry.Close()
	<-s.served
	s.registry = nil
	return err
}

// Close switches everything off.
func (s *Stage) Close() error {
	err := s.StopRegistry()
	for _, end := range s.closers {
		err = errors.Join(err, end())
	}
	return errors.Join(err, s.Host.Close())
}

// RPC asks the node on the host and returns its answer as JSON text.
func (s *Stage) RPC(ctx context.Context, port int, method string) (string, error) {
	call := fmt.Sprintf(`curl -sS -m 5 -H 'content-type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"%s","params":[]}' http://127.0.0.1:%d/`, method, port)
	out, err := s.Must(ctx, call)
	return strings.TrimSpace(out), err
}
