package history

import (
	"maps"
	"slices"
	"sync"

	"tickerd/ticker"
)

// A book has, of all symbols and intervals, the open candles, and those that are not
// in blocks yet. The closer writes on it; no one holds it longer than it takes to
// take in a row.
type book struct {
	mu      sync.RWMutex
	symbols []ticker.Symbol // by slot; slots are never given up
	slots   map[ticker.Symbol]int
	seconds uint64 // how many were taken in
	shelves [len(intervals)]shelf
	spare   []*row
}

// A shelf is of one interval.
type shelf struct {
	open  *row            // what has closed of the interval before; nothing of seconds
	tails map[int64]*tail // by block
	block int64           // where the last row was put: the others are complete
	trim  bool            // a tail has gone, and its rows may go
}

// A tail is what is going to be a block of each symbol.
type tail struct {
	columns []column // by slot; without data: nothing
	first   uint64   // number of the first row that is in it; 0: that is not in the stream yet
}

func newBook() *book {
	b := &book{slots: map[ticker.Symbol]int{}}
	b.reset()
	return b
}

func newShelf() shelf { return shelf{open: new(row), tails: map[int64]*tail{}} }

// slot is the place of a symbol, which it gets now if it had none.
func (b *book) slot(s ticker.Symbol) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slot, known := b.slots[s]; known {
		return slot
	}
	b.slots[s] = len(b.symbols)
	b.symbols = append(b.symbols, s)
	return len(b.symbols) - 1
}

// find is the place of a symbol, if it has one.
func (b *book) find(s ticker.Symbol) (slot int, known bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	slot, known = b.slots[s]
	return slot, known
}

// names are the symbols by slot.
func (b *book) names() []ticker.Symbol {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Clip(b.symbols)
}

// opened is the start of the open candles of an interval.
func (b *book) opened(i int) int64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.shelves[i].open.start
}

// A closed row is of an interval.
type closed struct {
	interval int
	row      *row
}

// take takes in a second that is over, while another is open, and appends the rows
// that have closed with it: the second itself is the first of them. What was appended
// is to be given back with reuse, but for the second.
func (b *book) take(r *row, open int64, dst []closed) []closed {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seconds++
	return b.expire(open, b.close(second, r, dst))
}

// pass closes what is over when a second begins, though nothing came.
func (b *book) pass(open int64, dst []closed) []closed {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.expire(open, dst)
}

// expire closes the rows that are over when a second begins. The caller holds mu.
func (b *book) expire(open int64, dst []closed) []closed {
	for i := minute; i < len(intervals); i++ {
		s := &b.shelves[i]
		if s.open.start+intervals[i].length <= open {
			dst = b.turn(i, intervals[i].floor(open), dst)
		}
	}
	return dst
}

// close puts a row that is over on its shelf, and into the open one of the next interval.
func (b *book) close(i int, r *row, dst []closed) []closed {
	b.put(i, r)
	dst = append(dst, closed{i, r})
	if i == day {
		return dst
	}
	start := intervals[i+1].floor(r.start)
	if b.shelves[i+1].open.start != start {
		dst = b.turn(i+1, start, dst)
	}
	for _, slot := range r.touched {
		b.shelves[i+1].open.at(slot).Merge(r.candles[slot])
	}
	return dst
}

// turn closes the open row of an interval, and opens the one from start on.
func (b *book) turn(i int, start int64, dst []closed) []closed {
	s := &b.shelves[i]
	if len(s.open.touched) > 0 {
		over := s.open
		s.open = new(row)
		if n := len(b.spare); n > 0 {
			s.open, b.spare = b.spare[n-1], b.spare[:n-1]
		}
		dst = b.close(i, over, dst)
	}
	s.open.reset(start)
	return dst
}

// put appends the candles of a row to their columns.
func (b *book) put(i int, r *row) {
	s := &b.shelves[i]
	s.block = intervals[i].block(r.start)
	t := s.tail(s.block)
	for _, slot := range r.touched {
		t.column(slot).add(intervals[i], r.candles[slot])
	}
}

// reuse takes back rows that have closed.
func (b *book) reuse(rows []closed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range rows {
		if c.interval != second {
			b.spare = append(b.spare, c.row)
		}
	}
}

// maxTails bounds what is in memory when the store does not answer for hours.
const maxTails = 16

// tail is the tail of a block, which is made if there is none.
func (s *shelf) tail(block int64) *tail {
	t := s.tails[block]
	if t == nil {
		if len(s.tails) == maxTails {
			delete(s.tails, slices.Min(slices.Collect(maps.Keys(s.tails))))
		}
		t = new(tail)
		s.tails[block] = t
	}
	return t
}

// column is the column of a slot.
func (t *tail) column(slot int) *column {
	if slot >= len(t.columns) {
		t.columns = append(t.columns, make([]column, slot+1-len(t.columns))...)
	}
	return &t.columns[slot]
}
