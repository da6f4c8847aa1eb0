//go:build oracle

package extract_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// TestOracleResumed compares random images, whose pulls the registry ends over and over, beside another that has layers of theirs, with
// what one pull into a new store gives:
//
//	go test -tags oracle -run OracleResumed ./extract -images 1000
func TestOracleResumed(t *testing.T) {
	for i := range *images {
		seed := *firstSeed + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r, s := newRegistry(t), newStore(t)
			g := generator{rand: rand.New(rand.NewPCG(seed, 0)), tree: map[string]byte{".": tar.TypeDir}}
			var layers []layer
			for range 3 + g.rand.IntN(4) {
				layers = append(layers, layer{tar: tarOf(t, g.layer()...)})
			}
			if g.rand.IntN(3) == 0 {
				layers = append(layers, layers[g.rand.IntN(len(layers)-1)])
			}
			r.push(image{tag: "it", layers: layers})
			want, _, err := newStore(t).Pull(context.Background(), r.ref(":it"), amd64)
			if err != nil {
				if errors.Is(err, extract.ErrInvalidImage) {
					return // a layer again may link to what is not there
				}
				t.Fatal(err)
			}
			if g.rand.IntN(2) == 0 {
				r.push(image{tag: "beside", layers: layers[:1+g.rand.IntN(len(layers)-1)]})
				pull(t, s, r.ref(":beside"))
			}
			for range g.rand.IntN(5) {
				refused := sha(gz(layers[g.rand.IntN(len(layers))].tar))
				r.on(func(w http.ResponseWriter, q *http.Request) bool {
					if !strings.HasSuffix(q.URL.Path, refused) {
						return false
					}
					w.WriteHeader(http.StatusForbidden)
					return true
				})
				if _, _, err := s.Pull(context.Background(), r.ref(":it"), impatient); err != nil && !errors.Is(err, extract.ErrUnauthorized) {
					t.Fatal(err)
				}
			}
			r.on(nil)
			im := pull(t, s, r.ref(":it"))
			if diff := cmp.Diff(List(t, want.Rootfs()), List(t, im.Rootfs())); diff != "" {
				t.Errorf("the tree differs (-want +got):\n%s", diff)
			}
			sound(t, s, im.ID)
		})
	}
}
