package cluster_test

import (
	"slices"
	"testing"
	"time"
)

// generous is within what another node must publish, on a machine that is busy with other
// things. What it took is logged.
const generous = 15 * time.Second

// TestSame has a client on each node, and each sees the same ticks.
func TestSame(t *testing.T) {
	t.Parallel()
	const shared = 100
	f := newFleet(t, 3)
	watchers := f.watchAll(f.token())
	from := uint64(0)
	for _, w := range watchers {
		from = max(from, w.newest())
	}
	for _, w := range watchers {
		w.await("many ticks", func(s sight) bool { return s.seq > from+shared })
	}
	f.publisher()
	f.check(watchers...)
	for seq := from + 1; seq <= from+shared; seq++ {
		for _, w := range watchers {
			if !slices.ContainsFunc(w.seen, func(s sight) bool { return s.seq == seq }) {
				t.Errorf("%s has not seen tick %d", w.name, seq)
			}
		}
	}
}

// TestPublisherKilled kills whichever node publishes, again and again. Another goes on;
// the clients of those that live notice no more than a pause.
func TestPublisherKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	token := f.token()
	var pauses []time.Duration
	for range *takeovers {
		was := f.publisher()
		var watchers []*watcher
		for _, b := range f.others(was) {
			watchers = append(watchers, f.watch("the client on "+b.name, token, b.name))
		}
		killed := time.Now()
		f.kill(was)
		for _, w := range watchers {
			pauses = append(pauses, w.seesAnother(was).at.Sub(killed))
			if n := w.came(); n != 1 {
				t.Errorf("%s has come %d times", w.name, n)
			}
		}
		f.check(watchers...)
		f.launch()
	}
	took(t, "from SIGKILL of the publisher until another's prices are seen", pauses)
	if longest := slices.Max(pauses); longest > generous {
		t.Errorf("it took %v", longest)
	}
}

// TestPublisherEnds ends whichever node publishes as an operator does. It hands over what
// it has. Its last tick and the next one's first go different ways, and may come in the
// wrong order: then a snapshot takes their place.
func TestPublisherEnds(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	token := f.token()
	var pauses []time.Duration
	missed := 0
	for range *takeovers {
		was := f.publisher()
		var watchers []*watcher
		for _, b := range f.others(was) {
			watchers = append(watchers, f.watch("the client on "+b.name, token, b.name))
		}
		f.stop(was)
		for _, w := range watchers {
			w.seesAnother(was)
			if n := w.came(); n != 1 {
				t.Errorf("%s has come %d times", w.name, n)
			}
		}
		f.check(watchers...)
		for _, w := range watchers {
			pauses = append(pauses, w.change())
			missed += w.missed()
		}
		f.launch()
	}
	took(t, "between the last price of a publisher that ends and the next one's first", pauses)
	t.Logf("%d ticks were missed", missed)
	if longest := slices.Max(pauses); longest > generous {
		t.Errorf("it took %v", longest)
	}
}

// change is how much time passed, by the publishers' clock, between the last tick of one
// and the first of the next.
func (w *watcher) change() (pause time.Duration) {
	for i := 1; i < len(w.seen); i++ {
		a, _ := w.fleet.ledger.of(w.seen[i-1].seq)
		b, _ := w.fleet.ledger.of(w.seen[i].seq)
		if a.node != b.node {
			pause = max(pause, time.Duration(w.seen[i].ts-w.seen[i-1].ts)*time.Microsecond)
		}
	}
	return pause
}
