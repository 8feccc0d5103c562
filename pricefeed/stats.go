package pricefeed

import (
	"sync/atomic"

	"tickerd/pricefeed/exchange"
)

// Stats counts since the start.
type Stats struct {
	Ticks    uint64 // messages published
	Prices   uint64 // in them
	Late     uint64 // ticks that began more than an interval late
	Failures uint64 // ticks that could not be published, and were tried again

	exchange.Stats // zero with the simulator
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
	if f.source != nil {
		s.Stats = f.source.Stats()
	}
	return s
}
