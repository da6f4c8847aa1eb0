package extract_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract"
)

// TestSighting: a tag that has become something else is noticed once, by whichever pull sees it first.
func TestSighting(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	layers := varied(t)
	first := r.push(image{tag: "v1", layers: layers[:1]})
	started := time.Now()
	look := func(ref string) *extract.Sighting {
		t.Helper()
		_, stats, err := s.Pull(context.Background(), r.ref(ref), impatient)
		if err != nil {
			t.Fatal(err)
		}
		return stats.Moved
	}
	if seen, err := s.Seen(r.ref(":v1")); seen != nil || err != nil {
		t.Errorf("before: %+v, %v", seen, err)
	}
	for range 2 {
		if moved := look(":v1"); moved != nil {
			t.Errorf("moved from %+v", moved)
		}
	}
	seen, err := s.Seen(r.ref(":v1"))
	if err != nil || seen == nil || seen.Digest != first["digest"] || seen.IndexDigest != "" || seen.Seen.Before(started.Add(-time.Second)) || seen.Seen.After(time.Now()) {
		t.Fatalf("Seen = %+v, %v", seen, err)
	}

	child := r.push(image{layers: layers[:2]})
	index := r.manifest("v1", ociIndex, desc{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []desc{for_(child, "linux", "amd64")}})
	moved := look(":v1")
	if moved == nil || *moved != *seen {
		t.Errorf("moved from %+v, want %+v", moved, seen)
	}
	if moved := look(":v1"); moved != nil {
		t.Errorf("moved twice, from %+v", moved)
	}
	if seen, err := s.Seen(r.ref(":v1")); err != nil || seen.Digest != child["digest"] || seen.IndexDigest != index["digest"] {
		t.Errorf("Seen = %+v, %v", seen, err)
	}
	// Back to what is here already.
	r.push(image{tag: "v1", layers: layers[:1]})
	if moved := look(":v1"); moved == nil || moved.Digest != child["digest"] {
		t.Errorf("moved back from %+v", moved)
	}

	for _, ref := range []string{"@" + first["digest"].(string), ":other@" + child["digest"].(string)} {
		if moved := look(ref); moved != nil {
			t.Errorf("%s moved from %+v", ref, moved)
		}
		if seen, err := s.Seen(r.ref(ref)); seen != nil || err != nil {
			t.Errorf("%s was seen: %+v, %v", ref, seen, err)
		}
	}
	raw, err := os.ReadFile(s.Dir + "/tags.json")
	if err != nil || strings.Contains(string(raw), "@") || strings.Contains(string(raw), "other") {
		t.Errorf("tags.json is %s, %v", raw, err)
	}
	if _, err := s.Seen("UPPER/case"); !errors.Is(err, extract.ErrReference) {
		t.Errorf("Seen of no reference: %v", err)
	}
}

// TestSightingFailed: a pull that fails has not seen anything, so that the next one can tell.
func TestSightingFailed(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	layers := varied(t)
	r.push(image{tag: "v1", layers: layers[:1]})
	first := pull(t, s, r.ref(":v1"))
	r.push(image{tag: "v1", layers: layers[:2]})
	r.on(status(404, "blobs", sha(gz(layers[1].tar))))
	if _, _, err := s.Pull(context.Background(), r.ref(":v1"), impatient); !errors.Is(err, extract.ErrUnknown) {
		t.Fatal(err)
	}
	if seen, err := s.Seen(r.ref(":v1")); err != nil || seen.Digest != first.Digest {
		t.Errorf("Seen = %+v, %v", seen, err)
	}
	r.on(nil)
	_, stats, err := s.Pull(context.Background(), r.ref(":v1"), impatient)
	if err != nil || stats.Moved == nil || stats.Moved.Digest != first.Digest {
		t.Errorf("moved from %+v, %v", stats.Moved, err)
	}
}

// TestSightingsUnreadable: what tags were is not made up, nor lost by being written over.
func TestSightingsUnreadable(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		want    error
		say     string
	}{
		"newer":     {`{"schema": 99, "tags": []}`, extract.ErrSchema, "tags.json"},
		"newer map": {`{"schema": 99, "tags": {}}`, extract.ErrSchema, "tags.json"},
		"damaged":   {`{"schema": 1, "ta`, extract.ErrRecord, "tags.json cannot be read: unexpected end of JSON input"},
		"empty":     {"", extract.ErrRecord, "tags.json cannot be read: unexpected end of JSON input"},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := newRegistry(t), newStore(t)
			r.push(image{tag: "v1", layers: small(t)})
			r.push(image{tag: "v2", layers: verified(t)})
			pull(t, s, r.ref(":v1"))
			if err := os.WriteFile(s.Dir+"/tags.json", []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			r.took()
			for _, ref := range []string{":v1", ":v2"} {
				_, _, err := s.Pull(context.Background(), r.ref(ref), impatient)
				if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.say) {
					t.Errorf("Pull(%s): %v", ref, err)
				}
			}
			if took := r.took(); len(took) > 0 {
				t.Errorf("it asked for %q", took)
			}
			if _, err := s.Seen(r.ref(":v1")); err == nil || !strings.Contains(err.Error(), test.say) {
				t.Errorf("Seen: %v", err)
			}
			if raw, err := os.ReadFile(s.Dir + "/tags.json"); err != nil || string(raw) != test.content {
				t.Errorf("tags.json is %s, %v", raw, err)
			}
		})
	}
}

// What was looked at is remembered as it was then, until a pull takes what it is.
func TestInspectAndSight(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	layers := varied(t)
	first := r.push(image{tag: "v1", layers: layers[:1], config: func(d desc) { d["created"] = "2026-11-20T10:00:00.5Z" }})
	r.push(image{tag: "v2", layers: layers[:1], config: func(d desc) { d["created"] = "yesterday" }})
	r.push(image{tag: "v3", layers: layers[:2]})
	for tag, want := range map[string]time.Time{"v1": time.Date(2026, 11, 20, 10, 0, 0, 5e8, time.UTC), "v2": {}, "v3": {}} {
		got, err := extract.Inspect(context.Background(), r.ref(":"+tag), impatient)
		if err != nil || !got.Created.Equal(want) {
			t.Errorf("%s: %+v, %v, want %s", tag, got, err, want)
		}
	}
	if _, _, err := s.Pull(context.Background(), r.ref(":v3"), impatient); err != nil {
		t.Fatal(err)
	}
	sight := func() {
		t.Helper()
		now, err := extract.Inspect(context.Background(), r.ref(":v1"), impatient)
		if err == nil {
			err = s.Sight(now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	sight()
	r.push(image{tag: "v1", layers: layers[:2]})
	sight()
	seen, err := s.SeenIn(r.ref(""))
	if err != nil || len(seen) != 2 || seen["v1"].Digest != first["digest"] || seen["v3"].Digest == "" {
		t.Errorf("SeenIn = %+v, %v", seen, err)
	}
	if other, err := s.SeenIn("docker.io/aztecprotocol/aztec"); err != nil || len(other) != 0 {
		t.Errorf("of another repository: %+v, %v", other, err)
	}
	if _, stats, err := s.Pull(context.Background(), r.ref(":v1"), impatient); err != nil || stats.Moved == nil || stats.Moved.Digest != first["digest"] {
		t.Errorf("the pull does not tell what was seen: %+v, %v", stats.Moved, err)
	}
}
