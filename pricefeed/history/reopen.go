package history

import (
	"math"

	"tickerd/ticker"
)

// reopen opens, behind a load, the intervals that the last second is in, and reports
// whether there was a second.
func (b *book) reopen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	last, found := b.shelves[second].last()
	if !found {
		return false
	}
	for i := minute; i < len(intervals); i++ {
		b.shelves[i].open.reset(intervals[i].floor(last))
	}
	return true
}

// last is the start of the last candle of the last row's block.
func (s *shelf) last() (start int64, found bool) {
	t := s.tails[s.block]
	if t == nil {
		return 0, false
	}
	for _, c := range t.columns {
		if c.data != nil && (!found || c.last > start) {
			start, found = c.last, true
		}
	}
	return start, found
}

// within is where those candles are that have closed within the open one of an
// interval.
func (b *book) within(i, slot int) (symbol ticker.Symbol, from, to int64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	from = b.shelves[i].open.start
	to = from + intervals[i].length
	if i > minute {
		to = min(to, b.shelves[i-1].open.start)
	}
	return b.symbols[slot], from, to
}

// reform puts what a candle was made of anew before what came meanwhile.
func (b *book) reform(i, slot int, whole ticker.Candle) {
	b.mu.Lock()
	defer b.mu.Unlock()
	open := b.shelves[i].open
	if whole.Empty() || whole.Start != open.start {
		return
	}
	c := open.at(slot)
	whole.Merge(*c)
	*c = whole
}

// attend takes over where the rows that were loaded end: the last second may have come
// only in part.
func (b *book) attend(c *collector) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := int64(math.MinInt64)
	if last, found := b.shelves[second].last(); found {
		from = last
	}
	b.seconds = c.attend(from)
}

// reset forgets all but the symbols' slots.
func (b *book) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.shelves {
		b.shelves[i] = newShelf()
	}
}
