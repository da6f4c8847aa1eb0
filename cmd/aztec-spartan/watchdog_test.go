package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Six nodes that take long to stop are restarted in the time that one takes, and
// one that fails keeps no other from it.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, failed := time.Now(), errors.New("it hangs")
		done := make(chan string, 6)
		err := together([]string{"val1", "val2", "val3", "val4", "val5", "val6"}, func(name string) error {
			<-time.After(100 * time.Second)
			done <- name
			if name == "val2" {
				return failed
			}
			return nil
		})
		if took := time.Since(began); !errors.Is(err, failed) || len(done) != 6 || took != 100*time.Second {
			t.Errorf("%v, %d done after %s", err, len(done), took)
		}
	})
	if err := together(nil, nil); err != nil {
		t.Error(err)
	}
}
