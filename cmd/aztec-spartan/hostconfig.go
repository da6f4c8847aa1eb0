package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// hostConfig is /etc/aztec-spartan/config.toml.
type hostConfig struct {
	Schema   int `toml:"schema"`
	Registry struct {
		Repository string   `toml:"repository"`
		Insecure   []string `toml:"insecure"`
	} `toml:"registry"`
	Update struct {
		GateTimeout duration `toml:"gate_timeout"`
		Settle      duration `toml:"settle"`
	} `toml:"update"`
}

const hostConfigSchema = 1

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
	return c, nil
}
