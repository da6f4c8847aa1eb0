package main

import (
	"strings"
	"testing"
)

func TestLoopsReplace(t *testing.T) {
	l := &loops{}
	got, err := l.replace(t.Context(), []string{"/var/tmp", "./here"})
	if err != nil || strings.Join(got, " ") != "/var/tmp ./here" || l.dir != "" {
		t.Errorf("paths become %q, %v, in %q", got, err, l.dir)
	}
	if _, err := l.replace(t.Context(), []string{"/var/tmp", "ntfs"}); err == nil || !strings.Contains(err.Error(), `"ntfs"`) {
		t.Errorf("a file system that cannot be made: %v", err)
	}
	if err := l.remove(); err != nil {
		t.Error(err)
	}
}
