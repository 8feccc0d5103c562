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

// add adds a block, and forgets those that are too old.
func (x *index) add(s series, block int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.changes++
	numbers, known := x.numbers[s]
	if !known {
		return
	}
	at, found := slices.BinarySearch(numbers, block)
	if found {
		return
	}
	numbers = slices.Insert(slices.Clone(numbers), at, block)
	in := intervals[s.interval]
	newest := in.begin(numbers[len(numbers)-1] + 1)
	oldest, _ := slices.BinarySearch(numbers, in.block(newest-int64(x.cfg.keep(s.interval).Seconds())))
	x.numbers[s] = numbers[min(oldest, len(numbers)-1):]
}
