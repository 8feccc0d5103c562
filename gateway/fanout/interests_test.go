package fanout

import (
	"math/rand/v2"
	"slices"
	"testing"

	"tickerd/ticker"
)

// TestInterests holds the lists against asking every stream, while streams come and
// go and symbols appear.
func TestInterests(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	in := interests{broad: map[*Stream]struct{}{}}
	known := &symbols{index: map[string]int{}}
	var streams []*Stream
	broad := 0
	for step := range 3000 {
		switch {
		case step%10 == 0 && len(known.names) < 300:
			name := []byte{byte('A' + step/10/26%26), byte('A' + step/10%26)}
			known = known.with([]ticker.Element{{Symbol: name}})
			in.grow(len(known.names))
			for _, s := range streams {
				in.add(s, s.learn(known))
			}
		case rng.IntN(5) < 3:
			seed, often := rng.Uint64(), rng.IntN(50)+1
			sees := func(name ticker.Symbol) bool {
				return (seed^uint64(name[0])*31^uint64(name[1])*17)%uint64(often) == 0
			}
			s := newStream(View{Sees: sees}, streamKey{}, known)
			in.add(s, 0)
			streams = append(streams, s)
		case len(streams) > 0:
			i := rng.IntN(len(streams))
			in.remove(streams[i])
			streams = slices.Delete(streams, i, i+1)
		}
		changed := newSet(len(known.names))
		for range rng.IntN(4) {
			if n := len(known.names); n > 0 {
				changed.add(rng.IntN(n))
			}
		}
		got := in.of(changed, uint64(step)+1, nil)
		for _, s := range streams {
			sees := false
			for i := range changed.all() {
				sees = sees || s.sees(known.names[i])
			}
			if n := count(got, s); n > 1 || (n == 1) != sees {
				t.Fatalf("step %d: a stream stands there %d times, sees it: %v", step, n, sees)
			}
			if s.broad {
				broad++
			}
		}
		if slices.ContainsFunc(got, func(s *Stream) bool { return !slices.Contains(streams, s) }) {
			t.Fatalf("step %d: a stream that is gone", step)
		}
	}
	if broad == 0 {
		t.Error("no stream saw many symbols: the test does not reach that")
	}
}

func count(list []*Stream, s *Stream) (n int) {
	for _, other := range list {
		if other == s {
			n++
		}
	}
	return n
}
