package roll

import "testing"

// The switch comes before the stop only where nothing is done between them:
// the new version must not start before data are kept, not even because the
// old one crashes.
func TestSwitchBeforeTheStop(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *State)
		want   string // in place when the old version is stopped
	}{
		"data stay as they are": {func(*State) {}, "4.1.3"},
		"data are kept":         {func(s *State) { s.Intent.Data.Method = DataClone }, "4.1.2"},
		"to an older version":   {func(s *State) { s.Intent.Data.Older = true }, "4.1.2"},
		"it does not sign":      {func(s *State) { s.NoSigning = &NoSigning{} }, "4.1.2"},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.edit(c.change)
			placed := ""
			h.on["stop"] = func() {
				if meta, err := h.files.Active(unitName); err == nil && placed == "" {
					placed = meta.Version
				}
			}
			if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != Done {
				t.Fatalf("%+v, %v", out, err)
			}
			if placed != c.want {
				t.Errorf("at the stop %s is in place, want %s", placed, c.want)
			}
			h.whole("4.1.3", true)
		})
	}
}
