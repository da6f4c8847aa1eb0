package roll

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
)

// Content is what the directory of a generation holds.
type Content struct {
	Unit     []byte
	Env      []byte // may name URLs with credentials in them: 0600
	Instance []byte // instance.toml
}

// Dir is the directory of a generation.
func (f Files) Dir(instance string, number int) string {
	return filepath.Join(f.State, instance, strconv.Itoa(number))
}

// EnvPath is the environment file of a generation, as its unit names it.
func (f Files) EnvPath(instance string, number int) string {
	return filepath.Join(f.Dir(instance, number), "env")
}

// Next is the number that the next generation of s gets.
func (s State) Next() int {
	n := 1
	for _, g := range s.Generations {
		n = max(n, g.Number+1)
	}
	return n
}

// Add writes a new generation and lists it in the state of the instance. It
// does not activate it.
func (f Files) Add(instance string, s *State, g Generation, c Content) error {
	dir := f.Dir(instance, g.Number)
	// A number is given once; a directory that is not listed is what a killed
	// run left.
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("adding generation %d of %s: %w", g.Number, instance, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("adding generation %d of %s: %w", g.Number, instance, err)
	}
	for name, data := range map[string][]byte{"unit": c.Unit, "env": c.Env, "instance.toml": c.Instance} {
		if err := f.put(filepath.Join(dir, name), data, 0o600); err != nil {
			return fmt.Errorf("adding generation %d of %s: %w", g.Number, instance, err)
		}
	}
	if err := atomicfile.SyncDir(filepath.Dir(dir)); err != nil {
		return fmt.Errorf("adding generation %d of %s: %w", g.Number, instance, err)
	}
	s.Generations = append(s.Generations, g)
	return f.Save(instance, *s)
}

// Read returns the content of a generation.
func (f Files) Read(instance string, number int) (Content, error) {
	var c Content
	for name, data := range map[string]*[]byte{"unit": &c.Unit, "env": &c.Env, "instance.toml": &c.Instance} {
		var err error
		if *data, err = os.ReadFile(filepath.Join(f.Dir(instance, number), name)); err != nil {
			return Content{}, fmt.Errorf("reading generation %d of %s: %w", number, instance, err)
		}
	}
	return c, nil
}

// ErrNotInstalled says that an instance has no unit file.
var ErrNotInstalled = errors.New("it has no unit")

// Active reads what the unit file in place says it runs.
func (f Files) Active(unit string) (units.Meta, error) {
	data, err := os.ReadFile(filepath.Join(f.Systemd, unit))
	if errors.Is(err, fs.ErrNotExist) {
		return units.Meta{}, fmt.Errorf("reading %s: %w", unit, ErrNotInstalled)
	}
	if err != nil {
		return units.Meta{}, fmt.Errorf("reading %s: %w", unit, err)
	}
	meta, err := units.ParseMeta(data)
	if newer := (*units.NewerSchemaError)(nil); err != nil && !errors.As(err, &newer) {
		err = fmt.Errorf("reading %s: %w", unit, err)
	}
	return meta, err
}

// Activate puts the unit file of a generation in place: this rename is the
// switch. The settings it was made from go first: a crash between the two
// leaves settings that are not applied yet, as after an edit by hand.
func (f Files) Activate(instance, unit string, number int) error {
	c, err := f.Read(instance, number)
	if err == nil {
		err = f.putSettings(instance, c)
	}
	if err == nil {
		err = f.putUnit(unit, c)
	}
	if err != nil {
		return fmt.Errorf("activating generation %d of %s: %w", number, instance, err)
	}
	return nil
}

func (f Files) settingsPath(instance string) string {
	return filepath.Join(f.Config, instance, "instance.toml")
}

func (f Files) putSettings(instance string, c Content) error {
	name := f.settingsPath(instance)
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return err
	}
	return f.put(name, c.Instance, 0o640)
}

func (f Files) putUnit(unit string, c Content) error {
	if err := os.MkdirAll(f.Systemd, 0o755); err != nil {
		return err
	}
	return f.put(filepath.Join(f.Systemd, unit), c.Unit, 0o644)
}
