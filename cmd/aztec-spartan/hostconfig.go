package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/notify"
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
		StartTimeout    duration `toml:"start_timeout"`
		GateTimeout     duration `toml:"gate_timeout"`
		ProgressTimeout duration `toml:"progress_timeout"`
		PeersTimeout    duration `toml:"peers_timeout"`
		Settle          duration `toml:"settle"`
		profiles.Update
		dataConfig
		busyConfig
	} `toml:"update"`
	Network struct {
		IPServices []string `toml:"ip_services"` // URLs that answer with the public address of who asks; none: the usual ones
		Firewall   bool     `toml:"firewall"`    // close RPC and admin ports to other machines
		WatchIP    bool     `toml:"watch_ip"`    // have aztec-watch.timer ask them once an hour
		ApplyIP    bool     `toml:"apply_ip"`    // and restart nodes with a new address when they are not busy
		NTPServers []string `toml:"ntp_servers"` // that doctor asks for the time, host:port; none: it asks none
		// ReachService tells whether {port} of who asks is open, in JSON:
		// {"reachable":true}. "": nobody is asked.
		ReachService string `toml:"reach_service"`
	} `toml:"network"`
	Metrics struct {
		Textfile string `toml:"textfile"` // directory of the textfile collector; "": metrics are not written
	} `toml:"metrics"`
	Notify struct {
		URL            string   `toml:"url"`      // of a webhook, or of a service as shoutrrr has it
		URLFile        string   `toml:"url_file"` // a file with it: what it holds is mostly a secret
		Format         string   `toml:"format"`   // notify.Format; "": by the URL's host
		Command        []string `toml:"command"`  // instead: gets events on standard input
		Events         []string `toml:"events"`   // notify.Kind; none: all
		UnhealthyAfter duration `toml:"unhealthy_after"`
		DiskLow        size     `toml:"disk_low"`
	} `toml:"notify"`
	Watchdog struct {
		Action       string   `toml:"action"` // watchdogReport or watchdogRestart
		RestartAfter duration `toml:"restart_after"`
	} `toml:"watchdog"`
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
	c.Notify.UnhealthyAfter.Duration, c.Notify.DiskLow = defaultUnhealthyAfter, defaultDiskLow
	c.Network.NTPServers = defaultNTPServers
	c.Update.StartTimeout.Duration = roll.DefaultGate.Start
	c.Update.GateTimeout.Duration = roll.DefaultGate.Timeout
	c.Update.ProgressTimeout.Duration = roll.DefaultGate.Progress
	c.Update.PeersTimeout.Duration = roll.DefaultGate.Peers
	c.Update.Settle.Duration = roll.DefaultGate.Settle
	c.Watchdog.Action, c.Watchdog.RestartAfter.Duration = watchdogReport, defaultRestartAfter
	c.Update.dataConfig, c.Update.busyConfig = defaultDataConfig(), defaultBusyConfig()
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
	if c.Watchdog.Action != watchdogReport && c.Watchdog.Action != watchdogRestart {
		return fmt.Errorf("watchdog.action: %q is neither %s nor %s", c.Watchdog.Action, watchdogReport, watchdogRestart)
	}
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
	if c.Network.ApplyIP && !c.Network.WatchIP {
		return errors.New("network.apply_ip: it is watch_ip that looks for a new address")
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
	if err := errors.Join(c.Update.Update.Check(), c.Update.dataConfig.check(), c.Update.busyConfig.check()); err != nil {
		return err
	}
	if err := c.checkNotify(); err != nil {
		return fmt.Errorf("notify.%w", err)
	}
	if f := c.Registry.CAFile; f != "" && !filepath.IsAbs(f) {
		return fmt.Errorf("registry.ca_file: %q is not an absolute path", f)
	}
	return nil
}

// Defaults of [notify].
const (
	defaultUnhealthyAfter = 10 * time.Minute
	defaultDiskLow        = 20 << 30
)

func (c hostConfig) checkNotify() error {
	n := c.Notify
	ways := 0
	for _, set := range []bool{n.URL != "", n.URLFile != "", len(n.Command) > 0} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		return errors.New("url, url_file and command exclude each other")
	}
	if n.URL != "" {
		if err := notify.CheckURL(n.URL); err != nil {
			return fmt.Errorf("url: %w", err)
		}
		if strings.HasPrefix(n.URL, "http") && profiles.ValidURL(n.URL) != nil {
			return errors.New("url: it is not an http or https URL") // the cause quotes it
		}
	}
	for what, path := range map[string]string{"url_file": n.URLFile, "textfile of [metrics]": c.Metrics.Textfile, "command": strings.Join(n.Command[:min(1, len(n.Command))], "")} {
		if path != "" && !filepath.IsAbs(path) {
			return fmt.Errorf("%s: %q is not an absolute path", what, path)
		}
	}
	if _, err := notify.ParseFormat(n.Format); err != nil {
		return err
	}
	for _, e := range n.Events {
		if !slices.Contains(notify.Kinds, notify.Kind(e)) {
			return fmt.Errorf("events: %q is none of %v", e, notify.Kinds)
		}
	}
	return nil
}

// wants reports whether an event is to be told.
func (c hostConfig) wants(kind notify.Kind) bool {
	return len(c.Notify.Events) == 0 || kind == notify.Test || slices.Contains(c.Notify.Events, string(kind))
}

// mirrorForm is where the repository's own name can be put after.
var mirrorForm = regexp.MustCompile(`^(https?://)?([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?(/[a-z0-9]+([._/-]+[a-z0-9]+)*)?/?$`)

func checkMirror(mirror string) error {
	if !mirrorForm.MatchString(mirror) {
		return fmt.Errorf("%q is not HOST[:PORT][/PREFIX], with http:// before it for plain HTTP", mirror)
	}
	return nil
}
