package probe

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestStandings(t *testing.T) {
	for name, c := range map[string]struct {
		l1     fakeL1
		rollup string
		ask    []string
		want   []Standing
		fails  string
	}{
		"each its own":         {fakeL1{standing: map[string]int{strings.ToLower(mine): 1, somebody: 3}}, aRollup, []string{mine, somebody, aRollup}, []Standing{Validating, Exiting, NotInSet}, ""},
		"slashed":              {fakeL1{standing: map[string]int{strings.ToLower(mine): 2}}, aRollup, []string{mine}, []Standing{Zombie}, ""},
		"a status of tomorrow": {fakeL1{standing: map[string]int{strings.ToLower(mine): 4}}, aRollup, []string{mine}, nil, "the status of an attester is 4"},
		"no rollup is known":   {fakeL1{}, "", []string{mine}, nil, ""},
		"another contract":     {fakeL1{}, somebody, []string{mine}, nil, "something else than a word"},
		"no address":           {fakeL1{}, aRollup, []string{`0x","data":"`}, nil, "is no address"},
		"no attesters":         {fakeL1{}, aRollup, nil, []Standing{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(&c.l1)
			defer s.Close()
			got, err := Standings(t.Context(), Client(), []string{"http://127.0.0.1:1/secret", s.URL + "/v2/key?a=b"}, c.rollup, c.ask)
			if !slices.Equal(got, c.want) || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%v, %v, want %v, %q", got, err, c.want, c.fails)
			}
		})
	}
	if list, err := Standings(t.Context(), Client(), []string{"http://127.0.0.1:1/secret"}, aRollup, []string{mine}); list != nil || err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v, %v", list, err)
	}
}

func TestPublishedCheckpoint(t *testing.T) {
	s := httptest.NewServer(&fakeL1{checkpoint: 12})
	defer s.Close()
	urls := []string{"http://127.0.0.1:1/secret", s.URL}
	if n, err := PublishedCheckpoint(t.Context(), Client(), urls, aRollup); n != 12 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, c := range []struct {
		urls   []string
		rollup string
	}{{urls, ""}, {urls, somebody}, {urls[:1], aRollup}} {
		if n, err := PublishedCheckpoint(t.Context(), Client(), c.urls, c.rollup); n != 0 || err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %d, %v", c, n, err)
		}
	}
}
