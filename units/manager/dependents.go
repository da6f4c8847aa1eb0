package manager

import (
	"context"
	"slices"
)

// stoppedWith are the properties of a unit that name those which systemd stops
// when it stops the unit: others have Requires=, Requisite=, BindsTo= or
// PartOf= for it (systemd.unit(5)).
var stoppedWith = []string{"RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf"}

// Dependents lists the units that run and that systemd stops when it stops a
// unit, and when it stops one of those, ordered by name.
func (m *Manager) Dependents(ctx context.Context, unit string) ([]string, error) {
	seen, found := []string{unit}, []string(nil)
	for i := 0; i < len(seen); i++ {
		p, err := m.properties(ctx, seen[i])
		if err != nil {
			return nil, err
		}
		// The first is asked about: what runs of the others counts.
		if state := value[string](p, "ActiveState"); i > 0 && state != "inactive" && state != "failed" {
			found = append(found, seen[i])
		}
		for _, property := range stoppedWith {
			for _, name := range value[[]string](p, property) {
				if !slices.Contains(seen, name) {
					seen = append(seen, name)
				}
			}
		}
	}
	slices.Sort(found)
	return found, nil
}
