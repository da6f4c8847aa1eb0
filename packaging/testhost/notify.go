package testhost

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
)

// notifications receives what systemd-nspawn tells its service manager
// (sd_notify(3)): the process ID of each PID 1 that it starts and, with
// --notify-ready, when that has finished booting. It saves polling for either.
type notifications struct {
	address string // as NOTIFY_SOCKET= wants it
	socket  *net.UnixConn
	stopped chan struct{}

	mu      sync.Mutex
	pid     int
	count   int                   // boots completed
	waiting map[int]chan struct{} // closed when so many boots have been
}

// listenNotifications serves an abstract socket, since a path in a deep cache
// directory could be longer than an address may be.
func listenNotifications(id string) (*notifications, error) {
	address := "@" + groupPrefix + id
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listening for notifications: %w", err)
	}
	n := &notifications{address: address, socket: socket, stopped: make(chan struct{}), waiting: map[int]chan struct{}{}}
	go n.receive()
	return n, nil
}

func (n *notifications) receive() {
	defer close(n.stopped)
	message := make([]byte, 8192)
	for {
		size, err := n.socket.Read(message)
		if err != nil {
			return
		}
		n.take(string(message[:size]))
	}
}

// take handles one message, which is one assignment a line.
func (n *notifications) take(message string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for line := range strings.Lines(message) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch key {
		case "X_NSPAWN_LEADER_PID":
			if pid, err := strconv.Atoi(value); err == nil && pid > 1 {
				n.pid = pid
			}
		case "READY":
			n.count++
			if c, ok := n.waiting[n.count]; ok {
				close(c)
			}
		}
	}
}

// booted returns a channel that is closed once so many boots have been completed.
func (n *notifications) booted(boot int) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	c, ok := n.waiting[boot]
	if !ok {
		c = make(chan struct{})
		n.waiting[boot] = c
		if boot <= n.count {
			close(c)
		}
	}
	return c
}

func (n *notifications) boots() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.count
}

func (n *notifications) leader() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pid
}

func (n *notifications) close() {
	n.socket.Close()
	<-n.stopped
}
