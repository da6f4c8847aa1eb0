package roll

import (
	"testing"
	"time"
)

// However the clock is set, what was kept for a day is there for a day, and not
// for much longer.
func TestKeptLeft(t *testing.T) {
	since := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	k := Kept{Since: since, Until: since.Add(day), Boot: "one", Uptime: time.Hour}
	for name, c := range map[string]struct {
		set  time.Duration // how far the clock was set meanwhile
		gone time.Duration
		boot time.Duration // when the host was started again after it; 0: not
		want time.Duration
	}{
		"at once":                     {0, 0, 0, day},
		"in the middle":               {0, time.Hour, 0, day - time.Hour},
		"afterwards":                  {0, day, 0, 0},
		"forward a year":              {365 * day, time.Hour, 0, day - time.Hour},
		"forward a year, afterwards":  {365 * day, day, 0, 0},
		"back ten years":              {-3650 * day, time.Hour, 0, day - time.Hour},
		"back ten years, afterwards":  {-3650 * day, day, 0, 0},
		"another boot":                {0, 3 * time.Hour, time.Hour, day - 3*time.Hour},
		"another boot, afterwards":    {0, day + time.Hour, time.Minute, -time.Hour},
		"off since":                   {0, 3 * day, 3*day - time.Minute, clockSettled - time.Minute},
		"its clock is ahead at first": {365 * day, 3 * time.Hour, 3*time.Hour - time.Minute, clockSettled - time.Minute},
		"its clock is behind":         {-365 * day, 3 * time.Hour, time.Hour, day - 2*time.Hour},
		"it was ahead when they were kept, and is set back": {-365 * day, 2 * day, day, 0},
	} {
		boot, up := "one", k.Uptime+c.gone
		if c.boot != 0 {
			boot, up = "two", c.gone-c.boot
		}
		if got := k.left(since.Add(c.set+c.gone), boot, up); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	short := Kept{Since: since, Until: since.Add(time.Minute), Boot: "one"}
	if got := short.left(since.Add(time.Hour), "two", time.Minute); got != 0 {
		t.Errorf("a minute was asked for: %s", got)
	}
	k.Boot = "" // recorded by an older program, or by a kernel that does not say
	if got := k.left(since.Add(day), "one", time.Hour); got != 0 {
		t.Errorf("without the boot: %s", got)
	}
}
