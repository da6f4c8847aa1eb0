package roll

import "time"

// Kept is a set of stores in the data directory that an earlier version left.
type Kept struct {
	Generation int       `json:"generation"`
	Image      string    `json:"image"`
	Version    string    `json:"version"`
	Since      time.Time `json:"since,omitzero"` // zero: recorded by an older program, as without Boot
	Until      time.Time `json:"until"`          // afterwards nothing wants it
	// Boot is the boot in which that was, and Uptime for how long it had lasted.
	Boot   string        `json:"boot,omitempty"`
	Uptime time.Duration `json:"uptime_ns,omitempty"`
}

// clockSettled is how long after its start a host has the time of day: one
// without a clock, or with a wrong one, gets it from the network.
const clockSettled = time.Hour

// Left is for how long it is to be kept yet. Who sets the time of day neither
// makes that shorter nor longer: it is counted by a clock that nobody sets. That
// begins anew with each boot; after one the time of day counts, unless it is
// before the set was kept, and once the host had the time to learn it.
func (k Kept) Left() time.Duration {
	boot, up := bootClock()
	return k.left(time.Now(), boot, up)
}

func (k Kept) left(now time.Time, boot string, up time.Duration) time.Duration {
	left, grace := k.Until.Sub(now), k.Until.Sub(k.Since)
	switch {
	case k.Boot == "" || boot == "":
		return left
	case k.Boot == boot:
		return grace - (up - k.Uptime)
	case now.Before(k.Since):
		return grace - up
	}
	return max(left, min(grace, clockSettled)-up)
}

// keepSet remembers the set of the version that leaves.
func (r *run) keepSet(result string) {
	p := r.state.Intent.Data
	if !p.keeps() || result != Done && result != Waiting {
		return
	}
	if p.Method == DataSwap {
		r.state.Forget(p.Set)
	}
	r.state.Forget(r.from.Number)
	now := time.Now().UTC()
	k := Kept{Generation: r.from.Number, Image: r.from.Image, Version: r.from.Version, Since: now, Until: now.Add(p.Grace)}
	k.Boot, k.Uptime = bootClock()
	r.state.Kept = append(r.state.Kept, k)
}

// Wants reports whether the data that a generation left are to be kept.
func (s State) Wants(generation int) bool {
	for _, k := range s.Kept {
		if k.Generation == generation && k.Left() > 0 {
			return true
		}
	}
	in := s.Intent
	return in != nil && in.Begun && in.Data.keeps() && (generation == in.From || generation == in.To || generation == in.Data.Set)
}

// Forget drops what is said of data that are not there any more.
func (s *State) Forget(generation int) {
	kept := s.Kept[:0]
	for _, k := range s.Kept {
		if k.Generation != generation {
			kept = append(kept, k)
		}
	}
	s.Kept = kept
}
