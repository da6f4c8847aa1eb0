package manager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
)

// Version asks for the major version of the running systemd: 252 of
// "252.39-1~deb12u2".
func (m *Manager) Version(ctx context.Context) (int, error) {
	var text string
	err := m.within(ctx, callTimeout, func(ctx context.Context) (err error) {
		text, err = m.bus.property(ctx, "Version")
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("asking systemd for its version: %w", err)
	}
	return parseVersion(text)
}

// SystemState asks how the host as a whole is: initializing, starting, running,
// degraded (units failed), maintenance (rescue or emergency mode), stopping
// (systemctl(1), is-system-running).
func (m *Manager) SystemState(ctx context.Context) (string, error) {
	var state string
	err := m.within(ctx, callTimeout, func(ctx context.Context) (err error) {
		state, err = m.bus.property(ctx, "SystemState")
		return err
	})
	if err != nil {
		return "", fmt.Errorf("asking systemd how the host is: %w", err)
	}
	return state, nil
}

// Failed lists the units that failed, ordered by name.
func (m *Manager) Failed(ctx context.Context) ([]string, error) {
	var names []string
	err := m.within(ctx, callTimeout, func(ctx context.Context) error {
		units, err := m.bus.ListUnitsByPatternsContext(ctx, []string{"failed"}, nil)
		for _, u := range units {
			names = append(names, u.Name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing failed units: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// Distributions append to the number; some builds prefix it with v or the
// name.
var versionForm = regexp.MustCompile(`^(?:systemd )?v?([0-9]{1,6})(?:[^0-9]|$)`)

func parseVersion(text string) (int, error) {
	found := versionForm.FindStringSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("reading the version of systemd: %q has no number", text)
	}
	return strconv.Atoi(found[1])
}

// Reload has systemd read all unit files again (systemctl daemon-reload).
func (m *Manager) Reload(ctx context.Context) error {
	if err := m.within(ctx, reloadTimeout, m.bus.ReloadContext); err != nil {
		return fmt.Errorf("reloading systemd: %w", err)
	}
	return nil
}

// ResetFailed makes systemd forget that a unit failed, and how often it
// restarted. A unit that is not loaded has nothing to forget.
func (m *Manager) ResetFailed(ctx context.Context, unit string) error {
	err := m.within(ctx, callTimeout, func(ctx context.Context) error {
		return m.bus.ResetFailedUnitContext(ctx, unit)
	})
	if err != nil && !errors.Is(err, ErrNoUnit) {
		return fmt.Errorf("resetting %s: %w", unit, err)
	}
	return nil
}

// Enable has units start at boot, and reloads, as systemctl enable does.
func (m *Manager) Enable(ctx context.Context, units ...string) error {
	var links []string
	err := m.within(ctx, callTimeout, func(ctx context.Context) error {
		installable, changes, err := m.bus.EnableUnitFilesContext(ctx, units, false, false)
		for _, c := range changes {
			links = append(links, c.Filename)
		}
		if err == nil && !installable {
			err = errors.New("the unit file has no section [Install]")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("enabling %s: %w", strings.Join(units, " "), err)
	}
	return m.settle(ctx, links)
}

// Disable is the opposite of Enable. Units that are not enabled, or do not
// exist, are no error.
func (m *Manager) Disable(ctx context.Context, units ...string) error {
	var links []string
	err := m.within(ctx, callTimeout, func(ctx context.Context) error {
		changes, err := m.bus.DisableUnitFilesContext(ctx, units, false)
		for _, c := range changes {
			links = append(links, c.Filename)
		}
		return err
	})
	if err != nil && !errors.Is(err, ErrNoUnit) {
		return fmt.Errorf("disabling %s: %w", strings.Join(units, " "), err)
	}
	return m.settle(ctx, links)
}

// settle makes links durable that systemd has made or removed, and reloads.
// systemd itself syncs none: a power cut within seconds would start again what
// was stopped for good, and its keys may be on another host by then.
func (m *Manager) settle(ctx context.Context, links []string) error {
	if len(links) == 0 {
		return nil
	}
	dirs := map[string]bool{}
	for _, link := range links {
		dirs[path.Dir(link)] = true
	}
	for dir := range dirs {
		err := atomicfile.SyncDir(dir)
		for errors.Is(err, fs.ErrNotExist) && dir != path.Dir(dir) { // with its last link it goes too
			dir = path.Dir(dir)
			err = atomicfile.SyncDir(dir)
		}
		if err != nil {
			return fmt.Errorf("writing what is enabled to the disk: %w", err)
		}
	}
	return m.Reload(ctx)
}

// IsEnabled reports whether a unit starts at boot. Other than
// UnitState.UnitFileState it looks at the files as they are now. A unit that
// does not exist is not enabled.
func (m *Manager) IsEnabled(ctx context.Context, unit string) (bool, error) {
	var state string
	err := m.within(ctx, callTimeout, func(ctx context.Context) (err error) {
		state, err = m.bus.unitFileState(ctx, unit)
		return err
	})
	if errors.Is(err, ErrNoUnit) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking whether %s is enabled: %w", unit, err)
	}
	return state == "enabled" || state == "enabled-runtime", nil
}

// within runs one call with a timeout of its own.
func (m *Manager) within(ctx context.Context, d time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return explain(call(ctx), d)
}
