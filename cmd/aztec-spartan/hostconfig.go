package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// hostConfig is /etc/aztec-spartan/config.toml.
type hostConfig struct {
	Schema   int `toml:"schema"`
	Registry struct {
		Repository string   `toml:"repository"`
		Insecure   []string `toml:"insecure"`
		Mirrors    []string `toml:"mirrors"`
		CAFile     string   `toml:"ca_file"`
	} `toml:"registry"`
	Store struct {
		Reserve size `toml:"reserve"` // of the file system, to stay free
	} `toml:"store"`
	Update struct {
		GateTimeout duration `toml:"gate_timeout"`
		Settle      duration `toml:"settle"`
		profiles.Update
	} `toml:"update"`
	Network struct {
		IPServices []string `toml:"ip_services"` // URLs that answer with the public address of who asks; none: defaultIPServices
		Firewall   bool     `toml:"firewall"`    // close RPC and admin ports to other machines
		NTPServers []string `toml:"ntp_servers"` // that doctor asks for the time, host:port; none: it asks none
		// ReachService tells whether {port} of who asks is open, in JSON:
		// {"reachable":true}. "": nobody is asked.
		ReachService string `toml:"reach_service"`
	} `toml:"network"`
}

const hostConfigSchema = 1

// defaultReserve leaves a node that writes to the same disk the time to be
// noticed.
const defaultReserve = 1 << 30

// duration is written as in Go: "90s", "5m".
type duration struct{ time.Duration }

func (d *duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	if err == nil && d.Duration <= 0 {
		err = errors.New("must be more than zero")
	}
	return err
}

func (a *app) hostConfig() (hostConfig, error) {
	var c hostConfig
	c.Registry.Repository = "docker.io/aztecprotocol/aztec"
	c.Store.Reserve = defaultReserve
	c.Network.Firewall = true
	c.Network.NTPServers = defaultNTPServers
	c.Update.GateTimeout.Duration = roll.DefaultGate.Timeout
	c.Update.Settle.Duration = roll.DefaultGate.Settle
	data, err := os.ReadFile(a.path(configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("reading %s: %w", configFile, err)
	}
	meta, err := toml.Decode(string(data), &c)
	if err != nil {
		return c, usage(fmt.Errorf("reading %s: %w", configFile, err))
	}
	if c.Schema > hostConfigSchema {
		return c, &units.NewerSchemaError{What: configFile, Found: c.Schema, Known: hostConfigSchema}
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		var keys []string
		for _, k := range unknown {
			keys = append(keys, k.String())
		}
		return c, usage(fmt.Errorf("reading %s: unknown setting %s", configFile, strings.Join(keys, ", ")))
	}
	if err := c.check(); err != nil {
		return c, usage(fmt.Errorf("reading %s: %w", configFile, err))
	}
	return c, nil
}

func (c hostConfig) check() error {
	for _, m := range c.Registry.Mirrors {
		if err := checkMirror(m); err != nil {
			return fmt.Errorf("registry.mirrors: %w", err)
		}
	}
	for _, s := range c.Network.IPServices {
		if err := profiles.ValidURL(s); err != nil {
			return fmt.Errorf("network.ip_services: %w", err)
		}
	}
	for _, s := range c.Network.NTPServers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			return fmt.Errorf("network.ntp_servers: %w", err)
		}
	}
	if s := c.Network.ReachService; s != "" {
		if err := profiles.ValidURL(strings.ReplaceAll(s, "{port}", "1")); err != nil {
			return fmt.Errorf("network.reach_service: %w", err)
		}
	}
	if err := c.Update.Check(); err != nil {
		return err
	}
	if f := c.Registry.CAFile; f != "" && !filepath.IsAbs(f) {
		return fmt.Errorf("registry.ca_file: %q is not an absolute path", f)
	}
	return nil
}

// mirrorForm is where the repository's own name can be put after.
var mirrorForm = regexp.MustCompile(`^(https?://)?([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?(/[a-z0-9]+([._/-]+[a-z0-9]+)*)?/?$`)

func checkMirror(mirror string) error {
	if !mirrorForm.MatchString(mirror) {
		return fmt.Errorf("%q is not HOST[:PORT][/PREFIX], with http:// before it for plain HTTP", mirror)
	}
	return nil
}
