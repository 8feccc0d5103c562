package ticker

import "strconv"

// A Candle is what became of a price within an interval: [1700000000,42000.12,42010,41990.5,42001],
// which is its start, and the open, high, low and close.
type Candle struct {
	Start                  int64   // unix seconds
	Open, High, Low, Close Decimal // all or none: without them it is empty
}

// Empty reports whether there was no price in the interval.
func (c Candle) Empty() bool { return c.Open == "" }

// AppendJSON appends c, which is not empty, as an array.
func (c Candle) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, '['), c.Start, 10)
	for _, p := range [...]Decimal{c.Open, c.High, c.Low, c.Close} {
		dst = append(append(dst, ','), p...)
	}
	return append(dst, ']')
}

// Add takes in a further price.
func (c *Candle) Add(p Decimal) {
	switch {
	case c.Empty():
		c.Open, c.High, c.Low = p, p, p
	case p.Compare(c.High) > 0:
		c.High = p
	case p.Compare(c.Low) < 0:
		c.Low = p
	}
	c.Close = p
}

// Merge takes in a candle of the same interval, or of a part of it, whose prices came
// later. To take in the same one again changes nothing.
func (c *Candle) Merge(later Candle) {
	switch {
	case later.Empty():
		return
	case c.Empty():
		start := c.Start
		*c = later
		c.Start = start
		return
	}
	if later.High.Compare(c.High) > 0 {
		c.High = later.High
	}
	if later.Low.Compare(c.Low) < 0 {
		c.Low = later.Low
	}
	c.Close = later.Close
}
