package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes, written as people write it: "512MiB", "1GiB".
type size int64

// units of sizes. Only those with an i: whether "GB" means 1000 or 1024 has
// been argued about for too long to guess.
var sizeUnits = []struct {
	suffix string
	shift  uint
}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"B", 0}, {"", 0}}

func (s *size) UnmarshalText(text []byte) error {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(string(text), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || n > math.MaxInt64>>u.shift {
			break
		}
		*s = size(n << u.shift)
		return nil
	}
	return fmt.Errorf("%q is not a size such as 512MiB or 2GiB", text)
}
