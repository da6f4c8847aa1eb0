package roll

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Recover puts the files of an instance right after a power cut in the middle
// of a roll: those of the old version come back, since nobody knows whether
// the new one holds. It starts and stops nothing, and is for the time of a
// boot in which nothing runs yet; an instance that runs is left to Run. The
// caller holds the instance's lock. Recover reports whether it has changed
// anything. The intent stays: Run judges what was put back once it runs. Where the
// data could not be put back, nothing starts the node before Run has.
func (e *Engine) Recover(ctx context.Context, instance string) (bool, error) {
	e.evidence = nil
	s, err := e.Files.Load(instance)
	if err != nil || s.Intent == nil {
		return false, err
	}
	if !s.Intent.Begun {
		// Nobody waits for it any more, and nothing was changed.
		return false, e.Files.Drop(instance)
	}
	r, err := e.resume(instance, s)
	if err != nil {
		return false, err
	}
	now, err := e.Manager.Running(ctx, s.Unit)
	if err != nil {
		return false, fmt.Errorf("recovering %s: %w", instance, err)
	}
	if !now.down() {
		return false, nil
	}
	for _, step := range slices.Backward(r.steps()) {
		if step.files {
			step.undo(ctx)
		}
	}
	if !r.back.inPlace {
		return true, fmt.Errorf("recovering %s: %s", instance, r.reason("the old version could not be put back"))
	}
	if r.back.broken != nil {
		err := fmt.Errorf("recovering %s: %w", instance, r.back.broken)
		return true, errors.Join(err, r.hold(ctx))
	}
	if !r.loaded {
		return true, fmt.Errorf("recovering %s: %s", instance, r.reason("systemd does not read the unit of the old version"))
	}
	r.state.Intent.Recovered = true
	if err := e.Files.Save(instance, r.state); err != nil {
		return true, errors.Join(fmt.Errorf("recovering %s: it is put right, and will be judged as if it were not", instance), err)
	}
	r.note(Event{ID: EventRecovered, Bad: true, Line: fmt.Sprintf("%s of %s to %s was interrupted; %s is put back", r.out.Kind, instance, r.to.Version, r.from.Version)})
	return true, nil
}
