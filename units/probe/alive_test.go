package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// child starts a process that stays, or ends after a while, and is collected
// when it has ended only if collect is set.
func child(t *testing.T, seconds string, collect bool) int {
	t.Helper()
	cmd := exec.Command("sleep", seconds)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	wait := func() {
		_ = cmd.Wait() // it may have been killed
		close(waited)
	}
	if collect {
		go wait()
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		if !collect {
			wait()
		}
		<-waited
	})
	return cmd.Process.Pid
}

// closedPort is an address at which nothing answers: one that was free a moment
// ago is given to whoever asks next.
const closedPort = "http://127.0.0.1:1"

// bound is a socket with a port of its own, at which nothing answers before it
// listens.
func bound(t *testing.T) (socket *os.File, address string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	socket = os.NewFile(uintptr(fd), "socket")
	t.Cleanup(func() { socket.Close() })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return socket, fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
}

func TestAlive(t *testing.T) {
	hung := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hung }))
	defer silent.Close()
	defer close(hung)
	for _, c := range []struct {
		name     string
		url      string
		lives    string // seconds
		collect  bool
		budget   time.Duration
		want     error
		min, max time.Duration
	}{
		{"nothing answers", closedPort, "100", true, 300 * time.Millisecond, nil, 300 * time.Millisecond, 30 * time.Second},
		{"accepts and is silent", silent.URL, "100", true, 300 * time.Millisecond, nil, 300 * time.Millisecond, 30 * time.Second},
		{"ends", closedPort, "0.3", true, time.Minute, ErrGone, 200 * time.Millisecond, 30 * time.Second},
		{"ends while a request hangs", silent.URL, "0.3", true, time.Minute, ErrGone, 200 * time.Millisecond, 30 * time.Second},
		{"ends as a zombie", closedPort, "0.3", false, time.Minute, ErrGone, 200 * time.Millisecond, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			pid := child(t, c.lives, c.collect)
			err := Alive(t.Context(), AliveParams{PID: pid, URL: c.url, Budget: c.budget})
			if took := time.Since(began); !errors.Is(err, c.want) || took < c.min || took > c.max {
				t.Errorf("after %s: %v", took, err)
			}
		})
	}
}

func TestAliveAnswers(t *testing.T) {
	for _, code := range []int{200, 404, 500, 301} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != "/status" {
				t.Errorf("asked for %s", req.URL)
			}
			w.Header().Set("Location", "/")
			w.WriteHeader(code)
		}))
		began := time.Now()
		err := Alive(t.Context(), AliveParams{PID: os.Getpid(), URL: server.URL, Budget: time.Minute})
		if took := time.Since(began); err != nil || took > 30*time.Second {
			t.Errorf("%d: after %s: %v", code, took, err)
		}
		server.Close()
	}
}

// TestAliveBecomesReady: the port opens after a while.
func TestAliveBecomesReady(t *testing.T) {
	socket, address := bound(t)
	server := &http.Server{Handler: fake{200, nil, nil}}
	opened := make(chan error, 1)
	time.AfterFunc(300*time.Millisecond, func() {
		if err := unix.Listen(int(socket.Fd()), 16); err != nil {
			opened <- err
			return
		}
		l, err := net.FileListener(socket)
		opened <- err
		if err != nil {
			return
		}
		_ = server.Serve(l) // until it is closed
	})
	defer server.Close()
	began := time.Now()
	err := Alive(t.Context(), AliveParams{PID: os.Getpid(), URL: "http://" + address, Budget: time.Minute})
	if took := time.Since(began); err != nil || took < 250*time.Millisecond || took > 30*time.Second {
		t.Errorf("after %s: %v", took, err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestAliveRefuses(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []AliveParams{
		{PID: cmd.Process.Pid, URL: "http://127.0.0.1:1"},
		{PID: 0, URL: "http://127.0.0.1:1"},
		{PID: -1, URL: "http://127.0.0.1:1"},
		{PID: os.Getpid(), URL: "nowhere"},
	} {
		p.Budget = time.Minute
		if err := Alive(t.Context(), p); err == nil {
			t.Errorf("%+v: no error", p)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if err := Alive(ctx, AliveParams{PID: os.Getpid(), URL: closedPort, Budget: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestWithoutPidfd is the way where there is none.
func TestWithoutPidfd(t *testing.T) {
	self := &process{os.Getpid(), -1}
	if self.gone(0) {
		t.Error("this process has ended")
	}
	zombie := child(t, "0", false)
	fd, err := unix.PidfdOpen(zombie, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if !(&process{zombie, fd}).gone(10 * time.Second) {
		t.Fatal("the child does not end")
	}
	if !(&process{zombie, -1}).gone(0) {
		t.Error("a zombie is alive")
	}
	collected := exec.Command("true")
	if err := collected.Run(); err != nil {
		t.Fatal(err)
	}
	if !(&process{collected.Process.Pid, -1}).gone(0) {
		t.Error("a process that was collected is alive")
	}
}
