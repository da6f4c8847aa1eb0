package roll

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bootClock is a clock that nobody sets: for how long this boot has lasted, with
// the times in which the host was suspended (clock_gettime(2), CLOCK_BOOTTIME),
// and which boot that is (random(4), boot_id). Where there is none, boot is "".
func bootClock() (boot string, up time.Duration) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	var ts unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return "", 0
	}
	return strings.TrimSpace(string(id)), time.Duration(ts.Nano())
}
