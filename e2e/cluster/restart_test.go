package cluster_test

import (
	"fmt"
	"testing"
	"time"
)

// TestRollingRestart restarts three nodes under load, one after the other, as one does
// for a new version. Nobody is refused, nobody comes back more than once for each node,
// and nobody misses anything.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	const count = 30
	f := newFleet(t, 3)
	token := f.token()
	var watchers []*watcher
	for i := range count {
		watchers = append(watchers, f.watch(fmt.Sprintf("client %d", i), token, f.berths[i%3].name))
	}
	began := time.Now()
	for _, b := range f.berths {
		f.stop(b)
		f.launch()
		for _, w := range watchers {
			w.moves()
		}
	}
	f.check(watchers...)
	var gaps []time.Duration
	returns, resumed, missed, most := 0, 0, 0, 0
	for _, w := range watchers {
		gaps = append(gaps, w.longest(began))
		missed += w.missed()
		most = max(most, len(w.visits)-1)
		for _, v := range w.visits[1:] {
			returns++
			if v.resumed {
				resumed++
			}
		}
		for _, v := range w.visits[:len(w.visits)-1] {
			if v.code != 1001 {
				t.Errorf("%s is sent away from %s with %d", w.name, v.node, v.code)
			}
		}
		if len(w.refusals) > 0 {
			t.Errorf("%s was refused: %v", w.name, w.refusals)
		}
	}
	t.Logf("three restarts within %v: %d clients came back %d times, %d times resumed, each at most %d times; %d ticks were missed",
		time.Since(began).Round(time.Second), count, returns, resumed, most, missed)
	took(t, "the longest gap that a client saw", gaps)
	if most > len(f.berths) {
		t.Errorf("somebody has come back %d times", most)
	}
}
