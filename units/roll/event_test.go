package roll

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// catalog is what `journalctl -x` knows.
const catalog = "../../packaging/catalog/aztec-spartan.catalog"

// The catalog has a text for each event, which names no field that the event
// does not have.
func TestCatalog(t *testing.T) {
	data, err := os.ReadFile(catalog)
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]string{}
	for _, part := range strings.Split("\n"+string(data), "\n-- ")[1:] {
		id, text, _ := strings.Cut(part, "\n")
		if _, twice := entries[id]; twice || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
			t.Errorf("entry %q: twice, or no number", id)
		}
		entries[id] = text
	}
	field := regexp.MustCompile(`@([A-Z_]+)@`)
	for id, fields := range allEvents(t) {
		text := entries[id]
		if !strings.HasPrefix(text, "Subject: ") || !strings.Contains(text, "\nDefined-By: aztec-spartan\n") {
			t.Errorf("%s: the catalog says %q", id, text)
		}
		for _, m := range field.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(fields, m[1]) {
				t.Errorf("%s: the catalog wants %s, of %v", id, m[1], fields)
			}
		}
	}
}

// allEvents has one of each kind, with the names of its fields.
func allEvents(t *testing.T) map[string][]string {
	found := map[string][]string{}
	note := func(e Event) {
		var names []string
		for name := range e.Fields {
			names = append(names, name)
		}
		found[e.ID] = names
	}
	run := func(name string, change func(h *host)) {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			change(h)
			e := h.engine()
			e.Note = note
			if name == "recovered" {
				if _, err := e.Recover(t.Context(), "val1"); err != nil {
					t.Fatal(err)
				}
				return
			}
			if _, err := e.Run(t.Context(), "val1"); err != nil {
				t.Fatal(err)
			}
		})
	}
	run("done", func(*host) {})
	run("rolled back", func(h *host) { h.behave["4.1.3"] = liar })
	run("failed", func(h *host) { h.refuse["running"] = errors.New("no") })
	run("cancelled", func(h *host) {
		h.behave["4.1.3"] = silent
		h.on["running"] = func() {
			if h.asked["start"] == 1 && h.asked["running"] > 4 {
				h.halt()
			}
		}
	})
	run("recovered", func(h *host) {
		h.edit(func(s *State) { s.Intent.Begun = true })
		h.halt()
	})
	for _, id := range []string{EventBegun, EventPhase, EventPhaseFell, EventDone, EventRolledBack, EventFailed, EventCancelled, EventRecovered} {
		if _, ok := found[id]; !ok {
			t.Errorf("no event %s", id)
		}
	}
	return found
}
