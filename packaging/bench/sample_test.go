package main

import "testing"

func TestMedian(t *testing.T) {
	tests := []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{9, 1, 2, 4}, 3},
	}
	for _, tt := range tests {
		if got := median(tt.values); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.values, got, tt.want)
		}
	}
}

func TestRatio(t *testing.T) {
	ours := map[int]float64{0: 1, 1: 2, 2: 9, 4: 100}
	tests := []struct {
		name   string
		theirs map[int]float64
		want   float64
		ok     bool
	}{
		// The medians' ratio would be 5.5 by 4.
		{"the median of the rounds' ratios", map[int]float64{0: 4, 1: 4, 2: 9}, 0.5, true},
		{"rounds that only one has", map[int]float64{0: 2, 3: 1}, 0.5, true},
		{"no round in common", map[int]float64{3: 1}, 0, false},
		{"none", nil, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := ratio(ours, tt.theirs); got != tt.want || ok != tt.ok {
				t.Errorf("%v, %v, want %v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}
