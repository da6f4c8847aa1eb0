package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

func (a *app) statusTable(all []status) error {
	if len(all) == 0 {
		a.note("there is no instance on this host; aztec-spartan config NAME creates one")
		return nil
	}
	rows := [][]string{{"NAME", "ROLE", "VERSION", "STATE", "HEALTH", "MEMORY", "LAST ROLL"}}
	for _, s := range all {
		last := "-"
		if s.LastRoll != nil {
			last = s.LastRoll.Result
		}
		memory := "-"
		if s.MemoryBytes > 0 {
			memory = humanize.IBytes(s.MemoryBytes)
		}
		rows = append(rows, []string{s.Name, s.Role, orDefault(s.Version, "-"), orDefault(s.ActiveState, "-"), s.Health, memory, orDefault(s.Roll, last)})
	}
	for _, line := range fit(rows, tableWidth, []column{3, 5}, []column{2, 1, 6}) {
		a.print("%s", line)
	}
	if i := slices.IndexFunc(all, func(s status) bool { return s.Exposed != "" }); i >= 0 {
		a.note("warning: RPC and admin ports are open to other machines: %s; systemctl start aztec-firewall.service closes them, or says why not", all[i].Exposed)
	}
	return nil
}

// pageLine prints a line of the page.
type pageLine func(label, format string, args ...any)

func (a *app) statusPage(s status) {
	var line pageLine = func(label, format string, args ...any) {
		if label != "" { // else it belongs to the line above
			label += ":"
		}
		a.print("%-12s %s", label, fmt.Sprintf(format, args...))
	}
	line("name", "%s (%s, %s)", s.Name, s.Role, s.Network)
	line("version", "%s, generation %d", orDefault(s.Version, "none yet"), s.Generation)
	line("image", "%s", s.Reference)
	line("digest", "%s", s.Digest)
	line("unit", "%s", s.Unit)
	line("state", "%s", stateWords(s))
	line("health", "%s: %s", s.Health, s.Reason)
	if s.Exposed != "" {
		line("firewall", "RPC and admin ports are open to other machines: %s", s.Exposed)
		line("", "systemctl start aztec-firewall.service closes them, or says why not")
	}
	if s.StandbyOf != "" {
		line("stands by", "%s", standbyWords(s))
	}
	if s.RestartNeeded {
		line("restart", "needed: the unit, its keys or local.env changed after the node started")
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
	a.statusChain(s, line)
	statusResources(s, line)
	line("previous", "%s", orDefault(s.PreviousVersion, "none"))
	a.statusRolls(s, line)
	if s.NextCheck != nil {
		line("next check", "%s", s.NextCheck.Local().Format(time.DateTime))
	}
	if e := s.LastError; e != nil {
		line("last error", "%s %s", e.Time.Local().Format(time.DateTime), e.Message)
	}
	for _, text := range s.Unknown {
		line("not known", "%s", text)
	}
	for _, k := range s.Skipped {
		line("skipped", "%s since %s: %s", k.Version, k.Since.Local().Format(time.DateTime), k.Reason)
	}
}

// stateWords is what systemd says of the unit, and how often the node was
// started again.
func stateWords(s status) string {
	enabled := "disabled at boot"
	if s.Enabled {
		enabled = "enabled at boot"
	}
	state := fmt.Sprintf("%s (%s), %s", orDefault(s.ActiveState, healthUnknown), orDefault(s.SubState, healthUnknown), enabled)
	if s.Since != nil {
		state += fmt.Sprintf(", pid %d, since %s", s.MainPID, s.Since.Local().Format(time.DateTime))
	}
	restarts := fmt.Sprintf("%d restarts", s.Restarts)
	if s.Restarts == 1 {
		restarts = "1 restart"
	}
	if s.Restarted != nil {
		restarts += ", " + s.Restarted.String()
	}
	return state + ", " + restarts
}

// statusResources shows what the node uses of the host.
func statusResources(s status, line pageLine) {
	line("memory", "%s", humanize.IBytes(s.MemoryBytes))
	if s.CPUSeconds > 0 {
		text := time.Duration(s.CPUSeconds * float64(time.Second)).Round(100 * time.Millisecond).String()
		if s.Since != nil && time.Since(*s.Since) > time.Second {
			text += fmt.Sprintf(" since its start, %.0f %% of a core", 100*s.CPUSeconds/time.Since(*s.Since).Seconds())
		}
		line("cpu", "%s", text)
	}
	if s.DataDir != "" {
		line("data", "%s in %s", humanize.IBytes(uint64(s.DiskBytes)), s.DataDir)
	}
	if s.RootfsBytes > 0 {
		line("rootfs", "%s", humanize.IBytes(uint64(s.RootfsBytes)))
	}
}

// statusRolls shows what the last roll has come to, and what it has left.
func (a *app) statusRolls(s status, line pageLine) {
	if r := s.LastRoll; r != nil {
		text := fmt.Sprintf("%s %s -> %s: %s at %s", r.Kind, r.From, r.To, r.Result, r.Finished.Local().Format(time.DateTime))
		if r.DowntimeSeconds > 0 {
			text += fmt.Sprintf(", down for %.1f s", r.DowntimeSeconds)
		}
		line("last roll", "%s", text)
		if r.Reason != "" {
			line("", "%s", r.Reason)
		}
		if r.Situation != "" {
			line("", "then: %s", r.Situation)
		}
	}
	if p := s.Pin; p != nil {
		line("pinned", "to %s", p)
	}
	if off := s.NoSigning; off != nil {
		line("signing", "off since %s: %s", off.Since.Local().Format(time.DateTime), off.Reason)
		line("", "aztec-spartan start %s --sign, from %s on, lets it sign again", s.Name, off.Until.Local().Format(time.DateTime))
		if by, err := a.resumesByPolicy(s.Name); by && err == nil {
			line("", "an unattended update, or aztec-watch.timer, does it (resume_signing)")
		}
	}
}

// statusChain shows what the node, L1 and the attesters say of each other.
func (a *app) statusChain(s status, line pageLine) {
	if n := s.Node; n != nil && n.NodeVersion != "" && (n.Block > 0 || n.Proven > 0) {
		text := fmt.Sprintf("block %d, proven %d", n.Block, n.Proven)
		if n.Checkpoint > 0 {
			text += fmt.Sprintf(", checkpoint %d", n.Checkpoint)
		}
		line("chain", "%s", text)
	}
	if n := s.Node; n != nil && n.Peers != nil {
		line("peers", "%d", *n.Peers)
	}
	if l := s.L1; l != nil {
		text := fmt.Sprintf("block %d of %s", l.Block, l.Time.Local().Format(time.DateTime))
		if l.BehindSeconds != nil {
			text += fmt.Sprintf("; the node has seen it up to %s before", time.Duration(*l.BehindSeconds)*time.Second)
		}
		if l.Checkpoint != nil && s.Node != nil {
			text += fmt.Sprintf("; checkpoint %d is there, the node has %d", *l.Checkpoint, s.Node.Checkpoint)
		}
		line("L1", "%s", text)
	}
	for _, d := range s.Attesters {
		line("attester", "%s %s", d.Attester, dutyWords(d))
	}
	for _, p := range s.Publishers {
		line("publisher", "%s %s", p.Address, orDefault(p.ETH, "?")+" ETH")
	}
}

// dutyWords says how an attester stands, and what it did and did not.
func dutyWords(d probe.Duties) string {
	var words []string
	switch d.Standing {
	case probe.NotInSet:
		words = append(words, "is not in the validator set, and may wait in its queue")
	case probe.Validating:
		words = append(words, "is in the validator set")
	case probe.Zombie:
		words = append(words, "is out of the validator set, with its stake still there")
	case probe.Exiting:
		words = append(words, "is leaving the validator set")
	}
	if d.Seen {
		words = append(words, seenWords(d))
	}
	return strings.Join(words, "; ")
}

func seenWords(d probe.Duties) string {
	if !d.Committee {
		return "was in no committee that the node has seen"
	}
	text := fmt.Sprintf("missed %d attestations and %d proposals in %d slots", d.MissedAttestations, d.MissedProposals, d.Slots)
	if d.MissedInARow > 0 {
		text += fmt.Sprintf(", the last %d in a row", d.MissedInARow)
	}
	if d.LastAttestation != nil {
		text += ", last attested " + d.LastAttestation.Local().Format(time.DateTime)
	}
	return text
}
