package history

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"

	"tickerd/ticker"
)

// recent is what of a symbol is not in the store yet.
type recent struct {
	tails map[int64][]byte // columns, by block
	open  []ticker.Candle  // of the interval, in the order of time
}

// recent copies it, of one moment.
func (h *History) recent(i, slot int) recent {
	for {
		r, parts, seconds := h.book.recent(i, slot)
		parts, ok := h.collector.since(seconds, slot, parts)
		if !ok {
			continue // the book has taken in a second meanwhile
		}
		for _, part := range parts {
			part.Start = intervals[i].floor(part.Start)
			r.open = mergeCandles(r.open, []ticker.Candle{part})
		}
		return r
	}
}

// recent returns the tails, the open candles from the interval's own down to the
// minute's, and behind how many seconds that was.
func (b *book) recent(i, slot int) (r recent, parts []ticker.Candle, seconds uint64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	r.tails = make(map[int64][]byte, len(b.shelves[i].tails))
	for block, t := range b.shelves[i].tails {
		if slot < len(t.columns) && t.columns[slot].data != nil {
			r.tails[block] = t.columns[slot].data
		}
	}
	for ; i >= minute; i-- {
		parts = appendCandle(parts, b.shelves[i].open.get(slot))
	}
	return r, parts, b.seconds
}

// kept is the candles that have closed from one time to another, which is not long.
func (h *History) kept(ctx context.Context, i int, symbol ticker.Symbol, slot int, from, to int64) (all []ticker.Candle, err error) {
	r, _, _ := h.book.recent(i, slot)
	for block := intervals[i].block(from); block <= intervals[i].block(to-1); block++ {
		candles, err := h.readBlock(ctx, i, symbol, r, block)
		if err != nil {
			return nil, err
		}
		all = append(all, between(candles, from, to)...)
	}
	return all, nil
}

// maxCandles is as many as there are.
const maxCandles = int(^uint(0) >> 1)

// newest is at most limit candles that begin before end, where 0 is in the future.
func (h *History) newest(ctx context.Context, i int, symbol ticker.Symbol, end int64, limit int) ([]ticker.Candle, error) {
	slot, known := h.book.find(symbol)
	if !known {
		return nil, ErrSymbol
	}
	now := h.now()
	if future := now.Unix() + 1; end == 0 || end > future {
		end = future
	}
	from := now.Add(-h.cfg.keep(i)).Unix()
	return h.read(ctx, i, symbol, h.recent(i, slot), from, end, limit)
}

// read reads the newest candles that begin from one time to another, the oldest first.
func (h *History) read(ctx context.Context, i int, symbol ticker.Symbol, r recent, from, to int64, limit int) ([]ticker.Candle, error) {
	numbers, err := h.store.numbers(ctx, i, symbol)
	if err != nil {
		return nil, err
	}
	var (
		blocks [][]ticker.Candle
		found  int
	)
	for _, block := range slices.Backward(r.numbers(i, numbers)) {
		if found >= limit || block < intervals[i].block(from) {
			break
		}
		if block > intervals[i].block(to-1) {
			continue
		}
		candles, err := h.readBlock(ctx, i, symbol, r, block)
		if err != nil {
			return nil, err
		}
		candles = between(candles, from, to)
		blocks = append(blocks, candles)
		found += len(candles)
		runtime.Gosched() // a tick may be due
	}
	slices.Reverse(blocks)
	all := slices.Concat(blocks...)
	return all[max(0, len(all)-limit):], nil
}

// numbers are those of all blocks that are kept, and of what is recent, ascending.
func (r recent) numbers(i int, kept []int64) []int64 {
	numbers := slices.AppendSeq(slices.Clone(kept), maps.Keys(r.tails))
	for _, c := range r.open {
		numbers = append(numbers, intervals[i].block(c.Start))
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// readBlock is all that there is of a block.
func (h *History) readBlock(ctx context.Context, i int, symbol ticker.Symbol, r recent, block int64) ([]ticker.Candle, error) {
	candles, err := h.store.block(ctx, i, symbol, block)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return nil, err
	}
	if data := r.tails[block]; data != nil {
		tail, _ := readColumn(data, intervals[i], block) // what was appended can be read
		candles = mergeCandles(candles, tail)
	}
	begin, end := intervals[i].begin(block), intervals[i].begin(block+1)
	return mergeCandles(candles, between(r.open, begin, end)), nil
}

// between is those of the candles, which are in the order of time, that begin from one
// time to another.
func between(candles []ticker.Candle, from, to int64) []ticker.Candle {
	first, _ := slices.BinarySearchFunc(candles, from, compareStart)
	last, _ := slices.BinarySearchFunc(candles, to, compareStart)
	return candles[first:max(first, last)]
}

func compareStart(c ticker.Candle, start int64) int {
	switch {
	case c.Start < start:
		return -1
	case c.Start > start:
		return 1
	}
	return 0
}
