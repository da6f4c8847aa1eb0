package roll

import (
	"testing"
	"time"
)

// However the clock is set, no node signs before the time has gone by; nor in
// what the other version had for the present.
func TestNoSigningLeft(t *testing.T) {
	since := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	n := NoSigning{Since: since, Until: since.Add(signedAhead), Boot: "one", Uptime: time.Hour}
	for name, c := range map[string]struct {
		set  time.Duration // how far the clock was set meanwhile
		boot string
		gone time.Duration
		want time.Duration
	}{
		"at once":                   {0, "one", 0, signedAhead},
		"in the middle":             {0, "one", time.Minute, signedAhead - time.Minute},
		"afterwards":                {0, "one", time.Hour, signedAhead - time.Hour},
		"forward a day":             {day, "one", time.Minute, signedAhead - time.Minute},
		"forward a day, afterwards": {day, "one", signedAhead, 0},
		"back a day":                {-day, "one", time.Hour, day + signedAhead - time.Hour},
		"another boot":              {0, "two", time.Minute, signedAhead - time.Minute},
		"another boot, afterwards":  {0, "two", time.Hour, signedAhead - time.Hour},
	} {
		if got := n.left(since.Add(c.set+c.gone), c.boot, time.Hour+c.gone); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	n.Boot = "" // recorded by an older program, or by a kernel that does not say
	if got := n.left(since.Add(time.Hour), "one", time.Hour); got > 0 {
		t.Errorf("without the boot: %s", got)
	}
}

func TestBootClock(t *testing.T) {
	boot, up := bootClock()
	again, later := bootClock()
	if boot == "" || again != boot || up <= 0 || later < up {
		t.Errorf("%s at %s, then %s at %s", boot, up, again, later)
	}
}
