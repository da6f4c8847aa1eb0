package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

func (a *app) statusTable(all []status) error {
	if len(all) == 0 {
		a.note("there is no instance on this host; aztec-spartan config NAME creates one")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tVERSION\tSTATE\tHEALTH\tMEMORY\tLAST ROLL")
	for _, s := range all {
		last := "-"
		if s.LastRoll != nil {
			last = s.LastRoll.Result
		}
		last = orDefault(s.Roll, last)
		memory := "-"
		if s.MemoryBytes > 0 {
			memory = humanize.IBytes(s.MemoryBytes)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s.Role, orDefault(s.Version, "-"), orDefault(s.ActiveState, "-"), s.Health, memory, last)
	}
	return w.Flush()
}

func (a *app) statusPage(s status) {
	line := func(label, format string, args ...any) {
		a.print("%-12s %s", label+":", fmt.Sprintf(format, args...))
	}
	line("name", "%s (%s, %s)", s.Name, s.Role, s.Network)
	line("version", "%s, generation %d", orDefault(s.Version, "none yet"), s.Generation)
	line("image", "%s", s.Reference)
	line("digest", "%s", s.Digest)
	line("unit", "%s", s.Unit)
	enabled := "disabled at boot"
	if s.Enabled {
		enabled = "enabled at boot"
	}
	state := fmt.Sprintf("%s (%s), %s", orDefault(s.ActiveState, healthUnknown), orDefault(s.SubState, healthUnknown), enabled)
	if s.Since != nil {
		state += fmt.Sprintf(", pid %d, since %s", s.MainPID, s.Since.Local().Format(time.DateTime))
	}
	line("state", "%s, %d restarts", state, s.Restarts)
	line("health", "%s: %s", s.Health, s.Reason)
	if s.RestartNeeded {
		line("restart", "needed: the unit was changed after the node started")
	}
	if s.Payload != nil {
		line("votes for", "%s", s.Payload)
	}
	switch s.Roll {
	case rollRunning:
		line("roll", "one is under way; aztec-spartan logs -f %s follows it", s.Name)
	case rollInterrupted:
		line("roll", "the last one was interrupted; aztec-spartan rollback %s takes it back", s.Name)
	}
	line("memory", "%s", humanize.IBytes(s.MemoryBytes))
	line("data", "%s in /var/lib/aztec/%s", humanize.IBytes(uint64(s.DiskBytes)), s.Name)
	line("previous", "%s", orDefault(s.PreviousVersion, "none"))
	if r := s.LastRoll; r != nil {
		text := fmt.Sprintf("%s %s -> %s: %s at %s", r.Kind, r.From, r.To, r.Result, r.Finished.Local().Format(time.DateTime))
		if r.DowntimeSeconds > 0 {
			text += fmt.Sprintf(", down for %.1f s", r.DowntimeSeconds)
		}
		line("last roll", "%s", text)
		if r.Reason != "" {
			line("", "%s", r.Reason)
		}
	}
	if p := s.Pin; p != nil {
		text := "to " + p.Version
		if !p.Until.IsZero() {
			text += " until " + p.Until.Local().Format(time.DateTime)
		}
		line("pinned", "%s", text)
	}
	for _, k := range s.Skipped {
		line("skipped", "%s since %s: %s", k.Version, k.Since.Local().Format(time.DateTime), k.Reason)
	}
}
