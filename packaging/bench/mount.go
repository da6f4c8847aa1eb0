package main

import (
	"fmt"
	"strings"
)

// mount is a line of /proc/self/mountinfo, proc_pid_mountinfo(5).
type mount struct{ point, fs string }

// parseMounts returns mounts in their order; lines that are none are left out.
func parseMounts(text string) (list []mount) {
	for l := range strings.Lines(text) {
		left, right, ok := strings.Cut(l, " - ")
		before, after := strings.Fields(left), strings.Fields(right)
		if ok && len(before) >= 6 && len(after) >= 1 {
			list = append(list, mount{unescape(before[4]), after[0]})
		}
	}
	return list
}

// unescape undoes the octal escapes of space, tab, newline and backslash.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// mountOf finds the mount that a path is on: of the deepest that hold it the
// last, which covers those before it.
func mountOf(text, path string) (best mount, err error) {
	found := false
	for _, m := range parseMounts(text) {
		holds := m.point == "/" || path == m.point || strings.HasPrefix(path, m.point+"/")
		if holds && len(m.point) >= len(best.point) {
			best, found = m, true
		}
	}
	if !found {
		return best, fmt.Errorf("finding the file system of %s: no mount holds it", path)
	}
	return best, nil
}
