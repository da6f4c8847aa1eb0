package journal

import (
	"fmt"

	native "github.com/coreos/go-systemd/v22/journal"
)

// Attached reports whether what this process prints goes to the journal.
func Attached() bool {
	ok, err := native.StdoutIsJournalStream()
	return ok && err == nil
}

// Send writes one entry with fields of its own, which printing cannot
// (systemd.io/JOURNAL_NATIVE_PROTOCOL). Names of fields are capital letters,
// digits and underscores. Of a process that ends at once journald may not
// learn the unit.
func Send(message string, warning bool, fields map[string]string) error {
	priority := native.PriInfo
	if warning {
		priority = native.PriWarning
	}
	if err := native.Send(message, priority, fields); err != nil {
		return fmt.Errorf("writing to the journal: %w", err)
	}
	return nil
}
