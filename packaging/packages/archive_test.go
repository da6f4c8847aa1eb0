//go:build booted || packages

package packages

import (
	"net/http"
	"net/http/httputil"
	"time"
)

// serve answers HTTP on an address of the host until the test ends.
func (h *host) serve(address string, handler http.Handler) {
	h.t.Helper()
	l, err := h.Listen("tcp", address)
	if err != nil {
		h.t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	h.t.Cleanup(func() {
		server.Close()
		<-served
	})
}

// archive lets apt on the host, which has no network, fetch from the archive,
// and installs packages.
func (h *host) archive(packages string) {
	h.t.Helper()
	h.serve("127.0.0.1:3128", &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}})
	h.sh(`printf 'Acquire::http::Proxy "http://127.0.0.1:3128";\nAcquire::Retries "5";\n' >/etc/apt/apt.conf.d/90proxy
		echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/unsafe-io
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ` + packages)
}
