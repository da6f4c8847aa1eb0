package manager

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

const unit = "aztec-sequencer@val1.service"

func TestJobResults(t *testing.T) {
	for _, c := range []struct {
		result string
		want   string
	}{
		{"done", ""},
		{"canceled", "starting aztec-sequencer@val1.service: the start was cancelled by another one for the same unit, or by hand"},
		{"timeout", "starting aztec-sequencer@val1.service: it did not start in the time that the unit allows"},
		{"failed", "starting aztec-sequencer@val1.service: it failed to start"},
		{"dependency", "starting aztec-sequencer@val1.service: a unit that it needs failed to start"},
		{"skipped", "starting aztec-sequencer@val1.service: the start did not apply to the state the unit was in"},
		{"frozen", `starting aztec-sequencer@val1.service: systemd ended the job with "frozen"`},
	} {
		t.Run(c.result, func(t *testing.T) {
			f := &fake{enqueue: func(_, _, _ string, ch chan<- string) (int, error) {
				ch <- c.result // blocks forever if the channel has no room
				return 7, nil
			}, props: map[string]map[string]any{unit: {"Result": "exit-code"}}}
			err := (&Manager{f}).Start(t.Context(), unit)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var job *JobError
			if !errors.As(err, &job) || job.Unit != unit || job.Verb != "start" || job.Result != JobResult(c.result) || err.Error() != c.want {
				t.Errorf("got %#v: %v", job, err)
			}
		})
	}
}

// TestJobUnitTimeout: what a unit's own timeout looks like on 247 to 257.
func TestJobUnitTimeout(t *testing.T) {
	f := &fake{enqueue: func(_, _, _ string, ch chan<- string) (int, error) {
		ch <- "failed"
		return 7, nil
	}, props: map[string]map[string]any{unit: {"Result": "timeout"}}}
	err := (&Manager{f}).Restart(t.Context(), unit)
	if want := "restarting " + unit + ": it did not restart in the time that the unit allows"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestJobVerbs(t *testing.T) {
	var calls []string
	f := &fake{enqueue: func(verb, name, mode string, ch chan<- string) (int, error) {
		calls = append(calls, verb+" "+name+" "+mode)
		if ch != nil {
			ch <- "done"
		}
		return 1, nil
	}}
	m := &Manager{f}
	ctx := t.Context()
	if err := errors.Join(m.Start(ctx, "a"), m.Stop(ctx, "b"), m.Restart(ctx, "c"), m.TryRestart(ctx, "e"), m.StartNoWait(ctx, "d")); err != nil {
		t.Fatal(err)
	}
	if want := []string{"start a replace", "stop b replace", "restart c replace", "try-restart e replace", "start d replace"}; !slices.Equal(calls, want) {
		t.Errorf("got %q", calls)
	}
}

func TestJobRefused(t *testing.T) {
	for _, c := range []struct {
		err      error
		sentinel error
	}{
		{refusal(nameNoUnit, "Unit x.service not found."), ErrNoUnit},
		{refusal(nameDenied, "Access denied"), ErrDenied},
		{refusal(nameAuthRequired, "Interactive authentication required."), ErrDenied},
		{context.DeadlineExceeded, context.DeadlineExceeded},
	} {
		f := &fake{enqueue: func(string, string, string, chan<- string) (int, error) { return 0, c.err }}
		m := &Manager{f}
		for verb, err := range map[string]error{
			"starting x.service: ": m.Start(t.Context(), "x.service"),
			"stopping x.service: ": m.Stop(t.Context(), "x.service"),
		} {
			if !errors.Is(err, c.sentinel) || !strings.HasPrefix(err.Error(), verb) || !strings.Contains(err.Error(), c.err.Error()) {
				t.Errorf("got %v", err)
			}
		}
		if err := m.StartNoWait(t.Context(), "x.service"); !errors.Is(err, c.sentinel) {
			t.Errorf("got %v", err)
		}
	}
}

// slow is a systemd that takes its time with a job, and says "canceled" when
// the job is cancelled.
func slow(after time.Duration) (*fake, *[]uint32) {
	var canceled []uint32
	var out chan<- string
	f := &fake{}
	f.enqueue = func(_, _, _ string, ch chan<- string) (int, error) {
		out = ch
		if after > 0 {
			time.AfterFunc(after, func() { ch <- "done" })
		}
		return 42, nil
	}
	f.cancel = func(id uint32) error {
		canceled = append(canceled, id)
		out <- "canceled"
		return nil
	}
	return f, &canceled
}

func TestJobWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, canceled := slow(3500 * time.Millisecond)
		var told []time.Duration
		err := (&Manager{f}).Stop(t.Context(), unit, OnWait(func(d time.Duration) { told = append(told, d) }), OnEnd(func() { told = append(told, 0) }))
		if err != nil || len(*canceled) != 0 {
			t.Errorf("%v, canceled %v", err, *canceled)
		}
		if want := []time.Duration{1e9, 2e9, 3e9, 0}; !slices.Equal(told, want) {
			t.Errorf("told at %v", told)
		}
	})
}

func TestJobTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, canceled := slow(0)
		began := time.Now()
		err := (&Manager{f}).Start(t.Context(), unit, Timeout(30*time.Second))
		want := "starting aztec-sequencer@val1.service: no result within 30s: context deadline exceeded; the job was cancelled"
		if !errors.Is(err, context.DeadlineExceeded) || err.Error() != want {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("took %s", took)
		}
		if !slices.Equal(*canceled, []uint32{42}) {
			t.Errorf("canceled %v", *canceled)
		}
	})
}

func TestJobContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, canceled := slow(0)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		err := (&Manager{f}).Start(ctx, unit)
		if !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), "the job was cancelled") {
			t.Errorf("got %v", err)
		}
		if !slices.Equal(*canceled, []uint32{42}) {
			t.Errorf("canceled %v", *canceled)
		}
	})
}

// A job that goes on is not cancelled, over the connection that it was asked for
// by, nor over the next.
func TestJobGoesOn(t *testing.T) {
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f, canceled := slow(0)
			f.props = map[string]map[string]any{unit: {"ActiveState": "deactivating", "Job": []any{uint32(42), godbus.ObjectPath("/x")}}}
			if lost {
				time.AfterFunc(time.Second, f.lose)
			}
			m := &Manager{&lasting{now: f, open: func(context.Context) (bus, error) { return &fake{props: f.props}, nil }}}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := m.Restart(ctx, unit, GoesOn()); !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), "the job goes on") || len(*canceled) != 0 {
				t.Errorf("%t: %v, canceled %v", lost, err, *canceled)
			}
		})
	}
}

// TestJobEndsWhileCanceling: the job is over before the cancelling arrives, so
// its own result counts.
func TestJobEndsWhileCanceling(t *testing.T) {
	for _, result := range []string{"done", "failed"} {
		f, _ := slow(0)
		var out chan<- string
		f.enqueue = func(_, _, _ string, ch chan<- string) (int, error) {
			out = ch
			return 42, nil
		}
		f.cancel = func(uint32) error {
			out <- result
			return refusal(nameNoJob, "Job 42 does not exist.")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := (&Manager{f}).Start(ctx, unit)
		var job *JobError
		if result == "done" && err != nil || result == "failed" && !errors.As(err, &job) {
			t.Errorf("%s: got %v", result, err)
		}
	}
}

func TestJobCancelFails(t *testing.T) {
	f, _ := slow(0)
	f.cancel = func(uint32) error { return refusal(nameDenied, "Access denied") }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := (&Manager{f}).Start(ctx, unit)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "the job goes on") {
		t.Errorf("got %v", err)
	}
}

// TestJobCancelSilent: systemd accepts the cancelling and never says more.
func TestJobCancelSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := slow(0)
		f.cancel = func(uint32) error { return nil }
		began := time.Now()
		err := (&Manager{f}).Start(t.Context(), unit, Timeout(time.Minute))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "did not say how the job ended") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != time.Minute+cancelTimeout {
			t.Errorf("took %s", took)
		}
	})
}

// A job whose result is lost with the connection is waited for all the same, and
// what its unit does says how it ended.
func TestJobConnectionLost(t *testing.T) {
	job := []any{uint32(42), godbus.ObjectPath("/org/freedesktop/systemd1/job/42")}
	for _, c := range []struct {
		verb, kind, state string
		want              JobResult
	}{
		{"start", "exec", "active", Done},
		{"start", "exec", "failed", Failed},
		{"start", "exec", "inactive", Failed},   // by a stop
		{"start", "exec", "activating", Failed}, // between two tries
		{"start", "oneshot", "inactive", Done},
		{"start", "oneshot", "failed", Failed},
		{"restart", "exec", "active", Done},
		{"stop", "exec", "inactive", Done},
		{"stop", "exec", "failed", Done},
		{"stop", "exec", "active", Failed},
	} {
		synctest.Test(t, func(t *testing.T) {
			first, _ := slow(0)
			first.props = map[string]map[string]any{unit: {"ActiveState": "activating", "Job": job}}
			second := &fake{props: map[string]map[string]any{unit: {"ActiveState": "activating", "Job": job}}}
			opened := 0
			m := &Manager{&lasting{now: first, open: func(context.Context) (bus, error) {
				opened++
				if opened == 1 { // dbus-daemon is not there yet
					return nil, errors.New("no socket")
				}
				return second, nil
			}}}
			time.AfterFunc(90*time.Second, first.lose)
			time.AfterFunc(150*time.Second, func() { second.set(unit, map[string]any{"ActiveState": c.state, "Type": c.kind, "Result": "success"}) })
			began := time.Now()
			err := map[string]func(context.Context, string, ...Option) error{"start": m.Start, "restart": m.Restart, "stop": m.Stop}[c.verb](t.Context(), unit)
			got := Done
			if failed := (*JobError)(nil); errors.As(err, &failed) {
				got = failed.Result
			} else if err != nil {
				t.Errorf("%+v: %v", c, err)
			}
			if got != c.want {
				t.Errorf("%+v: it ended as %s", c, got)
			}
			if took := time.Since(began); took < 150*time.Second || took > 152*time.Second {
				t.Errorf("%+v: took %s", c, took)
			}
		})
	}
}

// Of a job that nothing is known of any more the caller learns, and within a
// bound; a caller that gives up has it cancelled over the new connection.
func TestJobConnectionGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := slow(0)
		m := &Manager{&lasting{now: f, open: func(context.Context) (bus, error) { return nil, errors.New("no socket") }}}
		time.AfterFunc(90*time.Second, f.lose)
		began := time.Now()
		if err := m.Start(t.Context(), unit); !errors.Is(err, errLost) || !strings.Contains(err.Error(), "the job may go on") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took > 90*time.Second+rejoinTimeout+2*waitEvery {
			t.Errorf("took %s", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		first, _ := slow(0)
		job := []any{uint32(42), godbus.ObjectPath("/org/freedesktop/systemd1/job/42")}
		second, canceled := slow(0)
		second.props = map[string]map[string]any{unit: {"ActiveState": "activating", "Job": job}}
		second.cancel = func(id uint32) error {
			*canceled = append(*canceled, id)
			return nil
		}
		m := &Manager{&lasting{now: first, open: func(context.Context) (bus, error) { return second, nil }}}
		time.AfterFunc(time.Second, first.lose)
		err := m.Start(t.Context(), unit, Timeout(time.Minute))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), "the job was cancelled") || !slices.Equal(*canceled, []uint32{42}) {
			t.Errorf("got %v, cancelled %v", err, *canceled)
		}
	})
}

// A call in the middle of which the connection is lost is made again.
func TestCallsAfterALoss(t *testing.T) {
	for _, verb := range []string{"start", "stop", "restart", "try-restart"} {
		asked := 0
		second := &fake{enqueue: func(_, _, _ string, ch chan<- string) (int, error) {
			asked++
			ch <- "done"
			return 2, nil
		}}
		first := &fake{}
		first.enqueue = func(_, _, _ string, _ chan<- string) (int, error) {
			asked++
			first.lose()
			return 0, godbus.ErrClosed
		}
		m := &Manager{&lasting{now: first, open: func(context.Context) (bus, error) { return second, nil }}}
		err := map[string]func(context.Context, string, ...Option) error{"start": m.Start, "restart": m.Restart, "stop": m.Stop, "try-restart": m.TryRestart}[verb](t.Context(), unit)
		if err != nil || asked != 2 {
			t.Errorf("%s: asked %d times, %v", verb, asked, err)
		}
		if err := m.Reload(t.Context()); err != nil || !slices.Equal(second.calls, []string{"reload"}) {
			t.Errorf("%s: what comes after it: %v, %q", verb, err, second.calls)
		}
		// What the first call has changed is not known, and so read in any case.
		second.lose()
		third := &fake{installable: true}
		m.bus.(*lasting).open = func(context.Context) (bus, error) { return third, nil }
		fell := &fake{err: refusal(nameNoReply, "Message recipient disconnected"), installable: true}
		m.bus.(*lasting).now = fell
		time.AfterFunc(againAfter/2, fell.lose)
		if err := m.Disable(t.Context(), unit); err != nil || !slices.Equal(third.calls, []string{"reload"}) {
			t.Errorf("%s: disabled: %v, %q", verb, err, third.calls)
		}
		m.Close()
		if err := m.Reload(t.Context()); err != nil || len(third.calls) != 2 {
			t.Errorf("%s: a manager that is closed opens nothing: %v, %q", verb, err, third.calls)
		}
	}
}

// A restart that was asked for before the connection was lost, or a start, is not
// asked for a second time: it is waited for, as what its unit does says.
func TestJobsAfterALoss(t *testing.T) {
	queued := func(id uint32) []any { return []any{id, godbus.ObjectPath("/org/freedesktop/systemd1/job/x")} }
	old, anew := []byte{1}, []byte{2}
	for name, c := range map[string]struct {
		before, now, end map[string]any
		asked            int
		want             JobResult
	}{
		"not heard": {
			map[string]any{"InvocationID": old, "ActiveState": "active"},
			map[string]any{"InvocationID": old, "ActiveState": "active"},
			nil, 2, Done,
		},
		"not heard, beside a job of another's": {
			map[string]any{"InvocationID": old, "ActiveState": "active", "Job": queued(3)},
			map[string]any{"InvocationID": old, "ActiveState": "active", "Job": queued(3)},
			nil, 2, Done,
		},
		"under way": {
			map[string]any{"InvocationID": old, "ActiveState": "active"},
			map[string]any{"InvocationID": old, "ActiveState": "deactivating", "Job": queued(7)},
			map[string]any{"InvocationID": anew, "ActiveState": "active"},
			1, Done,
		},
		"over": {
			map[string]any{"InvocationID": old, "ActiveState": "active"},
			map[string]any{"InvocationID": anew, "ActiveState": "active"},
			nil, 1, Done,
		},
		"over, and failed": {
			map[string]any{"InvocationID": old, "ActiveState": "active"},
			map[string]any{"InvocationID": anew, "ActiveState": "failed"},
			nil, 1, Failed,
		},
		"over, of what ends at once": {
			map[string]any{"InvocationID": old, "ActiveState": "inactive"},
			map[string]any{"InvocationID": anew, "ActiveState": "inactive", "Type": "oneshot", "Result": "success"},
			nil, 1, Done,
		},
	} {
		for _, verb := range []string{"start", "restart", "try-restart", "queue"} {
			for _, away := range []bool{false, true} { // systemd, or the connection
				if verb == "queue" && c.want != Done { // nobody waits for how it ends
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					asked := 0
					enqueue := func(_, _, _ string, ch chan<- string) (int, error) {
						if asked++; ch != nil {
							ch <- "done"
						}
						return 8, nil
					}
					second := &fake{enqueue: enqueue, props: map[string]map[string]any{unit: c.now}}
					first := &fake{props: map[string]map[string]any{unit: c.before}}
					first.enqueue = func(_, _, _ string, _ chan<- string) (int, error) {
						asked++
						if away {
							first.set(unit, c.now)
							first.enqueue = enqueue
							return 0, refusal(nameNoReply, "Message recipient disconnected from message bus without replying")
						}
						first.lose()
						return 0, godbus.ErrClosed
					}
					if c.end != nil {
						time.AfterFunc(time.Minute, func() {
							first.set(unit, c.end)
							second.set(unit, c.end)
						})
					}
					m := &Manager{&lasting{now: first, open: func(context.Context) (bus, error) { return second, nil }}}
					queue := func(ctx context.Context, unit string, _ ...Option) error { return m.StartNoWait(ctx, unit) }
					began := time.Now()
					err := map[string]func(context.Context, string, ...Option) error{"start": m.Start, "restart": m.Restart, "try-restart": m.TryRestart, "queue": queue}[verb](t.Context(), unit)
					got := Done
					if failed := (*JobError)(nil); errors.As(err, &failed) {
						got = failed.Result
					} else if err != nil {
						t.Errorf("%s of %s, %t: %v", verb, name, away, err)
					}
					if got != c.want || asked != c.asked {
						t.Errorf("%s of %s, %t: %s, asked %d times", verb, name, away, got, asked)
					}
					if took := time.Since(began); (took >= time.Minute) != (c.end != nil && verb != "queue") || took > time.Minute+2*waitEvery {
						t.Errorf("%s of %s, %t: after %s", verb, name, away, took)
					}
				})
			}
		}
	}
}

// While systemd replaces itself, calls are made again; what does not come back is
// an error in the end.
func TestCallsWhileSystemdIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{err: refusal(nameNoReply, "Message recipient disconnected from message bus without replying")}
		m := &Manager{&lasting{now: f}}
		time.AfterFunc(300*time.Millisecond, func() { f.fail(nil) })
		if _, err := m.State(t.Context(), unit); err != nil {
			t.Errorf("it is back, and %v", err)
		}
		f.fail(refusal(nameNoSpawn+"ChildExited", "exit status 1"))
		began := time.Now()
		if _, err := m.State(t.Context(), unit); err == nil || time.Since(began) < awayFor || time.Since(began) > awayFor+time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		f.fail(refusal(nameNoUnit, "Unit x.service not found."))
		began = time.Now()
		if _, err := m.State(t.Context(), unit); !errors.Is(err, ErrNoUnit) || time.Since(began) > 0 {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}
