package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// faults is stub.json.
type faults struct {
	// ExitAfterMS makes the node exit 1 this long after its start, before it
	// opens a port.
	ExitAfterMS int `json:"exit_after_ms,omitempty"`
	// ExitCode is what it exits with then, and after CrashAfterMS; 0: 1.
	ExitCode int `json:"exit_code,omitempty"`
	// CrashAfterMS makes it exit 1 this long after it has opened its ports.
	CrashAfterMS int `json:"crash_after_ms,omitempty"`
	// Silent keeps the node alive without ever opening a port, which is what the
	// real one does when it cannot find a blob it needs.
	Silent bool `json:"silent,omitempty"`
	// Hung opens the port and never answers, as an event loop that is blocked.
	Hung bool `json:"hung,omitempty"`
	// Sick answers /status with 200, and every call with an internal error.
	Sick bool `json:"sick,omitempty"`
	// Standby answers /status with 200 and nothing else, as a node that waits for
	// its rollup.
	Standby bool `json:"standby,omitempty"`
	// Cutover is a Standby that ends when there is a file "cutover" in the data
	// directory: then the node follows its rollup.
	Cutover bool `json:"cutover,omitempty"`
	// Rollup is the address of the rollup contract, where it is not that of 4.1.2.
	Rollup string `json:"rollup,omitempty"`
	// ReportVersion is answered over RPC in place of the version of the image.
	ReportVersion string `json:"report_version,omitempty"`
	// ReportChainID is answered in place of the chain of the settings.
	ReportChainID int `json:"report_chain_id,omitempty"`
	// Frozen has no new block, ever.
	Frozen bool `json:"frozen,omitempty"`
	// Behind has blocks, and says that it is not done with syncing.
	Behind bool `json:"behind,omitempty"`
	// Alone has no peers where P2P is on.
	Alone bool `json:"alone,omitempty"`
	// Deaf ignores SIGTERM.
	Deaf bool `json:"deaf,omitempty"`
	// FillsDisk writes to the data directory until the disk is full, and exits 1.
	FillsDisk bool `json:"fills_disk,omitempty"`
	// Schemas are those of stores, where they are not those of 4.1.2.
	Schemas map[string]int `json:"schemas,omitempty"`
	// RefusesOldData makes the node end where it finds a store of an older
	// schema, instead of emptying it.
	RefusesOldData bool `json:"refuses_old_data,omitempty"`
	// ProvesMS is for how long after its start an agent proves.
	ProvesMS int `json:"proves_ms,omitempty"`
}

func (f faults) exitAfter() time.Duration { return time.Duration(f.ExitAfterMS) * time.Millisecond }

// code is what a node that ends by itself exits with.
func (f faults) code() int { return max(1, f.ExitCode) }

// crash is when a node whose ports are open ends; nil: never.
func (f faults) crash() <-chan time.Time {
	if f.CrashAfterMS == 0 {
		return nil
	}
	return time.After(time.Duration(f.CrashAfterMS) * time.Millisecond)
}

// handler puts itself before the honest one of a port.
func (f faults) handler(honest http.Handler, data *store) http.Handler {
	if !f.Hung && !f.Sick && !f.Standby && !f.Cutover {
		return honest
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case f.Cutover && exists(filepath.Join(data.dir, "cutover")):
			honest.ServeHTTP(w, req)
		case f.Hung:
			<-req.Context().Done()
		case req.URL.Path == "/status":
			text(w, req, http.StatusOK, "OK")
		case f.Sick:
			send(w, http.StatusOK, failure(null, -32603, "Internal error"))
		default:
			text(w, req, http.StatusNotFound, "Not Found")
		}
	})
}

// fill writes to the data directory until nothing more fits.
func (s *store) fill() error {
	f, err := os.Create(filepath.Join(s.dir, "archiver", "junk.mdb"))
	if err != nil {
		return err
	}
	defer f.Close()
	for chunk := make([]byte, 1<<20); ; {
		if _, err := f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("MDB_MAP_FULL: %w", err)
		} else if err != nil {
			return err
		}
	}
}
