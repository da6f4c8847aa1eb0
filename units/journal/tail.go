package journal

import (
	"context"
	"slices"
)

// maxPending bounds the lines that wait for their head.
const maxPending = 4096

// backwards reports whether journalctl's own --lines does not give the last
// entries that are asked for, oldest first: it knows nothing of levels, counts
// from the beginning with --since (252 and older) or a cursor, from the wrong
// end with --until, and turns
// the order around with --grep.
func (q Query) backwards() bool {
	return q.Level != 0 || q.Since != "" || q.Until != "" || q.Cursor != "" || q.Grep != ""
}

// tail reads the last q.Lines entries that q.Level lets through, and the
// cursor of the very last entry of any level. It has journalctl run backwards
// until there are enough. Backwards, the lines that belong to a head come
// before it and wait for it.
func tail(ctx context.Context, q Query) (last []Entry, after string, err error) {
	t := reader{want: q.Lines, level: q.Level, pending: map[string][]*slot{}}
	if t.level == 0 {
		t.level = Trace
	}
	from := q.Cursor
	q.Lines, q.Follow, q.Cursor = -1, false, ""
	err = run(ctx, q, func(e Entry) error {
		if after == "" {
			after = e.Cursor
		}
		// Backwards, --after-cursor would mean what is before it.
		if from != "" && e.Cursor == from {
			return errEnough
		}
		t.add(e)
		if t.kept >= t.want {
			return errEnough
		}
		return nil
	}, "--reverse")
	if err != nil {
		return nil, "", err
	}
	return t.entries(), after, nil
}

// slot is the place of an entry; settled ones with a level of 0 are left out.
type slot struct {
	Entry
	settled bool
}

// reader puts entries that come newest first in order.
type reader struct {
	want    int
	level   Level
	slots   []*slot // newest first
	pending map[string][]*slot
	kept    int
}

func (t *reader) add(e Entry) {
	level, ok := own(e)
	waiting := t.pending[e.Unit]
	switch {
	case ok && e.fromManager(): // stands for itself, between other lines
		if level <= t.level {
			t.settle(t.place(e), level)
		}
		return
	case len(waiting) > 0 && (!sameSource(waiting[0].Entry, e) || len(waiting) >= maxPending):
		t.release(e.Unit, 0)
	}
	if !ok {
		t.pending[e.Unit] = append(t.pending[e.Unit], t.place(e))
		return
	}
	if level <= t.level {
		// Its followers, newest first, come before it.
		t.release(e.Unit, level)
		t.settle(t.place(e), level)
		return
	}
	t.release(e.Unit, level)
}

func sameSource(a, b Entry) bool { return a.Invocation == b.Invocation && a.PID == b.PID }

func (t *reader) place(e Entry) *slot {
	s := &slot{Entry: e}
	t.slots = append(t.slots, s)
	return s
}

// release settles the lines of a unit that wait. Level 0: their head is not
// theirs, so their priority counts.
func (t *reader) release(unit string, level Level) {
	for _, s := range t.pending[unit] {
		l := level
		if l == 0 {
			l = levelOf(s.Priority)
		}
		t.settle(s, l)
	}
	delete(t.pending, unit)
	if len(t.slots) > 2*(t.want+maxPending) {
		t.slots = slices.DeleteFunc(t.slots, func(s *slot) bool { return s.settled && s.Level == 0 })
	}
}

func (t *reader) settle(s *slot, level Level) {
	s.settled = true
	if level <= t.level {
		s.Level = level
		t.kept++
		return
	}
	s.Message = "" // not needed any more
}

// entries returns what was kept, oldest first.
func (t *reader) entries() []Entry {
	for unit := range t.pending {
		t.release(unit, 0)
	}
	var all []Entry
	for _, s := range t.slots {
		if s.Level != 0 {
			all = append(all, s.Entry)
		}
	}
	all = all[:min(len(all), t.want)]
	slices.Reverse(all)
	return all
}
