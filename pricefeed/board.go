package pricefeed

import (
	"slices"
	"sync"
	"time"

	"tickerd/bus"
	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

var _ exchange.Sink = (*board)(nil)

// A board shows what one source says of every symbol: the newest price, and how
// fresh it is. The source writes on it, the feed reads it; neither holds it longer
// than it takes to copy.
type board struct {
	staleAfter time.Duration // 0: what is here is always live

	mu        sync.Mutex
	index     map[ticker.Symbol]int
	entries   []entry // in the configured order of the symbols
	changed   []int   // of these, since the last gather
	connected bool
	since     time.Time // of the connection
	heard     time.Time // when the source last said anything
	restless  bool      // a state may have changed
	due       time.Time // when one will, if nothing is heard until then
}

type entry struct {
	said
	refused bool // by the source, until it is heard again
	changed bool // is among the changed
}

// What is said of a symbol.
type said struct {
	price ticker.Price // without digits: none yet
	state string       // bus.Live, bus.Stale or bus.Down, as of the last watch
	heard time.Time    // when the source last said something of it
}

func newBoard(symbols []ticker.Symbol, staleAfter time.Duration) *board {
	b := &board{staleAfter: staleAfter}
	b.list(symbols)
	return b
}

// list makes symbols those of the board; what is known of them stays.
func (b *board) list(symbols []ticker.Symbol) {
	b.mu.Lock()
	defer b.mu.Unlock()
	index, entries := make(map[ticker.Symbol]int, len(symbols)), make([]entry, len(symbols))
	b.changed, b.restless = nil, true
	for i, s := range symbols {
		index[s] = i
		e := &entries[i]
		if old, known := b.index[s]; known {
			*e = b.entries[old]
		} else if e.state = bus.Down; b.staleAfter == 0 {
			e.state = bus.Live
		}
		e.changed = true
		b.changed = append(b.changed, i)
	}
	b.index, b.entries = index, entries
}

// Link is of exchange.Sink.
func (b *board) Link(up bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connected, b.since, b.restless = up, time.Now(), true
}

// Heard is of exchange.Sink.
func (b *board) Heard() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = time.Now()
}

// Market is of exchange.Sink.
func (b *board) Market(s ticker.Symbol, served bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i, known := b.index[s]; known {
		b.hear(&b.entries[i], served)
	}
}

// Price is of exchange.Sink. A price comes after those before it, whatever its
// time: that does not go back.
func (b *board) Price(p ticker.Price) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, known := b.index[p.Symbol]
	if !known {
		return
	}
	e := &b.entries[i]
	b.hear(e, true)
	p.Timestamp = max(p.Timestamp, e.price.Timestamp)
	if p != e.price {
		e.price = p
		b.change(i)
	}
}

// hear notes that something was said of a symbol.
func (b *board) hear(e *entry, served bool) {
	if served != (e.state == bus.Live) {
		b.restless = true
	}
	e.heard, e.refused = time.Now(), !served
}

func (b *board) change(i int) {
	if e := &b.entries[i]; !e.changed {
		e.changed = true
		b.changed = append(b.changed, i)
	}
}

// gather appends the symbols of which something else is said than at the last
// gather, in no order.
func (b *board) gather(into []int) []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range b.changed {
		b.entries[i].changed = false
	}
	into = append(into, b.changed...)
	b.changed = b.changed[:0]
	return into
}

// look is what is said of the symbols that which lists.
func (b *board) look(which []int, into []said) []said {
	into = slices.Grow(into[:0], len(which))
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range which {
		into = append(into, b.entries[i].said)
	}
	return into
}

// silence is how long the source has said nothing.
func (b *board) silence(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.heard.IsZero() {
		return 0
	}
	return max(now.Sub(b.heard), 0)
}
