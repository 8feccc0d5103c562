package bench

import (
	"iter"
	"maps"
	"math"
	"slices"
)

// A ledger is which seqs anyone got as a tick, and what came before each on the
// connection that had been behind it the furthest. Four bytes for a seq; the zero
// value is empty.
type ledger struct {
	pages map[uint64]*page
	page  *page // the one used last
	at    uint64
}

// pageSize is how many seqs stand on a page.
const pageSize = 1024

// A page has for each seq how far before it the connection's message before it was,
// the longest such distance; 0: nobody got it.
type page [pageSize]uint32

// mark enters a tick, and the seq of the tick or snapshot before it on the same
// connection.
func (l *ledger) mark(seq, before uint64) {
	if at := seq / pageSize; l.page == nil || at != l.at {
		l.turn(at)
	}
	entry := &l.page[seq%pageSize]
	*entry = max(*entry, uint32(min(seq-before, math.MaxUint32)))
}

func (l *ledger) turn(at uint64) {
	p := l.pages[at]
	if p == nil {
		if l.pages == nil {
			l.pages = map[uint64]*page{}
		}
		p = new(page)
		l.pages[at] = p
	}
	l.page, l.at = p, at
}

// add enters all that stands in another ledger.
func (l *ledger) add(from *ledger) {
	for at, p := range from.pages {
		l.turn(at)
		for i, distance := range p {
			l.page[i] = max(l.page[i], distance)
		}
	}
}

// all are the seqs that someone got, in order, each with the earliest that anyone
// came to it from.
func (l *ledger) all() iter.Seq2[uint64, uint64] {
	return func(yield func(seq, from uint64) bool) {
		for _, at := range slices.Sorted(maps.Keys(l.pages)) {
			for i, distance := range l.pages[at] {
				seq := at*pageSize + uint64(i)
				if distance > 0 && !yield(seq, seq-uint64(distance)) {
					return
				}
			}
		}
	}
}

// published is how many ticks there were after first up to last. Those that someone
// got, and those that nobody got and nobody passed over: a snapshot stood for them,
// while a number between two messages that followed one another was none of theirs.
func (l *ledger) published(first, last uint64) uint64 {
	var n uint64
	before := first
	for seq, from := range l.all() {
		if seq <= first {
			continue
		}
		if from = min(from, last); from > before {
			n += from - before
		}
		if seq > last {
			return n
		}
		n++
		before = seq
	}
	return n + last - before // a snapshot told of last, unless before is last
}
