package standin

import (
	"encoding/json"
	"net/http"
	"time"

	"tickerd/pricefeed/standin/walk"
)

// A candle is what became of a price within an interval, or of as much of it as is over.
type candle struct {
	start time.Time
	past  time.Duration // of the interval
	walk.Span
}

// candles are those that begin between two times, the end excluded, oldest first.
func (m *market) candles(from, to, now time.Time, interval time.Duration, shift int64) []candle {
	var list []candle
	if to.After(now) {
		to = now
	}
	for start := ceil(from, interval); start.Before(to); start = start.Add(interval) {
		end := start.Add(interval)
		if end.After(now) {
			end = now
		}
		list = append(list, candle{start, end.Sub(start), m.span(start, end, shift)})
	}
	return list
}

// ceil is the first time, not before t, at which a candle begins.
func ceil(t time.Time, interval time.Duration) time.Time {
	start := floor(t, interval)
	if start.Before(t) {
		start = start.Add(interval)
	}
	return start
}

// floor is when the candle began in which t is. An interval is of whole seconds.
func floor(t time.Time, interval time.Duration) time.Time {
	return time.Unix(t.Unix()-t.Unix()%int64(interval/time.Second), 0)
}

// chart is a market for looking back, and by how much its prices are wrong.
func (v *venue) chart(name string) (m *market, shift int64, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	symbol, ok := v.known(name)
	if !ok {
		return nil, 0, false
	}
	return newMarket(v.name, name, symbol, v.config.Seed, time.Now()), v.faults.shift, true
}

// answerJSON writes an answer to a request.
func answerJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // a client that is gone loses it
}
