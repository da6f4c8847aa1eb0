// Package metrics writes samples in the text format of Prometheus, version
// 0.0.4, as the textfile collector of node_exporter reads it.
package metrics

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Set is what one look has found: families in the order in which they came.
type Set struct {
	families map[string]*family
	order    []string
}

type family struct {
	kind, help string
	samples    []string
}

// New returns an empty Set.
func New() *Set { return &Set{families: map[string]*family{}} }

// Gauge adds a sample of something that goes up and down. Labels are names and
// values in turn. All samples of a name have the help of the first.
func (s *Set) Gauge(name, help string, value float64, labels ...string) {
	s.add("gauge", name, help, value, labels)
}

// Counter adds a sample of something that only grows until it begins anew.
func (s *Set) Counter(name, help string, value float64, labels ...string) {
	s.add("counter", name, help, value, labels)
}

func (s *Set) add(kind, name, help string, value float64, labels []string) {
	f := s.families[name]
	if f == nil {
		f = &family{kind: kind, help: help}
		s.families[name] = f
		s.order = append(s.order, name)
	}
	var pairs []string
	for pair := range slices.Chunk(labels, 2) {
		pairs = append(pairs, pair[0]+`="`+escapeLabel.Replace(strings.ToValidUTF8(pair[1], "\uFFFD"))+`"`)
	}
	text := name
	if len(pairs) > 0 {
		text += "{" + strings.Join(pairs, ",") + "}"
	}
	f.samples = append(f.samples, text+" "+strconv.FormatFloat(value, 'g', -1, 64))
}

var (
	escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// Text is the Set in Prometheus's format.
func (s *Set) Text() []byte {
	var out bytes.Buffer
	for _, name := range s.order {
		f := s.families[name]
		fmt.Fprintf(&out, "# HELP %s %s\n# TYPE %s %s\n", name, escapeHelp.Replace(f.help), name, f.kind)
		for _, sample := range f.samples {
			out.WriteString(sample + "\n")
		}
	}
	return out.Bytes()
}
