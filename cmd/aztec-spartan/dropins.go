package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
)

// inForce are the drop-ins of a unit in the order in which systemd reads them: by
// their names, wherever they are. Of those of one name it takes one, that of
// set-property before others, of /etc before /run, and of the unit before its
// template (systemd.unit(5)).
func (a *app) inForce(name string) []string {
	rank := func(path string) int {
		host := a.hostPath(path)
		n := 0
		if !strings.Contains(host, ".control/") {
			n += 4
		}
		if strings.HasPrefix(host, "/run/") {
			n += 2
		}
		if filepath.Base(filepath.Dir(host)) != name+".d" {
			n++
		}
		return n
	}
	first := map[string]string{}
	for _, path := range a.dropIns(name) {
		file := filepath.Base(path)
		if had, ok := first[file]; !ok || rank(path) < rank(had) {
			first[file] = path
		}
	}
	var list []string
	for _, path := range first {
		list = append(list, path)
	}
	slices.SortFunc(list, func(p, q string) int { return strings.Compare(filepath.Base(p), filepath.Base(q)) })
	return list
}

// addsUp is a directive whose values systemd adds up, until an empty one
// (systemd.resource-control(5)).
const addsUp = "AllowedCPUs"

// setByDropIns are the values that an administrator has given a directive of
// [Service], in their order, without those that systemd ignores: rate limits of the
// log have no empty ones.
func (a *app) setByDropIns(name, directive string) []explained {
	var list []explained
	for _, path := range a.inForce(name) {
		text, err := os.ReadFile(path)
		if err != nil {
			a.note("warning: %v", err)
			continue
		}
		options, err := unit.DeserializeOptions(bytes.NewReader(text))
		if err != nil {
			a.note("warning: %s: %v", a.hostPath(path), err)
			continue
		}
		for _, o := range options {
			if o.Section == "Service" && o.Name == directive && (o.Value != "" || !strings.HasPrefix(directive, "LogRateLimit")) {
				list = append(list, explained{Value: redact.Text(o.Value), From: a.hostPath(path)})
			}
		}
	}
	return list
}
