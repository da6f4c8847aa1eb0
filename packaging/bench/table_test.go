package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMarkdown(t *testing.T) {
	var r result
	if err := json.Unmarshal([]byte(read(t, "testdata/bench.json")), &r); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "bench.md")
	got := r.markdown()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, golden), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestResultSurvivesItsFile(t *testing.T) {
	var r result
	if err := json.Unmarshal([]byte(read(t, "testdata/bench.json")), &r); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	var again result
	if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, "bench.json"))), &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, again, cmp.AllowUnexported(place{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := read(t, filepath.Join(dir, "bench.md")); got != r.markdown() {
		t.Errorf("bench.md is %s", got)
	}
}
