package history

import (
	"encoding/binary"

	"tickerd/ticker"
)

// A reader reads what a pen has written. All digits of its candles are one text.
type reader struct {
	rest []byte
	pen  pen

	starts []int64
	text   []byte
	ends   []int // in text, of each price
}

const (
	pricesOf  = 4  // a candle
	maxDigits = 64 // of a price: one that is longer is none
)

// newReader has memory for what data is of, when a candle takes so many bytes.
func newReader(data []byte, each int) reader {
	likely := len(data)/each + 1
	return reader{
		rest:   data,
		pen:    newPen(),
		starts: make([]int64, 0, likely),
		text:   make([]byte, 0, 32*likely),
		ends:   make([]int, 0, pricesOf*likely),
	}
}

// uvarint takes a number, 0 where there is none.
func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.rest = nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// bytes takes so many bytes, nil where there are not.
func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// candle takes the four prices of the candle that starts at start.
func (r *reader) candle(start int64) bool {
	for range pricesOf {
		if !r.price() {
			r.ends = r.ends[:len(r.starts)*pricesOf]
			return false
		}
	}
	r.starts = append(r.starts, start)
	return true
}

func (r *reader) price() bool {
	tag, size := binary.Uvarint(r.rest)
	if size <= 0 {
		return false
	}
	r.rest = r.rest[size:]
	if tag&1 == 0 {
		return r.distance(unzigzag(tag >> 1))
	}
	digits := r.bytes(tag >> 1)
	if digits == nil || len(digits) > maxDigits || !isDecimal(digits) {
		return false
	}
	r.text = append(r.text, digits...)
	r.ends = append(r.ends, len(r.text))
	if units, places, ok := ticker.Decimal(digits).Units(); ok {
		r.pen.units, r.pen.places = units, places
	}
	return true
}

// maxUnits is above all that [ticker.Decimal.Units] gives.
const maxUnits = 1_000_000_000_000_000_000

func (r *reader) distance(n int64) bool {
	units := r.pen.units + n // of two numbers that are small enough not to overflow
	if r.pen.places == unwritten || n <= -maxUnits || n >= maxUnits || units < 0 || units >= maxUnits {
		return false
	}
	r.pen.units = units
	r.text = ticker.AppendUnits(r.text, units, r.pen.places)
	r.ends = append(r.ends, len(r.text))
	return true
}

// done is all candles that were taken.
func (r *reader) done() []ticker.Candle {
	text := ticker.Decimal(r.text)
	candles := make([]ticker.Candle, len(r.starts))
	begin := 0
	for i, start := range r.starts {
		c := &candles[i]
		c.Start = start
		for j, price := range [pricesOf]*ticker.Decimal{&c.Open, &c.High, &c.Low, &c.Close} {
			end := r.ends[i*pricesOf+j]
			*price = text[begin:end]
			begin = end
		}
	}
	return candles
}

// isDecimal reports whether digits are a plain JSON number.
func isDecimal(digits []byte) bool {
	if units, places, ok := ticker.Decimal(digits).Units(); ok {
		var buf [maxDigits]byte
		return string(ticker.AppendUnits(buf[:0], units, places)) == string(digits)
	}
	d, err := ticker.ParseDecimal(string(digits))
	return err == nil && string(d) == string(digits)
}
