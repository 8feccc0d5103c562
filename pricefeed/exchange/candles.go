package exchange

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tickerd/pricefeed/wire"
	"tickerd/ticker"
)

// Rows is how an exchange writes candles: as arrays, which begin with the start.
type Rows struct {
	Unit                   time.Duration // of the start, since 1970
	Open, High, Low, Close int           // where in a row each is
}

// Candles reads an array of rows in any order. It returns those that began at from or
// later and have ended, the oldest first.
func (r Rows) Candles(text []byte, interval time.Duration, from time.Time) ([]ticker.Candle, error) {
	var rows [][]json.RawMessage
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCandles, err)
	}
	candles := make([]ticker.Candle, 0, len(rows))
	open := time.Now().Add(-interval).Unix() // began later
	for _, row := range rows {
		c, err := r.candle(row)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCandles, err)
		}
		if from.Unix() <= c.Start && c.Start <= open {
			candles = append(candles, c)
		}
	}
	slices.SortFunc(candles, func(a, b ticker.Candle) int { return cmp.Compare(a.Start, b.Start) })
	return candles, nil
}

func (r Rows) candle(row []json.RawMessage) (c ticker.Candle, err error) {
	if len(row) <= max(r.Open, r.High, r.Low, r.Close) {
		return c, fmt.Errorf("a row of %d", len(row))
	}
	start, err := wire.Uint(row[0])
	if err != nil {
		return c, fmt.Errorf("start %s: %w", row[0], err)
	}
	c.Start = int64(start / uint64(time.Second/r.Unit))
	for _, column := range []struct {
		at    int
		value *ticker.Decimal
	}{{r.Open, &c.Open}, {r.High, &c.High}, {r.Low, &c.Low}, {r.Close, &c.Close}} {
		if *column.value, err = wire.Price(row[column.at]); err != nil {
			return c, err
		}
	}
	return c, nil
}
