package pricefeed

import (
	"sync/atomic"
	"time"

	"tickerd/bus"
	"tickerd/pricefeed/exchange"
)

// Stats counts since the start.
type Stats struct {
	Ticks    uint64 // messages published
	Prices   uint64 // in them
	Late     uint64 // ticks that began more than an interval late
	Failures uint64 // ticks that could not be published, and were tried again

	Sources []SourceStats // the exchanges
}

// SourceStats are of one exchange.
type SourceStats struct {
	Name     string
	States   map[string]int // how many symbols are live, stale, down
	Silence  time.Duration  // since it last said anything; 0: it never has
	Outliers uint64         // times that a price began to be left out
	exchange.Stats
}

type counters struct {
	ticks, prices, late, failures atomic.Uint64
}

// Stats may be called at any time.
func (f *Feed) Stats() Stats {
	s := Stats{
		Ticks:    f.counters.ticks.Load(),
		Prices:   f.counters.prices.Load(),
		Late:     f.counters.late.Load(),
		Failures: f.counters.failures.Load(),
	}
	now := time.Now()
	for _, o := range f.origins {
		if o.source != nil {
			s.Sources = append(s.Sources, o.stats(now))
		}
	}
	return s
}

func (o *origin) stats(now time.Time) SourceStats {
	return SourceStats{
		Name:     o.name,
		States:   o.board.states(),
		Silence:  o.board.silence(now),
		Outliers: o.outliers.Load(),
		Stats:    o.source.Stats(),
	}
}

// states counts the symbols by their states.
func (b *board) states() map[string]int {
	count := map[string]int{bus.Live: 0, bus.Stale: 0, bus.Down: 0}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.entries {
		count[b.entries[i].state]++
	}
	return count
}
