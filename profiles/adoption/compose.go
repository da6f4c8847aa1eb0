package adoption

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readCompose reads the service that runs the node.
func readCompose(host fs.FS, file, service string) (Setup, error) {
	s, err := composeSetup(host, file, service)
	if err != nil {
		return Setup{}, fmt.Errorf("reading %s: %w", file, err)
	}
	return s, nil
}

func composeSetup(host fs.FS, file, service string) (Setup, error) {
	dir := path.Dir(file)
	s := Setup{Kind: Compose, File: file}
	data, err := readFile(host, file)
	if err != nil {
		return s, err
	}
	unset := func(string) (string, bool) { return "", false }
	var vars environment
	if dotenv, err := readFile(host, path.Join(dir, ".env")); err == nil {
		if vars, err = parseDotenv(dotenv, unset); err != nil {
			return s, fmt.Errorf("%s: %w", path.Join(dir, ".env"), err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	var top map[string]any
	if err := yaml.Unmarshal(data, &top); err != nil {
		return s, errors.New("it is no YAML that can be read") // what yaml says may quote a key
	}
	s.Project = project(top, vars, dir)
	all, _ := top["services"].(map[string]any)
	if len(all) == 0 {
		return s, errors.New("it has no services")
	}
	if s.Service, err = choose(all, service, vars.lookup); err != nil {
		return s, err
	}
	raw, _ := all[s.Service].(map[string]any)
	if _, ok := raw["extends"]; ok {
		s.warn("service %s extends another, which is not read", s.Service)
	}
	c := composed{host: host, dir: dir, vars: vars.lookup, volumes: top["volumes"], s: &s}
	return s, c.read(raw)
}

var projectLetters = regexp.MustCompile(`[^a-z0-9_-]`)

// project is the name by which compose knows its containers (Compose, "Specify
// a project name").
func project(top map[string]any, vars environment, dir string) string {
	name, _ := top["name"].(string)
	if v, ok := vars.lookup("COMPOSE_PROJECT_NAME"); ok && v != "" {
		name = v
	}
	if name == "" {
		name = path.Base(dir)
	}
	return strings.TrimLeft(projectLetters.ReplaceAllString(strings.ToLower(name), ""), "_-")
}

// choose finds the service whose image is Aztec's.
func choose(all map[string]any, asked string, vars lookup) (string, error) {
	names := slices.Sorted(maps.Keys(all))
	if asked != "" {
		if _, ok := all[asked]; !ok {
			return "", fmt.Errorf("it has no service %q, but %s", asked, strings.Join(names, ", "))
		}
		return asked, nil
	}
	var found []string
	for _, name := range names {
		raw, _ := all[name].(map[string]any)
		image, _ := interpolate(text(raw["image"]), vars)
		if strings.Contains(image, "aztec") {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("none of its services has an image of Aztec: %s", strings.Join(names, ", "))
	}
	return "", &ManyError{found}
}

// ManyError is met where several services could be meant.
type ManyError struct{ Services []string }

func (e *ManyError) Error() string {
	return "several services run Aztec: " + strings.Join(e.Services, ", ")
}

// ReadService is Read of a compose file with the service named.
func ReadService(host fs.FS, name, service string) (Setup, error) {
	for _, file := range composeFiles {
		if _, err := fs.Stat(host, inside(path.Join(name, file))); err == nil {
			return readCompose(host, path.Join(name, file), service)
		}
	}
	return readCompose(host, name, service)
}

// composed is one service on its way into a Setup.
type composed struct {
	host    fs.FS
	dir     string
	vars    lookup
	volumes any
	s       *Setup
	err     error
}

// text is a scalar as YAML has it; "" if it is none.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

func (c *composed) str(what string, v any) string {
	out, err := interpolate(text(v), c.vars)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("service %s: %s: %w", c.s.Service, what, err)
	}
	return out
}

func (c *composed) read(raw map[string]any) error {
	s := c.s
	s.Image = c.str("image", raw["image"])
	s.Name = c.str("container_name", raw["container_name"])
	s.HostNet = c.str("network_mode", raw["network_mode"]) == "host"
	for _, key := range []string{"entrypoint", "command"} {
		switch v := raw[key].(type) {
		case []any:
			for _, w := range v {
				s.Command = append(s.Command, c.str(key, w))
			}
		case string:
			s.Command = append(s.Command, words(c.str(key, v))...)
		}
	}
	if err := c.envFiles(raw["env_file"]); err != nil {
		return err
	}
	c.environment(raw["environment"])
	for _, v := range list(raw["volumes"]) {
		c.mount(v)
	}
	for _, v := range list(raw["ports"]) {
		c.port(v)
	}
	return c.err
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// envFiles reads them in order, a later one wins.
func (c *composed) envFiles(v any) error {
	files := list(v)
	if name := text(v); name != "" {
		files = []any{name}
	}
	for _, f := range files {
		required, name := true, text(f)
		if long, ok := f.(map[string]any); ok {
			name = text(long["path"])
			required = text(long["required"]) != "false"
		}
		name = absolute(c.dir, c.str("env_file", name))
		data, err := readFile(c.host, name)
		if errors.Is(err, fs.ErrNotExist) && !required {
			continue
		}
		if err != nil {
			return err
		}
		more, err := parseDotenv(data, chain(c.vars, c.s.env.lookup))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, e := range more {
			if err := c.s.env.add(e.Name, e.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *composed) environment(v any) {
	set := func(name, value string, given bool) {
		if name == "" || c.err != nil {
			return
		}
		if given {
			value = c.str("environment: "+name, value)
		} else if value, given = c.vars(name); !given {
			return
		}
		if err := c.s.env.add(name, value); err != nil && c.err == nil {
			c.err = fmt.Errorf("service %s: environment: %w", c.s.Service, err)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			set(name, text(v[name]), v[name] != nil)
		}
	case []any:
		for _, e := range v {
			name, value, given := strings.Cut(text(e), "=")
			set(name, value, given)
		}
	}
}

// mount reads the short form and the long one.
func (c *composed) mount(v any) {
	var m Mount
	if long, ok := v.(map[string]any); ok {
		m = Mount{Source: c.str("volumes", long["source"]), Target: c.str("volumes", long["target"])}
		m.Volume = c.str("volumes", long["type"]) == "volume"
	} else {
		m = shortMount(c.str("volumes", v))
	}
	if m.Target == "" || m.Source == "" {
		if m.Target != "" {
			c.s.warn("the volume at %s has no name, and is not followed", m.Target)
		}
		return
	}
	if !m.Volume {
		m.Source = absolute(c.dir, m.Source)
	} else {
		m.Source = c.volume(m.Source)
	}
	c.s.Mounts = append(c.s.Mounts, m)
}

// shortMount is SOURCE:TARGET[:MODE]; a source that is no path is a volume.
func shortMount(s string) Mount {
	parts := strings.Split(s, ":")
	if len(parts) < 2 {
		return Mount{Target: s}
	}
	return Mount{Source: parts[0], Target: parts[1], Volume: !strings.ContainsAny(parts[0][:min(1, len(parts[0]))], "./~")}
}

// volume is docker's name of a volume of compose.
func (c *composed) volume(name string) string {
	all, _ := c.volumes.(map[string]any)
	v, _ := all[name].(map[string]any)
	if own := c.str("volumes", v["name"]); own != "" {
		return own
	}
	if external := text(v["external"]); external == "true" {
		return name
	}
	return c.s.Project + "_" + name
}

func (c *composed) port(v any) {
	if long, ok := v.(map[string]any); ok {
		host, _ := strconv.Atoi(c.str("ports", long["published"]))
		inner, _ := strconv.Atoi(c.str("ports", long["target"]))
		if host > 0 && inner > 0 {
			c.s.Ports = append(c.s.Ports, Port{host, inner, protocol(c.str("ports", long["protocol"]))})
		}
		return
	}
	c.s.publish(c.str("ports", v))
}

// publish reads [ADDRESS:]HOST:CONTAINER[/PROTOCOL].
func (s *Setup) publish(text string) {
	text, proto, _ := strings.Cut(text, "/")
	parts := strings.Split(text, ":")
	if len(parts) < 2 {
		return
	}
	host, err := strconv.Atoi(parts[len(parts)-2])
	inner, err2 := strconv.Atoi(parts[len(parts)-1])
	if err != nil || err2 != nil {
		s.warn("ports %q are not followed", text)
		return
	}
	s.Ports = append(s.Ports, Port{host, inner, protocol(proto)})
}

func protocol(s string) string {
	if s == "" {
		return "tcp"
	}
	return s
}
