package history

import (
	"encoding/binary"
	"slices"

	"tickerd/ticker"
)

// A column is candles of one symbol and interval, encoded one behind the other: a
// block is one, and so is what is to become of it. What was appended stays as it is,
// so that a copy of data may be read while more is appended.
//
// It begins with columnFormat. Of a candle comes first how many intervals it is behind
// the one before, which for the first is the one before the block; then its prices, as
// pen writes them.
type column struct {
	data []byte
	last int64 // the start of the last candle
	pen  pen
}

const (
	columnFormat = 1

	likelyColumn = 6 // bytes of a candle
)

// append appends a candle that is later than those before, and in the same block.
func (c *column) append(i interval, candle ticker.Candle) {
	if c.data == nil {
		c.data = append(c.data, columnFormat)
		c.pen = newPen()
		c.last = i.begin(i.block(candle.Start)) - i.length
	}
	c.data = binary.AppendUvarint(c.data, uint64((candle.Start-c.last)/i.length))
	c.data = c.pen.candle(c.data, candle)
	c.last = candle.Start
}

// add takes in a candle of the block, whatever its time.
func (c *column) add(i interval, candle ticker.Candle) {
	if c.data == nil || candle.Start > c.last {
		c.append(i, candle)
		return
	}
	// What was written by append can be read.
	own, _ := readColumn(c.data, i, i.block(candle.Start))
	*c = newColumn(i, mergeCandles(own, []ticker.Candle{candle}))
}

func newColumn(i interval, candles []ticker.Candle) (c column) {
	for _, candle := range candles {
		c.append(i, candle)
	}
	return c
}

// readColumn returns the candles of a block, as far as they can be read.
func readColumn(data []byte, i interval, block int64) ([]ticker.Candle, error) {
	if len(data) == 0 || data[0] != columnFormat {
		return nil, ErrDamaged
	}
	var (
		r     = newReader(data[1:], likelyColumn)
		start = i.begin(block) - i.length
		end   = i.begin(block + 1)
	)
	for len(r.rest) > 0 {
		steps := r.uvarint()
		if steps == 0 || steps > blockLength || start+int64(steps)*i.length >= end {
			return r.done(), ErrDamaged
		}
		start += int64(steps) * i.length
		if !r.candle(start) {
			return r.done(), ErrDamaged
		}
	}
	return r.done(), nil
}

// mergeCandles joins two lists that are in the order of time. Where both have the same
// candle, later has the later prices.
func mergeCandles(earlier, later []ticker.Candle) []ticker.Candle {
	switch {
	case len(later) == 0:
		return earlier
	case len(earlier) == 0 || earlier[len(earlier)-1].Start < later[0].Start:
		return append(slices.Clip(earlier), later...)
	}
	merged := make([]ticker.Candle, 0, len(earlier)+len(later))
	for len(earlier) > 0 && len(later) > 0 {
		next := earlier[0]
		switch {
		case later[0].Start < next.Start:
			next, later = later[0], later[1:]
		case later[0].Start == next.Start:
			next.Merge(later[0])
			earlier, later = earlier[1:], later[1:]
		default:
			earlier = earlier[1:]
		}
		merged = append(merged, next)
	}
	return append(append(merged, earlier...), later...)
}
