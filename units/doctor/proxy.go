package doctor

import (
	"net/http"
	"net/url"
	"strings"
)

// Client returns a client for L1 and remote signers, which asks them as a node does
// that has these variables; nil: it has none. A node has no variable of who asks
// here, and heeds HTTP_PROXY only with NODE_USE_ENV_PROXY=1 (nodejs.org, CLI, from
// 22.21 and 24.0 on). The client keeps no connection, so that it needs no closing.
func Client(node map[string]string) *http.Client {
	t := &http.Transport{DisableKeepAlives: true}
	if node["NODE_USE_ENV_PROXY"] == "1" {
		t.Proxy = func(r *http.Request) (*url.URL, error) { return proxyOf(node, r.URL) }
	}
	return &http.Client{Transport: t}
}

// proxyOf is the proxy of a URL; nil: none.
func proxyOf(node map[string]string, target *url.URL) (*url.URL, error) {
	variable := func(name string) string {
		if v := node[strings.ToLower(name)]; v != "" {
			return v
		}
		return node[name]
	}
	proxy := variable(strings.ToUpper(target.Scheme) + "_PROXY")
	if proxy == "" || direct(variable("NO_PROXY"), target) {
		return nil, nil
	}
	return url.Parse(proxy)
}

// direct reports whether a list of NO_PROXY has a URL: by its host, its host and
// port, a domain that it is in, or *.
func direct(list string, target *url.URL) bool {
	for entry := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		domain := strings.TrimPrefix(entry, "*")
		switch {
		case entry == "*", strings.EqualFold(entry, target.Hostname()), strings.EqualFold(entry, target.Host):
			return true
		case strings.HasPrefix(domain, ".") && strings.HasSuffix(strings.ToLower(target.Hostname()), strings.ToLower(domain)):
			return true
		}
	}
	return false
}
