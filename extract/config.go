package extract

import (
	"fmt"
	"time"
)

// Config is the part of an image's configuration that says how to run it: OCI image specification, config.md. It is as the
// image's author wrote it, so whoever writes any of it into another format must encode it.
type Config struct {
	Env        []string          `json:"env,omitempty"` // NAME=VALUE
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Cmd        []string          `json:"cmd,omitempty"`
	WorkingDir string            `json:"working_dir,omitempty"`
	User       string            `json:"user,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

// configFile is the configuration blob.
type configFile struct {
	platform
	Created string
	Config  struct {
		Env        []string
		Entrypoint []string
		Cmd        []string
		WorkingDir string
		User       string
		Labels     map[string]string
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// parseConfig reads the configuration of an image with so many layers.
func parseConfig(raw []byte, layers int) (*configFile, error) {
	var c configFile
	if err := decode(raw, &c); err != nil {
		return nil, fmt.Errorf("%w: reading its configuration: %w", ErrInvalidImage, err)
	}
	if c.RootFS.Type != "layers" {
		return nil, fmt.Errorf("%w: its configuration has a rootfs of type %s, not layers", ErrInvalidImage, oneLine(c.RootFS.Type))
	}
	if len(c.RootFS.DiffIDs) != layers {
		return nil, fmt.Errorf("%w: its manifest has %d layers and its configuration %d", ErrInvalidImage, layers, len(c.RootFS.DiffIDs))
	}
	for _, id := range c.RootFS.DiffIDs {
		if err := checkDigest(id); err != nil {
			return nil, err
		}
	}
	return &c, nil
}

// created is when the image was made, as its author says: RFC 3339 (OCI image specification, config.md). Zero if it is not said.
func (c *configFile) created() time.Time {
	t, err := time.Parse(time.RFC3339, c.Created)
	if err != nil {
		return time.Time{}
	}
	return t
}

func (c *configFile) run() Config {
	return Config(c.Config)
}
