//go:build real

package stubimage

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// awaitBlock waits for the first block that an L1 makes of its own: until then
// its newest is as old as the fixture, and the real node takes it for one that
// is out of sync, and ends.
func awaitBlock(url string) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		if at, err := newestBlock(url); err == nil && time.Since(at) < 30*time.Second {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return errors.New("anvil made no block within a minute")
		}
	}
}

// newestBlock is the time of an L1's newest block.
func newestBlock(url string) (time.Time, error) {
	resp, err := http.Post(url, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest",false]}`))
	if err != nil {
		return time.Time{}, err
	}
	defer resp.Body.Close()
	var answer struct{ Result struct{ Timestamp string } }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(answer.Result.Timestamp, 0, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("a block of no time: %w", err)
	}
	return time.Unix(seconds, 0), nil
}
