package standin

import (
	"net/http"
	"strconv"
	"time"
)

// binanceMost is how many candles Binance gives at once.
const binanceMost = 1000

var binanceIntervals = map[string]time.Duration{
	"1s": time.Second,
	"1m": time.Minute, "3m": 3 * time.Minute, "5m": 5 * time.Minute, "15m": 15 * time.Minute, "30m": 30 * time.Minute,
	"1h": time.Hour, "2h": 2 * time.Hour, "4h": 4 * time.Hour, "6h": 6 * time.Hour, "8h": 8 * time.Hour, "12h": 12 * time.Hour,
	"1d": 24 * time.Hour,
}

// binanceCandles is GET /api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=…&endTime=…&limit=500:
// oldest first, [[openTime,"open","high","low","close","volume",closeTime,"quoteVolume",trades,"takerBase","takerQuote","0"],…].
func (v *venue) binanceCandles(w http.ResponseWriter, r *http.Request) {
	complain := func(status, code int, message string) {
		answerJSON(w, status, struct {
			Code    int    `json:"code"`
			Message string `json:"msg"`
		}{code, message})
	}
	w.Header().Set("X-Mbx-Used-Weight-1m", "2")
	if status := v.admitRequest(address(r), time.Now()); status != 0 {
		w.Header().Set("Retry-After", "1")
		complain(status, -1003, "Too much request weight used; please use WebSocket Streams for live updates to avoid polling the API.")
		return
	}
	m, shift, ok := v.chart(r.FormValue("symbol"))
	if !ok {
		complain(http.StatusBadRequest, -1121, "Invalid symbol.")
		return
	}
	interval, ok := binanceIntervals[r.FormValue("interval")]
	if !ok {
		complain(http.StatusBadRequest, -1120, "Invalid interval.")
		return
	}
	list, err := binanceRange(r, m, interval, shift)
	if err != nil {
		complain(http.StatusBadRequest, -1100, "Illegal characters found in a parameter.")
		return
	}
	rows := make([][12]any, 0, len(list))
	for _, c := range list {
		money := func(n int64) string { return padded(m.quote.money(n), m.quote.digits) }
		size := volume(c.past)
		turnover := money(size / lot * c.Close)
		rows = append(rows, [12]any{
			c.start.UnixMilli(), money(c.Open), money(c.High), money(c.Low), money(c.Close), amount(size),
			c.start.Add(interval).UnixMilli() - 1, turnover, tradesIn(c.past), amount(size), turnover, "0",
		})
	}
	answerJSON(w, http.StatusOK, rows)
}

// binanceRange are the candles that a request is for: so many from its start, or so many
// up to its end.
func binanceRange(r *http.Request, m *market, interval time.Duration, shift int64) ([]candle, error) {
	limit, err := strconv.ParseInt(orElse(r.FormValue("limit"), "500"), 10, 64)
	if err != nil || limit < 1 {
		return nil, strconv.ErrRange
	}
	span := time.Duration(min(limit, binanceMost)) * interval
	now := time.Now()
	end := now
	if text := r.FormValue("endTime"); text != "" {
		millis, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, err
		}
		end = time.UnixMilli(millis + 1) // which may be the start of the last
	}
	start := ceil(end, interval).Add(-span)
	if text := r.FormValue("startTime"); text != "" {
		millis, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, err
		}
		start = ceil(time.UnixMilli(millis), interval)
		if last := start.Add(span); last.Before(end) {
			end = last
		}
	}
	return m.candles(start, end, now, interval, shift), nil
}
