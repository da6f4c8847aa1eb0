package registry

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// slowConn is a connection over a long line: what is written arrives at rate, and a request after half the round trip.
type slowConn struct {
	net.Conn
	rtt  time.Duration
	rate float64 // bytes per second
	free time.Time
}

func (c *slowConn) Write(p []byte) (int, error) {
	if c.rate == 0 {
		return c.Conn.Write(p)
	}
	total := 0
	for len(p) > 0 {
		n := min(len(p), 64<<10)
		// Data of one answer flows without gaps; the first byte of one comes a round trip after the last was there.
		if now := time.Now(); c.free.Before(now.Add(-c.rtt / 4)) {
			c.free = now.Add(c.rtt)
		}
		c.free = c.free.Add(time.Duration(float64(n) / c.rate * 1e9))
		<-time.After(time.Until(c.free)) // the line is busy until then
		m, err := c.Conn.Write(p[:n])
		total += m
		if err != nil {
			return total, err
		}
		p = p[n:]
	}
	return total, nil
}

type slowListener struct {
	net.Listener
	rtt  time.Duration
	rate float64
}

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slowConn{Conn: c, rtt: l.rtt, rate: l.rate}, nil
}

func benchServer(b *testing.B, raw []byte, rtt time.Duration, rate float64) string {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(raw))
	}))
	srv.Config.ErrorLog = quiet
	srv.Listener = slowListener{srv.Listener, rtt, rate}
	srv.Start()
	b.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// cpu reports what a byte costs, of which the server's half is the same for all.
func cpu(b *testing.B, size int) func() {
	used := func() float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	before := used()
	return func() { b.ReportMetric((used()-before)/(float64(size)*float64(b.N)/1e9), "cpu-s/GB") }
}

// BenchmarkBlob compares ranges with one stream, over a line of 50 ms on which a connection has 10 MB/s, and without limits.
func BenchmarkBlob(b *testing.B) {
	for _, line := range []struct {
		name string
		rtt  time.Duration
		rate float64
		size int
	}{{"50ms_10MBps", 50 * time.Millisecond, 10e6, 100 << 20}, {"loopback", 0, 0, 512 << 20}} {
		raw := make([]byte, line.size)
		host := benchServer(b, raw, line.rtt, line.rate)
		b.Run(line.name+"/stream", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			buf := make([]byte, 128<<10)
			defer cpu(b, len(raw))()
			for b.Loop() {
				resp, err := http.Get("http://" + host + "/v2/x/blobs/y")
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{resp.Body}, buf); err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
		})
		for _, w := range []struct{ chunk, buffers, conns int }{{1 << 20, 16, 8}, {2 << 20, 13, 8}, {3 << 20, 9, 8}, {4 << 20, 7, 6}} {
			b.Run(fmt.Sprintf("%s/ranges/%dMiB_%dbuffers_%dconns", line.name, w.chunk>>20, w.buffers, w.conns), func(b *testing.B) {
				repo, err := name.NewRepository(host + "/x")
				if err != nil {
					b.Fatal(err)
				}
				r, err := Open(repo, Options{Keychain: noKeys{}})
				if err != nil {
					b.Fatal(err)
				}
				defer r.Close()
				r.window.chunk, r.window.buffers, r.window.conns = int64(w.chunk), w.buffers, w.conns
				b.SetBytes(int64(len(raw)))
				buf := make([]byte, 128<<10)
				defer cpu(b, len(raw))()
				for b.Loop() {
					blob, err := r.Blob(b.Context(), digestOf(nil), int64(len(raw)), 0)
					if err != nil {
						b.Fatal(err)
					}
					if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{blob}, buf); err != nil || n != int64(len(raw)) {
						b.Fatal(n, err)
					}
					blob.Close()
				}
			})
		}
	}
}
