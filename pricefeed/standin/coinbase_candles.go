package standin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// coinbaseMost is how many candles Coinbase gives at once.
const coinbaseMost = 300

// coinbaseCandles is GET /products/{id}/candles?granularity=60&start=…&end=…: newest first,
// [[time, low, high, open, close, volume],…].
func (v *venue) coinbaseCandles(w http.ResponseWriter, r *http.Request) {
	complain := func(status int, message string) {
		answerJSON(w, status, struct {
			Message string `json:"message"`
		}{message})
	}
	if status := v.admitRequest(address(r), time.Now()); status != 0 {
		complain(status, "Public rate limit exceeded")
		return
	}
	m, shift, ok := v.chart(r.PathValue("id"))
	if !ok {
		complain(http.StatusNotFound, "NotFound")
		return
	}
	seconds, err := strconv.ParseInt(orElse(r.FormValue("granularity"), "60"), 10, 64)
	if err != nil || !slices.Contains([]int64{60, 300, 900, 3600, 21600, 86400}, seconds) {
		complain(http.StatusBadRequest, "Unsupported granularity")
		return
	}
	interval, now := time.Duration(seconds)*time.Second, time.Now()
	end, endErr := coinbaseTime(r.FormValue("end"), now)
	start, startErr := coinbaseTime(r.FormValue("start"), end.Add(-coinbaseMost*interval))
	switch {
	case endErr != nil || startErr != nil:
		complain(http.StatusBadRequest, "Invalid start or end")
		return
	case end.Sub(start) > coinbaseMost*interval:
		complain(http.StatusBadRequest, "granularity too small for the requested time range. Count of aggregations requested exceeds 300")
		return
	}
	rows := [][6]json.Number{}
	for _, c := range m.candles(start, end.Add(1), now, interval, shift) {
		rows = append(rows, [6]json.Number{
			json.Number(strconv.FormatInt(c.start.Unix(), 10)),
			json.Number(m.quote.money(c.Low)),
			json.Number(m.quote.money(c.High)),
			json.Number(m.quote.money(c.Open)),
			json.Number(m.quote.money(c.Close)),
			json.Number(amount(volume(c.past))),
		})
	}
	slices.Reverse(rows)
	answerJSON(w, http.StatusOK, rows[:min(len(rows), coinbaseMost)])
}

// coinbaseTime reads a time of RFC 3339, or unix seconds.
func coinbaseTime(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	return time.Parse(time.RFC3339, text)
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
