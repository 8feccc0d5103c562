package history

import (
	"slices"
	"sync"

	"tickerd/ticker"
)

// A series is the candles of one symbol and interval.
type series struct {
	interval int
	symbol   ticker.Symbol
}

// An index knows which blocks there are of the series that were asked for.
type index struct {
	cfg Config

	mu      sync.Mutex
	changes uint64
	numbers map[series][]int64 // ascending; a list is replaced and never changed
}

func newIndex(cfg Config) *index { return &index{cfg: cfg, numbers: map[series][]int64{}} }

// get is a series' blocks, if they are known, and which state of the index that is.
func (x *index) get(s series) (numbers []int64, changes uint64, known bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	numbers, known = x.numbers[s]
	return numbers, x.changes, known
}

// set makes them known, unless the index has changed since.
func (x *index) set(s series, numbers []int64, changes uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if changes == x.changes {
		x.numbers[s] = numbers
	}
}

// add adds a block. A list that has grown so long that it must name many which are too
// old is forgotten, and read anew when it is asked for: what the clock says may be wrong.
func (x *index) add(s series, block int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.changes++
	numbers, known := x.numbers[s]
	if !known {
		return
	}
	at, found := slices.BinarySearch(numbers, block)
	switch {
	case found:
	case len(numbers) == x.most(s.interval):
		delete(x.numbers, s)
	default:
		x.numbers[s] = slices.Insert(slices.Clone(numbers), at, block)
	}
}

// most is how long a list may be. Those that are kept may be as many as two times those
// of the time for which they are: their age begins when they are put, which for what an
// exchange gave is late.
func (x *index) most(i int) int {
	kept := x.cfg.keep(i) / (blockLength * intervals[i].duration())
	return 3 * int(kept+2)
}
