package doctor

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
)

// A proxy that whoever asks has would find what the node does not; one that the
// node has been given is asked.
func TestClientAsksAsTheNode(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTP_PROXY", proxy.URL)
	if transport, ok := Client(nil).Transport.(*http.Transport); !ok || transport.Proxy != nil {
		t.Errorf("it asks through a proxy: %v", transport)
	}
	if transport, ok := Client(map[string]string{"HTTP_PROXY": proxy.URL}).Transport.(*http.Transport); !ok || transport.Proxy != nil {
		t.Errorf("it asks through a proxy that Node.js does not heed: %v", transport)
	}
	resp, err := Client(map[string]string{"NODE_USE_ENV_PROXY": "1", "HTTP_PROXY": proxy.URL}).Get("http://l1.invalid/")
	if err != nil || asked.Load() != 1 {
		t.Fatalf("the proxy was asked %d times: %v", asked.Load(), err)
	}
	resp.Body.Close()
}

func TestProxyOf(t *testing.T) {
	for _, c := range []struct {
		node   map[string]string
		target string
		want   string // "": none
	}{
		{map[string]string{"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "http://q:1"}, "https://l1.example/key", "http://p:1"},
		{map[string]string{"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "http://q:1"}, "http://l1.example", "http://q:1"},
		{map[string]string{"https_proxy": "http://lower:1", "HTTPS_PROXY": "http://p:1"}, "https://l1.example", "http://lower:1"},
		{map[string]string{"HTTPS_PROXY": "http://p:1"}, "http://l1.example", ""},
		{map[string]string{"HTTP_PROXY": "http://p:1", "NO_PROXY": "127.0.0.1, signer.lan:9000"}, "http://127.0.0.1:8545", ""},
		{map[string]string{"HTTP_PROXY": "http://p:1", "NO_PROXY": "127.0.0.1, signer.lan:9000"}, "http://signer.lan:9000", ""},
		{map[string]string{"HTTP_PROXY": "http://p:1", "NO_PROXY": "127.0.0.1, signer.lan:9000"}, "http://signer.lan:9001", "http://p:1"},
		{map[string]string{"HTTP_PROXY": "http://p:1", "no_proxy": ".lan"}, "http://Signer.LAN:9001", ""},
		{map[string]string{"HTTP_PROXY": "http://p:1", "NO_PROXY": "*.lan"}, "http://plan:9001", "http://p:1"},
		{map[string]string{"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, "http://l1.example", ""},
	} {
		target, err := url.Parse(c.target)
		if err != nil {
			t.Fatal(err)
		}
		got, err := proxyOf(c.node, target)
		if err != nil || got == nil && c.want != "" || got != nil && got.String() != c.want {
			t.Errorf("%v, %s: %v, %v", c.node, c.target, got, err)
		}
	}
}
