package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// sample is one tool doing one step once. Times are seconds, sizes bytes.
type sample struct {
	Round int    `json:"round"`
	Dir   string `json:"dir"`
	Tool  string `json:"tool"`
	Step  string `json:"step"`
	// Seconds is the wall time until the tool returns; Sync what it takes after
	// that until everything is on the disk.
	Seconds float64 `json:"seconds"`
	Sync    float64 `json:"sync_seconds"`
	// CPU time of the tool, its children and its daemon.
	User   float64 `json:"user_seconds"`
	System float64 `json:"system_seconds"`
	// CPU time of the registry, and of anything else on this machine, the
	// kernel's own threads included.
	Registry float64 `json:"registry_cpu_seconds"`
	Other    float64 `json:"other_cpu_seconds"`
	// Peak is the largest resident size of the tool's largest process and, added
	// to that, of each process of its daemon.
	Peak int64 `json:"peak_rss_bytes"`
	// Added is how much larger the store became.
	Added int64 `json:"added_bytes"`
}

// idle is what a daemon holds in memory while it has nothing to do.
type idle struct {
	Round int    `json:"round"`
	Dir   string `json:"dir"`
	Tool  string `json:"tool"`
	// Empty is before the first pull, After once all steps are done: bytes, each
	// page that processes share divided among them.
	Empty int64 `json:"empty_bytes"`
	After int64 `json:"after_bytes"`
}

// entrant is a tool as the tables need to know it.
type entrant struct {
	Key     string `json:"key"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Shares  bool   `json:"shares"`
	Syncs   string `json:"syncs"`
	// Drivers tell by directory how it keeps its trees.
	Drivers map[string]string `json:"drivers,omitempty"`
}

// failure is a tool that does not work in a place.
type failure struct {
	Dir   string `json:"dir"`
	Tool  string `json:"tool"`
	Error string `json:"error"`
}

// result is everything that a run found out; bench.json holds it.
type result struct {
	Date    string     `json:"date"`
	Machine machine    `json:"machine"`
	Rounds  int        `json:"rounds"`
	Places  []*place   `json:"places"`
	Tools   []*entrant `json:"tools"`
	Samples []sample   `json:"samples"`
	Idle    []idle     `json:"idle"`
	// Failures are others' only: a failure of this program ends the run.
	Failures []failure `json:"failures,omitempty"`
}

// failed tells whether a tool is left out of a place.
func (r *result) failed(dir, tool string) bool {
	return slices.ContainsFunc(r.Failures, func(f failure) bool { return f.Dir == dir && f.Tool == tool })
}

// median of nothing is 0; of an even number the mean of the middle two.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// find lists a figure of the samples that match, by round.
func (r *result) find(dir, tool, step string, figure func(sample) float64) map[int]float64 {
	found := map[int]float64{}
	for _, s := range r.Samples {
		if s.Dir == dir && s.Tool == tool && s.Step == step {
			found[s.Round] = figure(s)
		}
	}
	return found
}

func values(m map[int]float64) (list []float64) {
	for _, v := range m {
		list = append(list, v)
	}
	return list
}

// ratio is the median, over the rounds that have both, of ours by theirs.
func ratio(ours, theirs map[int]float64) (float64, bool) {
	var list []float64
	for round, v := range theirs {
		if o, ok := ours[round]; ok && v > 0 {
			list = append(list, o/v)
		}
	}
	return median(list), len(list) > 0
}

// write puts the samples and the tables into a directory.
func (r *result) write(dir string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("writing the samples: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bench.json"), append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the samples: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bench.md"), []byte(r.markdown()), 0o644); err != nil {
		return fmt.Errorf("writing the tables: %w", err)
	}
	return nil
}
