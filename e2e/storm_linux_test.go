package e2e_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"tickerd/e2e/nodetest"
)

// TestStorm has 10,000 clients lose their connections at once, and come back at
// once. Each is served, and whoever has stayed misses nothing meanwhile.
func TestStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 connections at a time")
	}
	nodetest.AsUsed(t)
	const count, observers = 10_000, 3
	n := nodetest.Start(t)
	c := newCrowd(t, n, count, "?interval=1s") // what flows to them is not what is tested
	files := n.Files(t)
	watching, end := context.WithCancel(t.Context())
	defer end()
	list := make([]observer, observers)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer end()
	for i := range list {
		o := &list[i]
		o.Client = n.Dial(t, n.Token(t, n.Key), "")
		_, o.last = o.Greeting()
		o.at = time.Now()
		reading.Go(func() { o.err = o.Read(watching, o.take) })
	}

	visitors := c.gather(t, count)
	if err := disperse(visitors); err != nil {
		t.Fatal(err)
	}
	visitors = c.gather(t, count)
	back := time.Now()
	for i, v := range visitors {
		if err := v.until(`"type":"ticker"`); err != nil {
			t.Fatalf("client %d has come back and gets no prices: %v", i, err)
		}
	}
	nodetest.Eventually(t, "nobody but those who have come back", func() bool {
		return n.Metric(t, "tickerd_gateway_connections") == observers+count &&
			n.Metric(t, "tickerd_gateway_connections_closed_total") == count && n.Files(t) >= files+count
	})
	if refused := n.Metric(t, "tickerd_gateway_refused_total"); refused > 0 {
		t.Errorf("%v requests are refused", refused)
	}

	nodetest.Eventually(t, "a tick after the storm", func() bool {
		for i := range list {
			if !list[i].had(back) {
				return false
			}
		}
		return true
	})
	end()
	reading.Wait()
	for i := range list {
		list[i].check(t)
	}
}

// keeps is how long the server keeps a tick for those who have not had it yet.
const keeps = time.Second

// An observer is a client that was there before, and sees to it that it misses
// nothing.
type observer struct {
	*nodetest.Client
	err error // of reading, at its end

	mu     sync.Mutex
	last   nodetest.Message
	at     time.Time // when it came
	ticks  int
	gap    time.Duration // the longest between two
	leaps  int           // snapshots that stood for ticks which were kept no longer
	faults []string      // what else came instead of the next tick
}

// take reads one tick, or a snapshot in its place. That is for a machine too busy to
// carry the storm and anything beside it: what the observer had last is then older
// than a tick gets, whoever was late.
func (o *observer) take(m nodetest.Message, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !m.Snapshot && m.Seq == o.last.Seq+1:
		o.ticks++
	case m.Snapshot && m.Seq > o.last.Seq && at.Sub(time.UnixMicro(o.last.TS)) > keeps:
		o.leaps++
	default:
		o.faults = append(o.faults, m.Raw)
	}
	o.gap = max(o.gap, at.Sub(o.at))
	o.last, o.at = m, at
}

// had reports whether it has had a tick that was published after some time.
func (o *observer) had(after time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last.TS > after.UnixMicro()
}

// check tells what it has seen, at its end. The figures are for the reader: the
// limit is what a machine that is merely busy does not come near.
func (o *observer) check(t *testing.T) {
	t.Helper()
	const limit = 5 * time.Second
	t.Logf("an observer has had %d ticks, the longest gap was %v, and %d snapshots in the place of ticks", o.ticks, o.gap, o.leaps)
	if o.err != nil {
		t.Errorf("an observer: %v", o.err)
	}
	if len(o.faults) > 0 {
		t.Errorf("%d times an observer has missed a tick; first there came %s", len(o.faults), o.faults[0])
	}
	if o.gap > limit {
		t.Errorf("an observer has waited %v for a tick", o.gap)
	}
}
