package coinbase

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// maxCandles is how many a request may ask for.
const maxCandles = 300

// rows are [time, low, high, open, close, volume], the newest first.
var rows = exchange.Rows{Unit: time.Second, Low: 1, High: 2, Open: 3, Close: 4}

// Candles are those of symbol from a time on that have ended, the oldest first: of the
// first 300 intervals, but for those without a trade.
func (s *Source) Candles(ctx context.Context, symbol ticker.Symbol, interval time.Duration, from time.Time) ([]ticker.Candle, error) {
	if !slices.Contains([]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}, interval) {
		return nil, exchange.ErrInterval
	}
	body, err := s.rest.Get(ctx, "/products/"+string(symbol)+"/candles", url.Values{
		"granularity": {strconv.Itoa(int(interval / time.Second))},
		"start":       {from.UTC().Format(time.RFC3339)},
		"end":         {from.Add((maxCandles - 1) * interval).UTC().Format(time.RFC3339)},
	})
	if err != nil {
		return nil, err
	}
	return rows.Candles(body, interval, from)
}
