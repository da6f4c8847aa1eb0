package manager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

const (
	// callTimeout bounds a call that only asks or sets something. It is what
	// sd-bus uses (sd_bus_set_method_call_timeout(3)).
	callTimeout = 25 * time.Second
	// reloadTimeout is longer: a reload runs all generators.
	reloadTimeout = 90 * time.Second
)

// booted exists if, and only if, systemd is PID 1 (sd_booted(3)).
const booted = "/run/systemd/system"

const privateSocket = "unix:path=/run/systemd/private"

// Manager is a connection to systemd. Its methods may be called from several
// goroutines.
type Manager struct {
	bus bus
}

// Connect opens a connection to the systemd that runs this host. ctx bounds
// the connecting only: a connection that ended with it could not cancel a job
// when it ends. Without systemd the error is an ErrNoSystemd.
func Connect(ctx context.Context) (*Manager, error) {
	openers := []opener{systemBus}
	if os.Geteuid() == 0 {
		openers = append(openers, privateBus)
	}
	return connectLasting(ctx, openers)
}

// ConnectEarly is Connect for root in a boot, when there may be no bus yet, or
// one whose daemon waits for the caller: it tries systemd's own socket first.
func ConnectEarly(ctx context.Context) (*Manager, error) {
	return connectLasting(ctx, []opener{privateBus, systemBus})
}

// connectLasting opens a connection that is opened again when it is lost.
func connectLasting(ctx context.Context, openers []opener) (*Manager, error) {
	open := func(ctx context.Context) (bus, error) { return connect(ctx, booted, openers) }
	b, err := open(ctx)
	if err != nil {
		return nil, err
	}
	return &Manager{bus: &lasting{open: open, now: b}}, nil
}

// opener opens one raw connection.
type opener func(ctx context.Context) (*godbus.Conn, error)

func connect(ctx context.Context, booted string, openers []opener) (bus, error) {
	if fi, err := os.Lstat(booted); err != nil || !fi.IsDir() {
		return nil, fmt.Errorf("connecting to systemd: %w: there is no %s", ErrNoSystemd, booted)
	}
	var failed []error
	for _, open := range openers {
		w, err := dial(ctx, open)
		if err == nil {
			return w, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	err := errors.Join(failed...)
	if ctx.Err() == nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)) {
		return nil, fmt.Errorf("connecting to systemd: %w, or its sockets are missing: %w", ErrNoSystemd, err)
	}
	return nil, fmt.Errorf("connecting to systemd: %w", err)
}

// Close ends the connection. Waits that are under way return an error.
func (m *Manager) Close() { m.bus.Close() }

// bus is what is needed of a connection.
type bus interface {
	StartUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error)
	StopUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error)
	RestartUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error)
	TryRestartUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error)
	ReloadContext(ctx context.Context) error
	ResetFailedUnitContext(ctx context.Context, name string) error
	EnableUnitFilesContext(ctx context.Context, files []string, runtime, force bool) (bool, []systemd.EnableUnitFileChange, error)
	DisableUnitFilesContext(ctx context.Context, files []string, runtime bool) ([]systemd.DisableUnitFileChange, error)
	ListUnitsByPatternsContext(ctx context.Context, states, patterns []string) ([]systemd.UnitStatus, error)
	GetAllPropertiesContext(ctx context.Context, unit string) (map[string]any, error)
	Connected() bool
	// alive returns what says whether the connection of now is there still.
	alive() func() bool
	Close()

	// What go-systemd lacks, or offers without a context.
	cancelJob(ctx context.Context, id uint32) error
	unitFileState(ctx context.Context, name string) (string, error)
	property(ctx context.Context, name string) (string, error) // a text of the manager itself
}

// wire is a bus over a real connection.
type wire struct {
	*systemd.Conn
	raw    *godbus.Conn // the one of Conn's two that makes calls
	cancel context.CancelFunc
}

func systemBus(ctx context.Context) (*godbus.Conn, error) {
	c, err := godbus.SystemBusPrivate(godbus.WithContext(ctx))
	return authenticated(c, err, true)
}

// privateBus is a direct connection: there is no bus to say hello to.
func privateBus(ctx context.Context) (*godbus.Conn, error) {
	c, err := godbus.Dial(privateSocket, godbus.WithContext(ctx))
	return authenticated(c, err, false)
}

func authenticated(c *godbus.Conn, err error, hello bool) (*godbus.Conn, error) {
	if err != nil {
		return nil, err
	}
	// By number: looking up the name could need the network (nss).
	err = c.Auth([]godbus.Auth{godbus.AuthExternal(fmt.Sprint(os.Getuid()))})
	if err == nil && hello {
		err = c.Hello()
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// dial connects. godbus closes a connection when the context it was made with
// ends, so that one gets a context of its own, which ctx ends only meanwhile.
func dial(ctx context.Context, open opener) (*wire, error) {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	timer := time.AfterFunc(callTimeout, cancel)
	w := &wire{cancel: cancel}
	var err error
	w.Conn, err = systemd.NewConnection(func() (*godbus.Conn, error) {
		c, err := open(life)
		if err == nil && w.raw == nil {
			w.raw = c
		}
		return c, err
	})
	inTime := timer.Stop()
	switch {
	case !stop():
		err = errors.Join(ctx.Err(), err)
	case !inTime:
		err = errors.Join(fmt.Errorf("no answer within %s", callTimeout), err)
	}
	if err != nil {
		if w.Conn != nil {
			w.Conn.Close()
		}
		cancel()
		return nil, err
	}
	return w, nil
}

func (w *wire) alive() func() bool { return w.Connected }

func (w *wire) Close() {
	w.Conn.Close()
	w.cancel()
}

const (
	busName    = "org.freedesktop.systemd1"
	busPath    = "/org/freedesktop/systemd1"
	managerAPI = busName + ".Manager"
)

func (w *wire) call(ctx context.Context, method string, args ...any) *godbus.Call {
	return w.raw.Object(busName, busPath).CallWithContext(ctx, method, 0, args...)
}

func (w *wire) cancelJob(ctx context.Context, id uint32) error {
	return w.call(ctx, managerAPI+".CancelJob", id).Err
}

func (w *wire) unitFileState(ctx context.Context, name string) (state string, err error) {
	err = w.call(ctx, managerAPI+".GetUnitFileState", name).Store(&state)
	return state, err
}

func (w *wire) property(ctx context.Context, name string) (v string, err error) {
	err = w.call(ctx, "org.freedesktop.DBus.Properties.Get", managerAPI, name).Store(&v)
	return v, err
}
