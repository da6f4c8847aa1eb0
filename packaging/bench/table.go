package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// markdown renders everything that a reader of the figures needs.
func (r *result) markdown() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%s, %s, %d cores, %.0f GiB of memory, %s, Linux %s. The registry is on the same machine.\n",
		r.Date, m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.System, m.Kernel)
	b.WriteString("\n")
	r.met(&b)
	for _, p := range r.Places {
		kind := p.Type
		if p.Bare {
			kind += " without a journal"
		}
		fmt.Fprintf(&b, "\n### %s (%s)\n\n", p.Path, kind)
		r.times(&b, p)
		b.WriteString("\n")
		r.costs(&b, p)
	}
	b.WriteString("\n### Notes\n\n")
	r.notes(&b)
	return b.String()
}

func seconds(s sample) float64 { return s.Seconds }

// samples are those of a step; what keeps nothing between versions pulls again,
// so that its figure for every step is that of a pull.
func (r *result) samples(p *place, t *entrant, step string, figure func(sample) float64) map[int]float64 {
	if !t.Shares {
		step = stepPull
	}
	return r.find(p.Path, t.Key, step, figure)
}

// times is the table of wall times.
func (r *result) times(b *strings.Builder, p *place) {
	steps := []string{stepPull, stepUpdate, stepRebuiltLayer, stepRebuiltImage}
	head := []string{"seconds"}
	for _, s := range steps {
		head = append(head, s, "ours/theirs")
		if s == stepPull && !p.Memory {
			head = append(head, "on the disk")
		}
	}
	head = append(head, "runs")
	rows := [][]string{head}
	for _, t := range r.Tools {
		row := []string{cell(t.Name)}
		for _, s := range steps {
			theirs := r.samples(p, t, s, seconds)
			by := ""
			if x, ok := ratio(r.find(p.Path, ourKey, s, seconds), theirs); ok && t.Key != ourKey {
				by = fmt.Sprintf("%.2f", x)
			}
			row = append(row, number(theirs, 1), by)
			if s == stepPull && !p.Memory {
				row = append(row, number(r.samples(p, t, s, func(s sample) float64 { return s.Seconds + s.Sync }), 1))
			}
		}
		rows = append(rows, append(row, fmt.Sprint(len(r.samples(p, t, stepPull, seconds)))))
	}
	write(b, rows)
}

// costs is the table of everything else.
func (r *result) costs(b *strings.Builder, p *place) {
	rows := [][]string{{
		"", "CPU s, pull", "CPU s, update", "peak MB, pull", "peak MB, update",
		"disk MB, pull", "+ update", "+ rebuilt layer", "+ rebuilt image", "idle MB",
	}}
	for _, t := range r.Tools {
		row := []string{cell(t.Name)}
		for _, c := range []struct {
			figure func(sample) float64
			unit   float64
			steps  []string
		}{
			{func(s sample) float64 { return s.User + s.System }, 1, []string{stepPull, stepUpdate}},
			{func(s sample) float64 { return float64(s.Peak) }, 1e6, []string{stepPull, stepUpdate}},
			{func(s sample) float64 { return float64(s.Added) }, 1e6, []string{stepPull, stepUpdate, stepRebuiltLayer, stepRebuiltImage}},
		} {
			for _, s := range c.steps {
				row = append(row, number(r.samples(p, t, s, c.figure), c.unit))
			}
		}
		held := map[int]float64{}
		for _, i := range r.Idle {
			if i.Dir == p.Path && i.Tool == t.Key {
				held[i.Round] = float64(i.Empty)
			}
		}
		if len(held) == 0 {
			row = append(row, "0")
		} else {
			row = append(row, number(held, 1e6))
		}
		rows = append(rows, row)
	}
	write(b, rows)
}

// notes say what the tables leave out.
func (r *result) notes(b *strings.Builder) {
	fmt.Fprintf(b, "- Medians of the runs; ours/theirs is the median of the ratios within rounds, of which there were %d. Every tool began each round with an empty store.\n", r.Rounds)
	b.WriteString("- *update*: a second version, of which one layer of four is another. *rebuilt layer*, *rebuilt image*: the files of the first version with other mtimes, in that layer or in all.\n")
	b.WriteString("- Where a rebuilt column is empty it was not measured: the tool knows a layer by its digest only, so a rebuilt layer costs it what *update* says, and a rebuilt image what *pull* says.\n")
	var none []string
	syncs := map[string][]string{}
	for _, t := range r.Tools {
		if !t.Shares {
			none = append(none, t.Name)
		}
		syncs[t.Syncs] = append(syncs[t.Syncs], t.Name)
	}
	if len(none) > 0 {
		fmt.Fprintf(b, "- An update with %s is another pull: nothing is kept between versions. The curl pipelines check no digest and apply no whiteouts.\n", cell(strings.Join(none, ", ")))
	}
	b.WriteString("- *on the disk*: until a sync after the tool has returned is done too. What tools themselves sync:")
	for i, what := range slices.Sorted(maps.Keys(syncs)) {
		if i > 0 {
			b.WriteString(";")
		}
		fmt.Fprintf(b, " %s: %s", cell(strings.Join(syncs[what], ", ")), what)
	}
	b.WriteString(".\n- CPU: user and system time of the tool, its children and its daemon. Peak: the largest process of the tool, and its daemon; helpers that a daemon starts are not in it. Idle: a daemon's share of memory before its first pull.\n")
	var registry, other, busy []float64
	for _, s := range r.Samples {
		registry = append(registry, s.Registry/s.Seconds)
		other = append(other, s.Other/s.Seconds)
		busy = append(busy, (s.User+s.System)/s.Seconds)
	}
	fmt.Fprintf(b, "- Cores in use, median: %.2f by the tool, %.2f by the registry, %.2f by anything else, the kernel's own threads included.\n",
		median(busy), median(registry), median(other))
	for _, f := range r.Failures {
		fmt.Fprintf(b, "- %s failed in %s and was left out from there on: %s\n", cell(r.name(f.Tool)), f.Dir, cell(f.Error))
	}
	b.WriteString("- Versions:")
	for i, t := range r.Tools {
		if i > 0 {
			b.WriteString(";")
		}
		fmt.Fprintf(b, " %s: %s", cell(t.Name), cell(t.Version))
		for j, dir := range slices.Sorted(maps.Keys(t.Drivers)) {
			fmt.Fprintf(b, "%s %s in %s", map[bool]string{true: ",", false: " and"}[j == 0], t.Drivers[dir], dir)
		}
	}
	b.WriteString(".\n")
}

// name of a tool by its key.
func (r *result) name(key string) string {
	for _, t := range r.Tools {
		if t.Key == key {
			return t.Name
		}
	}
	return key
}

// number is the median in a unit, with two digits after the point below ten, and
// empty if there is none.
func number(found map[int]float64, unit float64) string {
	if len(found) == 0 {
		return ""
	}
	v := median(values(found)) / unit
	switch {
	case unit > 1:
		return fmt.Sprintf("%.0f", v)
	case v < 9.995:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.1f", v)
	}
}

// cell keeps a pipe from ending its cell.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// write renders rows, the first of them the head; all but the first column hold
// numbers.
func write(b *strings.Builder, rows [][]string) {
	for i, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString("| --- |" + strings.Repeat(" ---: |", len(row)-1) + "\n")
		}
	}
}
