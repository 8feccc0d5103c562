package history

import (
	"encoding/binary"

	"tickerd/ticker"
)

// A row is the candles of all symbols in one interval.
type row struct {
	start   int64
	candles []ticker.Candle // by slot; many are empty
	touched []int           // the slots of those that are not, as they came
}

// at is the candle of a slot, which is going to have a price.
func (r *row) at(slot int) *ticker.Candle {
	if slot >= len(r.candles) {
		r.candles = append(r.candles, make([]ticker.Candle, slot+1-len(r.candles))...)
	}
	c := &r.candles[slot]
	if c.Empty() {
		c.Start = r.start
		r.touched = append(r.touched, slot)
	}
	return c
}

// get is the candle of a slot, or an empty one.
func (r *row) get(slot int) ticker.Candle {
	if slot >= len(r.candles) {
		return ticker.Candle{}
	}
	return r.candles[slot]
}

// reset empties the row, for the interval from start on.
func (r *row) reset(start int64) {
	for _, slot := range r.touched {
		r.candles[slot] = ticker.Candle{}
	}
	r.start, r.touched = start, r.touched[:0]
}

const (
	rowFormat = 1

	likelyRow = 24 // bytes of a candle

	// maxRow is how long a message becomes that has a row, but for its last candle, far
	// below the 1 MiB of a message of NATS. What does not fit is a row of its own.
	maxRow = 256 << 10
)

// encode encodes a row: rowFormat, the start, and of each candle the length of the
// symbol, the symbol, and the prices, as a pen writes them.
func (r *row) encode(symbols []ticker.Symbol) (messages [][]byte) {
	var msg []byte
	for _, slot := range r.touched {
		if msg == nil {
			msg = binary.AppendVarint([]byte{rowFormat}, r.start)
		}
		symbol := symbols[slot]
		msg = binary.AppendUvarint(msg, uint64(len(symbol)))
		msg = append(msg, symbol...)
		p := newPen()
		msg = p.candle(msg, r.candles[slot])
		if len(msg) >= maxRow {
			messages, msg = append(messages, msg), nil
		}
	}
	if msg != nil {
		messages = append(messages, msg)
	}
	return messages
}

// readRow returns what encode has written of an interval, as far as it can be read.
func readRow(data []byte, i interval) (symbols []ticker.Symbol, candles []ticker.Candle, err error) {
	if len(data) == 0 || data[0] != rowFormat {
		return nil, nil, ErrDamaged
	}
	start, size := binary.Varint(data[1:])
	if size <= 0 || start != i.floor(start) {
		return nil, nil, ErrDamaged
	}
	r := newReader(data[1+size:], likelyRow)
	for len(r.rest) > 0 {
		name := string(r.bytes(r.uvarint()))
		r.pen = newPen()
		symbol, err := ticker.ParseSymbol(name)
		if err != nil || string(symbol) != name || !r.candle(start) {
			return symbols, r.done(), ErrDamaged
		}
		symbols = append(symbols, symbol)
	}
	return symbols, r.done(), nil
}
