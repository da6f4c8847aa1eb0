package manager

import (
	"context"
	"sync"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// fake is a systemd whose answers the test decides. A method that is nil is
// one that the test does not expect: calling it panics.
type fake struct {
	enqueue func(verb, name, mode string, ch chan<- string) (int, error)
	cancel  func(id uint32) error
	props   map[string]map[string]any
	err     error // of every other call
	text    string

	installable bool
	changes     int
	loaded      []systemd.UnitStatus

	mu    sync.Mutex
	lost  bool
	calls []string
}

func (f *fake) note(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
}

func (f *fake) StartUnitContext(_ context.Context, name, mode string, ch chan<- string) (int, error) {
	return f.enqueue("start", name, mode, ch)
}

func (f *fake) StopUnitContext(_ context.Context, name, mode string, ch chan<- string) (int, error) {
	return f.enqueue("stop", name, mode, ch)
}

func (f *fake) RestartUnitContext(_ context.Context, name, mode string, ch chan<- string) (int, error) {
	return f.enqueue("restart", name, mode, ch)
}

func (f *fake) TryRestartUnitContext(_ context.Context, name, mode string, ch chan<- string) (int, error) {
	return f.enqueue("try-restart", name, mode, ch)
}

func (f *fake) ReloadContext(context.Context) error {
	f.note("reload")
	return f.err
}

func (f *fake) ResetFailedUnitContext(context.Context, string) error { return f.err }

func (f *fake) EnableUnitFilesContext(context.Context, []string, bool, bool) (bool, []systemd.EnableUnitFileChange, error) {
	return f.installable, make([]systemd.EnableUnitFileChange, f.changes), f.err
}

func (f *fake) DisableUnitFilesContext(context.Context, []string, bool) ([]systemd.DisableUnitFileChange, error) {
	return make([]systemd.DisableUnitFileChange, f.changes), f.err
}

func (f *fake) ListUnitsByPatternsContext(context.Context, []string, []string) ([]systemd.UnitStatus, error) {
	return f.loaded, f.err
}

func (f *fake) GetAllPropertiesContext(_ context.Context, unit string) (map[string]any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.props[unit], f.err
}

// fail is how calls end from now on.
func (f *fake) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fake) set(unit string, props map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.props[unit] = props
}

func (f *fake) Connected() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.lost
}

func (f *fake) alive() func() bool { return f.Connected }

func (f *fake) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = true
}

func (f *fake) Close() { f.lose() }

func (f *fake) cancelJob(_ context.Context, id uint32) error { return f.cancel(id) }

func (f *fake) unitFileState(context.Context, string) (string, error) { return f.text, f.err }

func (f *fake) property(context.Context, string) (string, error) { return f.text, f.err }

// refusal is an error as godbus returns it.
func refusal(name, text string) error {
	return godbus.Error{Name: name, Body: []any{text}}
}
