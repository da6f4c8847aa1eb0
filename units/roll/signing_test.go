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
		gone time.Duration
		boot time.Duration // when the host was started again after it; 0: not
		want time.Duration
	}{
		"at once":                   {0, 0, 0, signedAhead},
		"in the middle":             {0, time.Minute, 0, signedAhead - time.Minute},
		"afterwards":                {0, time.Hour, 0, signedAhead - time.Hour},
		"forward a day":             {day, time.Minute, 0, signedAhead - time.Minute},
		"forward a day, afterwards": {day, signedAhead, 0, 0},
		"back a day":                {-day, time.Hour, 0, day + signedAhead - time.Hour},
		"another boot":              {0, 2 * time.Minute, time.Minute, signedAhead - time.Minute},
		"another boot, afterwards":  {0, day, time.Minute, signedAhead - day + time.Minute},
		"its clock is ahead":        {day, 2 * time.Minute, time.Minute, signedAhead - time.Minute},
		"its clock is behind":       {-day, time.Hour, time.Minute, day + signedAhead - time.Hour},
	} {
		boot, up := "one", n.Uptime+c.gone
		if c.boot != 0 {
			boot, up = "two", c.gone-c.boot
		}
		if got := n.left(since.Add(c.set+c.gone), boot, up); got != c.want {
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
