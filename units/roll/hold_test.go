package roll

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/data"
)

// Data that are on a disk which is away are not started on, nor is anything
// else begun.
func TestDataAway(t *testing.T) {
	inBubble(t, "before", func(t *testing.T) {
		h := hostWithData(t, Update, DataCopy)
		h.data.away = errors.New("the disk is away")
		out, err := h.engine().Run(t.Context(), "val1")
		if err != nil || out.Result != Failed || !strings.Contains(out.Reason, "the disk is away") || h.asked["stop"] > 0 {
			t.Errorf("%+v, %v", out, err)
		}
		h.whole("4.1.2", true)
	})
	inBubble(t, "on the way back", func(t *testing.T) {
		h := hostWithData(t, Update, DataCopy)
		h.behave["4.1.3"] = liar
		h.on["start"] = func() { h.data.away = errors.New("the disk is away") }
		out, err := h.engine().Run(t.Context(), "val1")
		if err == nil || out.Result != Failed || !strings.Contains(out.Reason, "it was not started: the disk is away") {
			t.Errorf("%+v, %v", out, err)
		}
		h.runs("", false)
		h.data.away = nil
		h.takenBack()
	})
	inBubble(t, "for ever", func(t *testing.T) {
		h := hostWithData(t, Update, DataCopy)
		h.behave["4.1.3"] = liar
		h.on["start"] = func() { h.data.away = errors.New("the disk is away") }
		began := time.Now()
		for n, want := range []error{ErrUnfinished, ErrUnfinished, ErrUnfinished, ErrGivenUp, ErrGivenUp} {
			out, err := h.engine().Run(t.Context(), "val1")
			if !errors.Is(err, want) || out.Result != Failed || !out.Unfinished || !strings.HasPrefix(out.Situation, "generation 1 (4.1.2) is in place; "+unitName+" is inactive") {
				t.Fatalf("try %d: %+v, %v", n+1, out, err)
			}
			h.data.away = nil // and somebody, or a restart after a crash, starts the unit
			if err := h.start(); err == nil {
				t.Fatalf("try %d: %s was started on data of another", n+1, h.process)
			}
			h.data.away = errors.New("the disk is away")
			h.runs("", false)
			if s, err := h.files.Load("val1"); err != nil || s.Intent == nil || s.Intent.Tries != n+1 || s.LastRoll == nil || !s.LastRoll.Unfinished {
				t.Fatalf("try %d: %+v, %v", n+1, s.Intent, err)
			}
		}
		if took := time.Since(began); took < 42*time.Second || took > 2*time.Minute {
			t.Errorf("it took %s", took)
		}
		h.data.away = nil
		h.takenBack()
	})
	inBubble(t, "cancelled while it waits for another try", func(t *testing.T) {
		h := hostWithData(t, Update, DataCopy)
		h.behave["4.1.3"] = liar
		h.on["start"] = func() { h.data.away = errors.New("the disk is away") }
		if _, err := h.engine().Run(t.Context(), "val1"); !errors.Is(err, ErrUnfinished) {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h.data.away = nil
		out, err := h.engine().Run(ctx, "val1")
		if err != nil || out.Result != Cancelled {
			t.Errorf("%+v, %v", out, err)
		}
		h.data.are("4.1.2")
	})
}

// A boot starts no version on data that could not be given back to it, nor one
// that does not know what the other has signed. The judge takes the roll back.
func TestDataAwayAtBoot(t *testing.T) {
	for name, plan := range map[string]DataPlan{
		"kept":   {Method: DataCopy},
		"signed": {FromSigns: 1, ToSigns: 2},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := hostWithData(t, Update, plan.Method)
			h.edit(func(s *State) { s.Intent.Data = plan })
			h.data.writes["4.1.3"] = plan.ToSigns
			h.behave["4.1.3"] = liar
			h.on["start"] = func() { h.dieAt = h.steps + 2 }
			if !h.killed(false) || h.process != "4.1.3" {
				t.Fatalf("killed too early: %s", h.process)
			}
			h.dieAt, h.on = 0, map[string]func(){}
			h.halt()
			h.reload()
			h.data.away = errors.New("the disk is away")
			if _, err := h.engine().Recover(t.Context(), "val1"); err == nil || !strings.Contains(err.Error(), "the disk is away") {
				t.Error(err)
			}
			if s, err := h.files.Load("val1"); err != nil || s.Intent == nil || s.Intent.Recovered {
				t.Errorf("%+v, %v", s.Intent, err)
			}
			h.data.away = nil
			if err := h.start(); err == nil {
				t.Fatalf("the boot starts %s", h.process)
			}
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != RolledBack {
				t.Fatalf("%+v, %v", out, err)
			}
			if s := h.whole("4.1.2", true); (s.NoSigning != nil) != (plan.ToSigns > 0) {
				t.Errorf("not signing: %+v", s.NoSigning)
			}
			if plan.Method == DataCopy && slices.Contains(h.data.lost, "4.1.2") {
				t.Error("the old version was started on data of another")
			}
			if _, err := os.Stat(filepath.Dir(h.files.held(unitName))); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the drop-in stays: %v", err)
			}
		})
	}
}

// A version that does not stop may sign on: the roll is not over before the old
// one is kept from signing without what it knows.
func TestSigningUntilItStops(t *testing.T) {
	inBubble(t, "no stop", func(t *testing.T) {
		h := hostWithData(t, Update, DataAsIs)
		h.edit(func(s *State) { s.Intent.Data = DataPlan{FromSigns: 1, ToSigns: 2} })
		h.behave["4.1.3"], h.data.writes["4.1.3"] = liar, 2
		h.on["start"] = func() { h.refuse["stop"] = errors.New("no stop") }
		if out, err := h.engine().Run(t.Context(), "val1"); !errors.Is(err, ErrUnfinished) || out.Result != Failed {
			t.Errorf("%+v, %v", out, err)
		}
		h.runs("4.1.3", true)
		h.on, h.refuse = map[string]func(){}, map[string]error{}
		if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != RolledBack || out.NoSigning == "" {
			t.Errorf("%+v, %v", out, err)
		}
		h.whole("4.1.2", true)
	})
}

// Stores that are kept still are not those in place, which the old version
// would empty; nor is what was kept for it dropped then.
func TestStoresThatDoNotComeBack(t *testing.T) {
	inBubble(t, "no exchange", func(t *testing.T) {
		h := hostWithData(t, Update, DataCopy)
		h.behave["4.1.3"] = liar
		set := filepath.Join(h.data.path, data.SavedDir, "1")
		h.on["start"] = func() {
			delete(h.on, "start")
			if err := errors.Join(os.Rename(set, set+".kept"), os.WriteFile(set, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := h.engine().Run(t.Context(), "val1"); !errors.Is(err, ErrUnfinished) || !strings.Contains(out.Reason, "it was not started: exchanging the data") {
			t.Errorf("%+v, %v", out, err)
		}
		h.runs("", false)
		if err := errors.Join(os.Remove(set), os.Rename(set+".kept", set)); err != nil {
			t.Fatal(err)
		}
		h.takenBack()
	})
}
