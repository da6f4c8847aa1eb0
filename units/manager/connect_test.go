package manager

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// at opens connections to a socket, as privateBus does.
func at(socket string) opener {
	return func(ctx context.Context) (*godbus.Conn, error) {
		c, err := godbus.Dial("unix:path="+socket, godbus.WithContext(ctx))
		return authenticated(c, err, false)
	}
}

func TestConnectWithoutSystemd(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	if _, err := connect(t.Context(), missing, nil); !errors.Is(err, ErrNoSystemd) || !strings.Contains(err.Error(), missing) {
		t.Errorf("not booted: got %v", err)
	}
	_, err := connect(t.Context(), dir, []opener{at(missing), at(missing + "2")})
	if !errors.Is(err, ErrNoSystemd) || !strings.Contains(err.Error(), missing+": ") || !strings.Contains(err.Error(), missing+"2: ") {
		t.Errorf("no sockets: got %v", err)
	}
}

// TestConnectToSilence: something listens, accepts, and never answers.
func TestConnectToSilence(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = connect(ctx, dir, []opener{at(socket), func(context.Context) (*godbus.Conn, error) {
		t.Error("went on to the next after the context had ended")
		return nil, errors.New("no")
	}})
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNoSystemd) {
		t.Errorf("got %v", err)
	}
}

// TestConnectTimeout: without a deadline of the caller's there is our own.
func TestConnectTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := connect(context.Background(), "/", []opener{func(ctx context.Context) (*godbus.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		if err == nil || !strings.Contains(err.Error(), "no answer within 25s") || time.Since(began) != callTimeout {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}
