package binance

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// maxCandles is how many a request may ask for.
const maxCandles = 1000

// rows are [start, "open", "high", "low", "close", "volume", end, …], the oldest first; the
// last may still be open.
var rows = exchange.Rows{Unit: time.Millisecond, Open: 1, High: 2, Low: 3, Close: 4}

// intervals are the exchange's names.
var intervals = map[time.Duration]string{
	time.Second:      "1s",
	time.Minute:      "1m",
	5 * time.Minute:  "5m",
	15 * time.Minute: "15m",
	time.Hour:        "1h",
	4 * time.Hour:    "4h",
	24 * time.Hour:   "1d",
}

// Candles are the first 1000 of symbol from a time on that have ended, the oldest first.
func (s *Source) Candles(ctx context.Context, symbol ticker.Symbol, interval time.Duration, from time.Time) ([]ticker.Candle, error) {
	name, ok := intervals[interval]
	if !ok {
		return nil, exchange.ErrInterval
	}
	body, err := s.rest.Get(ctx, "/api/v3/klines", url.Values{
		"symbol":    {s.alias.market(symbol)},
		"interval":  {name},
		"startTime": {strconv.FormatInt(from.UnixMilli(), 10)},
		"limit":     {strconv.Itoa(maxCandles)},
	})
	if err != nil {
		return nil, err
	}
	return rows.Candles(body, interval, from)
}
