package main

import (
	"fmt"
	"strings"
)

// goal is a bound that this project set itself.
type goal struct {
	text   string
	bound  float64
	format string
	// figure is nothing where the other tool did not run.
	figure func(*result, *place) (float64, bool)
}

// goals are ratios to others' times, and a bound on memory.
func goals() []goal {
	return []goal{
		{"pull by docker's pull", 1. / 3, "%.2f", against(stepPull, "docker")},
		{"pull by crane export \\| tar", 1. / 2, "%.2f", against(stepPull, "crane")},
		{"pull by curl \\| igzip \\| tar", 1, "%.2f", against(stepPull, "igzip")},
		{"update by docker's update", 1. / 2, "%.2f", against(stepUpdate, "docker")},
		{"peak of memory in MB, any step", 100, "%.0f", peak},
	}
}

func against(step, key string) func(*result, *place) (float64, bool) {
	return func(r *result, p *place) (float64, bool) {
		for _, t := range r.Tools {
			if t.Key == key {
				return ratio(r.find(p.Path, ourKey, step, seconds), r.samples(p, t, step, seconds))
			}
		}
		return 0, false
	}
}

func peak(r *result, p *place) (most float64, ok bool) {
	for _, s := range r.Samples {
		if s.Dir == p.Path && s.Tool == ourKey {
			most, ok = max(most, float64(s.Peak)/1e6), true
		}
	}
	return most, ok
}

// met is the table of the goals.
func (r *result) met(b *strings.Builder) {
	head := []string{"goal", "at most"}
	for _, p := range r.Places {
		head = append(head, p.Path)
	}
	rows := [][]string{head}
	for _, g := range goals() {
		row := []string{g.text, fmt.Sprintf(g.format, g.bound)}
		for _, p := range r.Places {
			text := ""
			if v, ok := g.figure(r, p); ok {
				text = fmt.Sprintf(g.format, v)
				if v > g.bound {
					text += " (missed)"
				}
			}
			row = append(row, text)
		}
		rows = append(rows, row)
	}
	write(b, rows)
}
