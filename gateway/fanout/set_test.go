package fanout

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSet holds sets against maps.
func TestSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	random := func() (set, map[int]bool) {
		n := rng.IntN(200) + 1
		s, m := newSet(n), map[int]bool{}
		for range rng.IntN(n) {
			i := rng.IntN(n)
			s.add(i)
			m[i] = true
		}
		return s, m
	}
	for range 2000 {
		a, inA := random()
		b, inB := random()
		wantAll := slices.Sorted(maps.Keys(inA))
		if got := slices.Collect(a.all()); !slices.Equal(got, wantAll) {
			t.Fatalf("all: %v, want %v", got, wantAll)
		}
		for rank, i := range wantAll {
			if a.rank(i) != rank {
				t.Fatalf("rank of %d in %v: %d", i, wantAll, a.rank(i))
			}
		}
		var wantBoth []int
		for i := range 300 {
			if a.has(i) != inA[i] {
				t.Fatalf("%v has %d: %v", wantAll, i, a.has(i))
			}
			if inA[i] && inB[i] {
				wantBoth = append(wantBoth, i)
			}
		}
		if got := slices.Collect(both(a, b)); !slices.Equal(got, wantBoth) || a.shared(b) != len(wantBoth) {
			t.Fatalf("both: %v, %d, want %v", got, a.shared(b), wantBoth)
		}
		if a.isEmpty() != (len(inA) == 0) {
			t.Fatalf("%v is empty: %v", wantAll, a.isEmpty())
		}
		sum := newSet(200)
		sum.addAll(a, b)
		if got := slices.Collect(sum.all()); !slices.Equal(got, wantBoth) {
			t.Fatalf("addAll: %v, want %v", got, wantBoth)
		}
		if got := slices.Collect(a.grown(500).all()); !slices.Equal(got, wantAll) {
			t.Fatalf("grown: %v, want %v", got, wantAll)
		}
	}
}
