package registry

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Moving is a registry whose tags can be moved and withdrawn, as upstream does.
type Moving struct {
	http.Handler

	mu sync.Mutex
	to map[string]string
}

// Move has a tag mean what another one means from now on: its own name is as
// before, "" withdraws it.
func (m *Moving) Move(tag, to string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.to == nil {
		m.to = map[string]string{}
	}
	m.to[tag] = to
}

func (m *Moving) moved(tag string) (to string, is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	to, is = m.to[tag]
	return to, is
}

// ServeHTTP implements http.Handler.
func (m *Moving) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	const manifests = "/v2/" + Repository + "/manifests/"
	tag, manifest := strings.CutPrefix(req.URL.Path, manifests)
	to, is := m.moved(tag)
	switch {
	case req.URL.Path == "/v2/"+Repository+"/tags/list":
		m.list(w, req)
		return
	case manifest && is && to == "":
		refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		return
	case manifest && is:
		req = req.Clone(req.Context())
		req.URL.Path = manifests + to
	}
	m.Handler.ServeHTTP(w, req)
}

// list leaves out what was withdrawn.
func (m *Moving) list(w http.ResponseWriter, req *http.Request) {
	answer := &reply{header: http.Header{}, status: http.StatusOK}
	m.Handler.ServeHTTP(answer, req)
	var list struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}
	if answer.status != http.StatusOK || json.Unmarshal(answer.body.Bytes(), &list) != nil {
		refuse(w, http.StatusInternalServerError, "UNKNOWN", "the tags cannot be listed")
		return
	}
	list.Tags = slices.DeleteFunc(list.Tags, func(tag string) bool {
		to, is := m.moved(tag)
		return is && to == ""
	})
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list) // who asked is gone
}
