package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestParseProcess(t *testing.T) {
	const rest = " S 7 12 12 0 -1 4194560 900 800 0 0 150 50 1000 300 20 0 9 0 123 1 2"
	want := process{pid: 12, parent: 7, user: 11500 * time.Millisecond, system: 3500 * time.Millisecond}
	tests := []struct {
		name, stat string
		ok         bool
	}{
		{"plain", "12 (dockerd)" + rest, true},
		{"a name with spaces and parentheses", "12 (a) S 1 (b)" + rest, true},
		{"no name", "12 dockerd" + rest, false},
		{"cut off", "12 (dockerd) S 7 12 12 0 -1", false},
		{"no number", "12 (dockerd) S x 12 12 0 -1 4194560 900 800 0 0 150 50 1000 300 20", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseProcess(tt.stat)
			if (err == nil) != tt.ok || tt.ok && got != want {
				t.Errorf("%+v, %v, want %+v, ok %v", got, err, want, tt.ok)
			}
		})
	}
}

func TestKilobytes(t *testing.T) {
	const status = "Name:\tdockerd\nVmPeak:\t  2000 kB\nVmHWM:\t   123 kB\nBad:\t1x kB\nPss_Dirty:     9 kB\nPss:     8 kB\n"
	tests := []struct {
		field string
		want  int64
		ok    bool
	}{
		{"VmHWM", 123 << 10, true},
		{"Pss", 8 << 10, true},
		{"VmRSS", 0, true},
		{"Bad", 0, false},
	}
	for _, tt := range tests {
		if got, err := kilobytes(status, tt.field); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%s: %d, %v, want %d, ok %v", tt.field, got, err, tt.want, tt.ok)
		}
	}
}

func TestBusy(t *testing.T) {
	tests := []struct {
		name, stat string
		want       time.Duration
		ok         bool
	}{
		{"all but idle and iowait, without steal", "cpu  100 20 30 1000 500 6 7 99 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n", 1630 * time.Millisecond, true},
		{"one core only", "cpu0 100 20 30 1000 500 6 7 99 0 0\n", 0, false},
		{"no number", "cpu  100 20 x 1000 500 6 7 99\n", 0, false},
		{"empty", "", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := busy(tt.stat); got != tt.want || (err == nil) != tt.ok {
				t.Errorf("%v, %v, want %v, ok %v", got, err, tt.want, tt.ok)
			}
		})
	}
}

// TestFamily has a grandchild, a child that ended, and one that runs.
func TestFamily(t *testing.T) {
	// A command in the background reads /dev/null unless it is told otherwise.
	cmd := exec.Command("bash", "-c", `bash -c 'for ((i = 0; i < 100000; i++)); do :; done'; bash -c 'cat; :' <&0 & echo; wait`)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	all, err := family(cmd.Process.Pid)
	if err != nil || len(all) < 2 || all[0].pid != cmd.Process.Pid || all[0].parent != os.Getpid() {
		t.Errorf("the family is %+v, %v", all, err)
	}
	if user, _, err := cpuOf(cmd.Process.Pid); err != nil || user < tick {
		t.Errorf("%v of CPU, %v, want that of the child that ended", user, err)
	}
	if err := forgetPeak(cmd.Process.Pid); err != nil {
		t.Error(err)
	}
	for _, m := range []struct{ file, field string }{{"status", "VmHWM"}, {"smaps_rollup", "Pss"}} {
		if n, err := memoryOf(cmd.Process.Pid, m.file, m.field); err != nil || n <= 0 || n > 1<<30 {
			t.Errorf("%s: %d, %v", m.field, n, err)
		}
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := family(cmd.Process.Pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("examining the dead: %v", err)
	}
}
