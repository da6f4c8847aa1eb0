package testhost

import (
	"io"
	"sync"
)

// console passes the boot messages on and keeps their end for errors.
type console struct {
	mu   sync.Mutex
	to   io.Writer
	last []byte
}

// Write never fails: a log that cannot be written must not stop the host.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = append(c.last, p...)
	if len(c.last) > 1<<16 {
		c.last = append([]byte(nil), c.last[len(c.last)-1<<12:]...)
	}
	c.to.Write(p)
	return len(p), nil
}

func (c *console) tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return tail(c.last)
}
