package history

import (
	"encoding/binary"

	"tickerd/ticker"
)

// A pen writes prices: as the distance from the one before, in units of the last
// digit, where that has as many places; otherwise as their digits.
//
//	uvarint  distance, zigzag, times 2
//	uvarint  count of digits, times 2, plus 1; then the digits
type pen struct {
	units  int64 // the price before, where it has units
	places int
}

// unwritten is no number of places: what comes first is written as digits.
const unwritten = -1

func newPen() pen { return pen{places: unwritten} }

// candle appends the four prices.
func (p *pen) candle(dst []byte, c ticker.Candle) []byte {
	dst = p.price(dst, c.Open)
	dst = p.price(dst, c.High)
	dst = p.price(dst, c.Low)
	return p.price(dst, c.Close)
}

func (p *pen) price(dst []byte, d ticker.Decimal) []byte {
	units, places, ok := d.Units()
	if ok && places == p.places {
		distance := units - p.units
		p.units = units
		return binary.AppendUvarint(dst, zigzag(distance)<<1)
	}
	if ok {
		p.units, p.places = units, places
	}
	dst = binary.AppendUvarint(dst, uint64(len(d))<<1|1)
	return append(dst, d...)
}

func zigzag(n int64) uint64 { return uint64(n)<<1 ^ uint64(n>>63) }

func unzigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }
