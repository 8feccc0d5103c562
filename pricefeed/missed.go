package pricefeed

import (
	"time"

	"tickerd/bus"
)

// noteMissed tells the history, of the waiting symbols of which there is a price again,
// since when there was none.
func (f *Feed) noteMissed(now time.Time) {
	for n, i := range f.waiting {
		m, v := &f.markets[i], &f.verdicts[n]
		switch known := v.state == bus.Live && v.price.Price != ""; {
		case known && !m.lost.IsZero():
			f.miss(i, m.lost, now)
			m.lost = time.Time{}
		case !known && m.lost.IsZero() && !v.heard.IsZero():
			m.lost = v.heard
		case !known && m.lost.IsZero():
			m.lost = now
		}
	}
}

// missAll tells the history that nothing was published from one time to another. Of the
// symbols of which there is no price it is told when there is one.
func (f *Feed) missAll(from, to time.Time) {
	for i := range f.markets {
		if f.markets[i].lost.IsZero() {
			f.miss(i, from, to)
		}
	}
}

// miss tells the history what was missed of a symbol, where this node publishes, and
// somebody can be asked for it.
func (f *Feed) miss(i int, from, to time.Time) {
	if f.lease != nil && f.history != nil && f.HasPast() {
		f.history.Missed(f.symbols[i], from, to)
	}
}
