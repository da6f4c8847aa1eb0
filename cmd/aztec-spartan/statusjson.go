package main

import (
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/probe"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// status is one instance as status --json prints it. Sizes are bytes, times are
// of RFC 3339 in UTC. README, "The state as JSON", describes each.
type status struct {
	Name            string          `json:"name"`
	Role            string          `json:"role"`
	Network         string          `json:"network"`
	StandbyOf       string          `json:"standby_of,omitempty"` // the instance whose keys it has, for the next rollup
	Promoted        bool            `json:"promoted,omitempty"`   // it has taken over from that one, which refuses to start
	Unit            string          `json:"unit"`
	Version         string          `json:"version"`
	Digest          string          `json:"digest"`
	Reference       string          `json:"reference"`
	Generation      int             `json:"generation"`
	ActiveState     string          `json:"active_state"`
	SubState        string          `json:"sub_state"`
	Enabled         bool            `json:"enabled"`
	Health          string          `json:"health"`
	Reason          string          `json:"reason"`
	Exposed         string          `json:"exposed,omitempty"` // why other machines reach its RPC and admin ports, which are to be closed
	MainPID         uint32          `json:"main_pid"`
	Since           *time.Time      `json:"since,omitempty"`
	Restarts        uint32          `json:"restarts"` // automatic ones since the last start by hand
	Restarted       *restarted      `json:"restarted,omitempty"`
	MemoryBytes     uint64          `json:"memory_bytes"`
	CPUSeconds      float64         `json:"cpu_seconds"`  // since it was started; 0 if systemd does not count
	DataDir         string          `json:"data_dir"`     // where its data are; "": its role has none
	DiskBytes       int64           `json:"disk_bytes"`   // its data, as allocated
	RootfsBytes     int64           `json:"rootfs_bytes"` // files of its image, as allocated, only where instances are named; other images may share them
	PreviousVersion string          `json:"previous_version"`
	RestartNeeded   bool            `json:"restart_needed"`
	LastRoll        *roll.Outcome   `json:"last_roll"`
	Roll            string          `json:"roll"` // running, interrupted, or empty
	Skipped         []roll.Skip     `json:"skipped"`
	Pin             *roll.Pin       `json:"pin,omitempty"`        // of its version
	NoSigning       *roll.NoSigning `json:"no_signing,omitempty"` // why it must not sign; absent if it may
	Payload         *ballot         `json:"payload,omitempty"`    // of roles that vote in governance
	NextCheck       *time.Time      `json:"next_check,omitempty"`
	Node            *probe.Report   `json:"node,omitempty"` // what its RPC says
	details
}

// restarted is how often systemd started a node again by itself within the last
// hour, and within how many minutes.
type restarted struct {
	Times   int `json:"times"`
	Minutes int `json:"minutes"`
}

// details are what takes longer to learn, so it is asked for only where
// instances are named.
type details struct {
	L1         *l1State       `json:"l1,omitempty"`
	Publishers []publisher    `json:"publishers,omitempty"`
	Attesters  []probe.Duties `json:"attesters,omitempty"`
	LastError  *errorLine     `json:"last_error,omitempty"`
	Unknown    []string       `json:"not_known,omitempty"` // what of these could not be learned, and why
}

// l1State is L1 as the first of its execution nodes that answers has it.
type l1State struct {
	Block         uint64    `json:"block"`
	Time          time.Time `json:"time"`
	BehindSeconds *int64    `json:"behind_seconds,omitempty"` // newest L1 block that the node has seen, behind this one
	Checkpoint    *uint64   `json:"checkpoint,omitempty"`     // newest of the node's rollup
}

// publisher is an account that pays on L1.
type publisher struct {
	Address string `json:"address"`
	Wei     string `json:"wei,omitempty"` // a decimal number, which may exceed what JSON readers count exactly
	ETH     string `json:"eth,omitempty"` // the same, with four digits after the point
}

// errorLine is the first line of the last error, or worse, that the journal has.
type errorLine struct {
	Time    time.Time `json:"time"`
	Message string    `json:"message"`
}

const (
	healthStopped = string(probe.Stopped)
	healthUnknown = "unknown"
)
