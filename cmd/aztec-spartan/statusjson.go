package main

import (
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/probe"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// status is one instance as status --json prints it. Sizes are bytes.
type status struct {
	Name            string        `json:"name"`
	Role            string        `json:"role"`
	Network         string        `json:"network"`
	Unit            string        `json:"unit"`
	Version         string        `json:"version"`
	Digest          string        `json:"digest"`
	Reference       string        `json:"reference"`
	Generation      int           `json:"generation"`
	ActiveState     string        `json:"active_state"`
	SubState        string        `json:"sub_state"`
	Enabled         bool          `json:"enabled"`
	Health          string        `json:"health"`
	Reason          string        `json:"reason"`
	MainPID         uint32        `json:"main_pid"`
	Since           *time.Time    `json:"since,omitempty"`
	Restarts        uint32        `json:"restarts"`
	MemoryBytes     uint64        `json:"memory_bytes"`
	DiskBytes       int64         `json:"disk_bytes"` // the data directory, as allocated
	PreviousVersion string        `json:"previous_version"`
	RestartNeeded   bool          `json:"restart_needed"`
	LastRoll        *roll.Outcome `json:"last_roll"`
	Roll            string        `json:"roll"` // running, interrupted, or empty
	Skipped         []roll.Skip   `json:"skipped"`
	Pin             *roll.Pin     `json:"pin,omitempty"`     // of its version
	Payload         *ballot       `json:"payload,omitempty"` // of roles that vote in governance
	Node            *probe.Report `json:"node,omitempty"`    // what its RPC says
}

const (
	healthStopped = "stopped"
	healthUnknown = "unknown"
)
