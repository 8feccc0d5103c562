package pricefeed

import (
	"sync"
	"time"

	"tickerd/bus"
	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

var _ exchange.Sink = (*board)(nil)

// A board shows the newest price of every symbol and how fresh it is. A source
// writes on it, the feed reads it; neither holds it longer than it takes to copy.
type board struct {
	symbols    []ticker.Symbol // in the configured order, which is that of the entries
	index      map[ticker.Symbol]int
	staleAfter time.Duration // 0: what is here is always live

	mu        sync.Mutex
	connected bool
	since     time.Time // of the connection
	entries   []entry
}

type entry struct {
	price   ticker.Price // without digits: none yet
	heard   time.Time    // when the exchange last sent something of it
	state   string       // bus.Live, bus.Stale or bus.Down, as of the last watch
	refused bool         // by the exchange, until it is heard again
	changed bool         // since it was last taken
}

func newBoard(symbols []ticker.Symbol, staleAfter time.Duration) *board {
	b := &board{
		symbols:    symbols,
		index:      make(map[ticker.Symbol]int, len(symbols)),
		staleAfter: staleAfter,
		entries:    make([]entry, len(symbols)),
	}
	for i, s := range symbols {
		b.index[s] = i
		b.entries[i].state = bus.Down
		if staleAfter == 0 {
			b.entries[i].state = bus.Live
		}
	}
	return b
}

// Link is of exchange.Sink.
func (b *board) Link(up bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connected, b.since = up, time.Now()
}

// Market is of exchange.Sink.
func (b *board) Market(s ticker.Symbol, served bool) {
	i, known := b.index[s]
	if !known {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := &b.entries[i]
	e.heard, e.refused = time.Now(), !served
}

// Price is of exchange.Sink. A price comes after those before it, whatever its
// time: that does not go back.
func (b *board) Price(p ticker.Price) {
	i, known := b.index[p.Symbol]
	if !known {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := &b.entries[i]
	e.heard, e.refused = time.Now(), false
	p.Timestamp = max(p.Timestamp, e.price.Timestamp)
	if p != e.price {
		e.price, e.changed = p, true
	}
}

// A batch is what has changed between two ticks.
type batch struct {
	index  []int // of each price on the board, ascending
	prices []ticker.Price
}

// take moves what has changed into into, but for symbols that are not live:
// their change waits.
func (b *board) take(into *batch) {
	into.index, into.prices = into.index[:0], into.prices[:0]
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.entries {
		if e := &b.entries[i]; e.changed && e.state == bus.Live {
			e.changed = false
			into.index = append(into.index, i)
			into.prices = append(into.prices, e.price)
		}
	}
}

// putBack undoes a take.
func (b *board) putBack(taken *batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range taken.index {
		b.entries[i].changed = true
	}
}
