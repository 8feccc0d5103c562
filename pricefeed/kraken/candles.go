package kraken

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// rows are [time, "open", "high", "low", "close", "vwap", "volume", count], the oldest
// first; the last is still open.
var rows = exchange.Rows{Unit: time.Second, Open: 1, High: 2, Low: 3, Close: 4}

// oldNames are what the REST interface calls what the WebSocket's calls otherwise.
var oldNames = map[string]string{"BTC": "XBT", "DOGE": "XDG"}

// Candles are those of symbol from a time on that have ended, the oldest first. The
// exchange knows the last 720 of each interval only, but for those without a trade.
func (s *Source) Candles(ctx context.Context, symbol ticker.Symbol, interval time.Duration, from time.Time) ([]ticker.Candle, error) {
	minutes := int(interval / time.Minute)
	if interval%time.Minute != 0 || !slices.Contains([]int{1, 5, 15, 30, 60, 240, 1440}, minutes) {
		return nil, exchange.ErrInterval
	}
	body, err := s.rest.Get(ctx, "/0/public/OHLC", url.Values{
		"pair":     {oldName(symbol.Base()) + oldName(symbol.Quote())},
		"interval": {strconv.Itoa(minutes)},
		"since":    {strconv.FormatInt(from.Unix()-1, 10)}, // exclusive
	})
	if err != nil {
		return nil, err
	}
	list, err := findRows(body)
	if err != nil {
		return nil, err
	}
	return rows.Candles(list, interval, from)
}

func oldName(asset string) string {
	if old, ok := oldNames[asset]; ok {
		return old
	}
	return asset
}

// findRows finds the rows in {"error":[],"result":{"XXBTZUSD":[…],"last":1790000000}}:
// under which name is the exchange's affair. A refusal comes with the status 200.
func findRows(body []byte) (json.RawMessage, error) {
	var answer struct {
		Errors []string                   `json:"error"`
		Result map[string]json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("%w: %w", exchange.ErrCandles, err)
	}
	if len(answer.Errors) > 0 {
		return nil, fmt.Errorf("the exchange refuses: %.200q", answer.Errors)
	}
	for name, value := range answer.Result {
		if name != "last" {
			return value, nil
		}
	}
	return nil, fmt.Errorf("%w: none in the answer", exchange.ErrCandles)
}
