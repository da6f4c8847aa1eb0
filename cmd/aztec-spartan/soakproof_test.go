//go:build soak

package main

import (
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// What the sandbox of an agent denies the program by which it proves. A proof
// of an epoch takes machines that no test has; that program makes the
// verification key of one of its circuits here, which takes the same threads,
// memory and reference string, on points that are nobody's string.
func TestSoakDeniedBB(t *testing.T) {
	const points, circuit = 1<<20 + 1, "rollup_block_root_first_empty_tx"
	set, err := realimage.Build(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	// It wants a newer C library than the image of the tests has.
	onSuites(t, []string{"trixie"}, func(g *guest) {
		g.sh("aztec-spartan config agent1 --role prover-agent --network local --image " + stage.Repository + ":4.1.2 --broker http://127.0.0.1:8083")
		g.sh("aztec-spartan start agent1 && aztec-spartan stop agent1") // makes the directory of the string
		tree := filepath.Join(set.Rootfs, "usr/src/yarn-project")
		for path, from := range map[string]string{"/opt/bb": "bb.js/build/amd64-linux/bb", "/opt/circuit.json": "noir-protocol-circuits-types/artifacts/" + circuit + ".json"} {
			data, err := os.ReadFile(filepath.Join(tree, from))
			if err != nil {
				g.t.Fatal(err)
			}
			if err := g.Write(g.t.Context(), path, data, 0o755); err != nil {
				g.t.Fatal(err)
			}
		}
		if err := g.Write(g.t.Context(), "/var/cache/aztec/crs/bn254_g1.dat", curvePoints(points), 0o640); err != nil {
			g.t.Fatal(err)
		}
		g.sh("head -c 128 /dev/zero >/var/cache/aztec/crs/bn254_g2.dat; chgrp aztec-crs /var/cache/aztec/crs/*")
		g.sh("sed -e '/^RootDirectory/d; /^WorkingDirectory/d; /^ExecStartPost/d; /^Restart/d; /^Type=/d; /^TimeoutStart/d; /^EnvironmentFile/d; /^Environment=/d' " +
			"-e 's|^ExecStart=.*|Type=oneshot\\nExecStart=/opt/bb write_vk --crs_path /var/cache/aztec/crs -t noir-recursive -b /opt/circuit.json -o /var/lib/aztec/agent1/key -v|' " +
			"/etc/systemd/system/aztec-prover-agent@agent1.service >/run/systemd/system/proves.service && systemctl daemon-reload")
		read := traced(g.t, g.Leader())
		g.sh("systemctl start proves && test -s /var/lib/aztec/agent1/key/vk")
		if out := g.sh("journalctl -o cat --no-pager -u proves | grep -e 'num threads' -e 'num points'"); !strings.Contains(out, "num points = 1048576") {
			g.t.Errorf("it says:\n%s", out)
		} else {
			g.t.Log(out)
		}
		g.judgeDenied(read())
	})
}

// curvePoints are points of the curve of the proofs (y² = x³ + 3 modulo p), as
// in bn254_g1.dat: all sums of two of some that have nothing to do with each
// other, so that no two of them are inverse or equal, which no string's are.
func curvePoints(n int) []byte {
	p, _ := new(big.Int).SetString("21888242871839275222246405745257275088696311157297823662689037894645226208583", 10)
	type point struct{ x, y *big.Int }
	var found []point
	root := new(big.Int).Rsh(new(big.Int).Add(p, big.NewInt(1)), 2) // p is 3 modulo 4
	side := 1
	for side*side < n {
		side++
	}
	for x := big.NewInt(5); len(found) < 2*side; x = new(big.Int).Mod(new(big.Int).Mul(new(big.Int).Add(x, big.NewInt(9)), x), p) {
		square := new(big.Int).Exp(x, big.NewInt(3), p)
		square.Mod(square.Add(square, big.NewInt(3)), p)
		y := new(big.Int).Exp(square, root, p)
		if new(big.Int).Exp(y, big.NewInt(2), p).Cmp(square) == 0 {
			found = append(found, point{x, y})
		}
	}
	out := make([]byte, 0, 64*n)
	for _, a := range found[:side] {
		// One inversion for all of a row (Montgomery's trick).
		row := found[side:]
		products := []*big.Int{big.NewInt(1)}
		for _, b := range row {
			products = append(products, new(big.Int).Mod(new(big.Int).Mul(products[len(products)-1], new(big.Int).Sub(b.x, a.x)), p))
		}
		inverse := new(big.Int).ModInverse(products[len(row)], p)
		sums := make([]point, len(row))
		for i, b := range slices.Backward(row) {
			run := new(big.Int).Sub(b.x, a.x)
			slope := new(big.Int).Mul(inverse, products[i])
			inverse = new(big.Int).Mod(new(big.Int).Mul(inverse, run), p)
			slope.Mod(slope.Mul(slope.Mod(slope, p), new(big.Int).Sub(b.y, a.y)), p)
			x := new(big.Int).Mul(slope, slope)
			x.Mod(x.Sub(x.Sub(x, a.x), b.x), p)
			y := new(big.Int).Sub(a.x, x)
			y.Mod(y.Sub(y.Mul(y, slope), a.y), p)
			sums[i] = point{x, y}
		}
		for _, s := range sums {
			if len(out) < 64*n {
				out = append(append(out, s.x.FillBytes(make([]byte, 32))...), s.y.FillBytes(make([]byte, 32))...)
			}
		}
	}
	return out
}
