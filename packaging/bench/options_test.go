package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want options
		ok   bool
	}{
		{
			"defaults",
			[]string{"-binary", "b"},
			nil,
			options{binary: "b", out: "dist/bench", rounds: 5, dirs: []string{"/var/tmp", "/dev/shm"}},
			true,
		},
		{
			"everything",
			[]string{"-binary", "b", "-out", "o"},
			map[string]string{"BENCH_ROUNDS": "2", "BENCH_TOOLS": "docker, igzip", "BENCH_DIRS": "/x", "BENCH_ALL": "yes", "BENCH_INSTALL": "yes"},
			options{binary: "b", out: "o", rounds: 2, tools: []string{"docker", "igzip"}, dirs: []string{"/x"}, all: true, install: true},
			true,
		},
		{"no binary", nil, nil, options{}, false},
		{"no rounds", []string{"-binary", "b"}, map[string]string{"BENCH_ROUNDS": "0"}, options{}, false},
		{"rounds in words", []string{"-binary", "b"}, map[string]string{"BENCH_ROUNDS": "two"}, options{}, false},
		{"no directory", []string{"-binary", "b"}, map[string]string{"BENCH_DIRS": ","}, options{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(tt.args, func(name string) string { return tt.env[name] })
			if (err == nil) != tt.ok {
				t.Fatalf("error %v, ok %v", err, tt.ok)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(options{}), cmpopts.EquateEmpty()); tt.ok && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestChosen(t *testing.T) {
	all := allTools("/x/aztec-spartan")
	some, err := chosen(all, []string{"igzip", "docker"})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, s := range some {
		keys = append(keys, s.key)
	}
	if diff := cmp.Diff([]string{ourKey, "docker", "igzip"}, keys); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if some, err := chosen(all, nil); err != nil || len(some) != len(all) {
		t.Errorf("%d tools, %v, want all %d", len(some), err, len(all))
	}
	if _, err := chosen(all, []string{"rkt"}); err == nil {
		t.Error("an unknown tool was chosen")
	}
}

func TestDue(t *testing.T) {
	tests := []struct {
		name                     string
		shares, goal, full, all  bool
		pull, update, rebuilding bool
	}{
		{"shares, goal, in a plain round", true, true, false, false, true, true, false},
		{"shares, goal, in a full round", true, true, true, false, true, true, true},
		{"shares, in a full round", true, false, true, false, true, true, false},
		{"shares, with all", true, false, true, true, true, true, true},
		{"keeps nothing, with all", false, true, true, true, true, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &bench{options: options{all: tt.all}}
			for step1, want := range map[string]bool{
				stepPull: tt.pull, stepUpdate: tt.update, stepRebuiltLayer: tt.rebuilding, stepRebuiltImage: tt.rebuilding,
			} {
				if got := b.due(tool{shares: tt.shares, goal: tt.goal}, step{name: step1}, tt.full); got != want {
					t.Errorf("%s: %v, want %v", step1, got, want)
				}
			}
		})
	}
}
