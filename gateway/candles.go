package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tickerd/bus"
	"tickerd/ticker"
)

const (
	maxCandles     = 1500 // in one answer
	defaultCandles = 500

	// maxEnd is far ahead: beyond it milliseconds were taken for seconds.
	maxEnd = 100_000_000_000
)

// candleIntervals are those that there are.
var candleIntervals = []string{"1s", "1m", "1h", "1d"}

// getCandles answers with the candles of one symbol.
func (g *Gateway) getCandles(w http.ResponseWriter, r *http.Request) {
	who, ok := g.visitorOf(w, r, routeCandles)
	if !ok {
		return
	}
	ask, err := parseCandles(r.URL.Query())
	if err != nil {
		g.answerRefusal(w, badRequest(err))
		return
	}
	if !who.scope.Sees(ticker.Symbol(ask.Symbol)) {
		g.answerRefusal(w, refusePolicy)
		return
	}
	var page []byte
	if err := g.askHistory(r, bus.PriceCandles, ask, &page); err != nil {
		g.failHistory(w, r, err, "")
		return
	}
	if !bytes.HasPrefix(page, []byte(`{"symbol"`)) { // else it is what the client gets
		var result bus.CandlesResult
		if err := json.Unmarshal(page, &result); err != nil || result.Data == nil {
			g.failHistory(w, r, err, result.Error)
			return
		}
		page = fmt.Appendf(nil, `{"symbol":%q,"interval":%q,"data":%s}`, ask.Symbol, ask.Interval, result.Data)
	}
	write(w, http.StatusOK, page)
}

// parseCandles reads what is asked for. An error names the value that is bad.
func parseCandles(query url.Values) (bus.CandlesRequest, error) {
	symbol, err := ticker.ParseSymbol(query.Get("symbol"))
	if err != nil {
		return bus.CandlesRequest{}, fmt.Errorf("symbol: %w", err)
	}
	interval := query.Get("interval")
	if !slices.Contains(candleIntervals, interval) {
		return bus.CandlesRequest{}, fmt.Errorf("interval: %.40q is none of %s", interval, strings.Join(candleIntervals, ", "))
	}
	limit, err := parseBetween(query, "limit", defaultCandles, maxCandles)
	if err != nil {
		return bus.CandlesRequest{}, err
	}
	end, err := parseBetween(query, "end", 0, maxEnd)
	if err != nil {
		return bus.CandlesRequest{}, err
	}
	return bus.CandlesRequest{Symbol: string(symbol), Interval: interval, Limit: int(limit), End: end}, nil
}

// parseBetween reads a number from 1 to most; left out or empty it is otherwise.
func parseBetween(query url.Values, name string, otherwise, most int64) (int64, error) {
	s := query.Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s: %.40q is not a number from 1 to %d", name, s, most)
	}
	return n, nil
}
