package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestServicesOfConfig(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "203.0.113.7") }))
	defer s.Close()
	a := newApp(io.Discard)
	a.root = t.TempDir()
	if err := os.MkdirAll(filepath.Dir(a.path(configFile)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.path(configFile), []byte("[network]\nip_services = [\""+s.URL+"/a\", \""+s.URL+"/b\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if ip, err := a.detectIP(context.Background()); ip != "203.0.113.7" {
		t.Errorf("%q, %v", ip, err)
	}
}
