package fanout

import (
	"math/rand/v2"
	"testing"
)

// TestQueue holds a queue against a slice, and that it does not keep the memory of
// busier times.
func TestQueue(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var q queue[*int]
	var want []*int
	next := 0
	for step := range 20_000 {
		most := 3 // and now and then many
		if step%5000 < 1000 {
			most = 200
		}
		if len(want) < most && rng.IntN(3) > 0 {
			v := next
			next++
			q.push(&v)
			want = append(want, &v)
		} else {
			n := min(rng.IntN(3), len(want))
			q.drop(n)
			want = want[n:]
		}
		if q.len() != len(want) {
			t.Fatalf("step %d: %d, want %d", step, q.len(), len(want))
		}
		for i, v := range want {
			if *q.at(i) != v {
				t.Fatalf("step %d: at %d stands %d, want %d", step, i, **q.at(i), *v)
			}
		}
		if len(want) > 0 {
			i := rng.IntN(len(want))
			if got := q.search(func(v **int) bool { return **v >= *want[i] }); got != i {
				t.Fatalf("step %d: found at %d, want %d", step, got, i)
			}
		}
		if held := held(q); held != len(want) {
			t.Fatalf("step %d: %d are held, of %d", step, held, len(want))
		}
	}
	if len(q.ring) > 32 {
		t.Errorf("room for %d is kept for %d", len(q.ring), q.len())
	}
}

// held is how many values the queue keeps from the garbage collector.
func held(q queue[*int]) (n int) {
	for _, v := range q.ring {
		if v != nil {
			n++
		}
	}
	return n
}
