package standin

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// krakenMost is how many candles Kraken gives at once, always the newest.
const krakenMost = 720

// krakenCandles is GET /0/public/OHLC?pair=XBTUSD&interval=1&since=…: oldest first, the one
// that is not over last, {"error":[],"result":{"XXBTZUSD":[[time,"open","high","low","close","vwap","volume",count],…],"last":…}}.
func (v *venue) krakenCandles(w http.ResponseWriter, r *http.Request) {
	type answer struct {
		Error  []string       `json:"error"`
		Result map[string]any `json:"result,omitempty"`
	}
	complain := func(status int, message string) { answerJSON(w, status, answer{Error: []string{message}}) }
	if status := v.admitRequest(address(r), time.Now()); status != 0 {
		complain(status, "EGeneral:Too many requests")
		return
	}
	name, key, ok := krakenPair(r.FormValue("pair"))
	if !ok {
		complain(http.StatusOK, "EQuery:Unknown asset pair")
		return
	}
	m, shift, ok := v.chart(name)
	if !ok {
		complain(http.StatusOK, "EQuery:Unknown asset pair")
		return
	}
	minutes, err := strconv.ParseInt(orElse(r.FormValue("interval"), "1"), 10, 64)
	if err != nil || !slices.Contains([]int64{1, 5, 15, 30, 60, 240, 1440, 10080, 21600}, minutes) {
		complain(http.StatusOK, "EGeneral:Invalid arguments:interval")
		return
	}
	since, err := strconv.ParseInt(orElse(r.FormValue("since"), "0"), 10, 64)
	if err != nil {
		complain(http.StatusOK, "EGeneral:Invalid arguments:since")
		return
	}
	interval, now := time.Duration(minutes)*time.Minute, time.Now()
	from := floor(now, interval).Add(-(krakenMost - 1) * interval)
	if at := time.Unix(since, 0); !at.Before(from) {
		from = at.Add(1) // what has begun then is known
	}
	rows := [][8]any{}
	for _, c := range m.candles(from, now, now, interval, shift) {
		q := m.quote
		rows = append(rows, [8]any{
			c.start.Unix(), q.money(c.Open), q.money(c.High), q.money(c.Low), q.money(c.Close),
			q.money((c.High + c.Low + c.Close) / 3), amount(volume(c.past)), tradesIn(c.past),
		})
	}
	last := floor(now, interval).Add(-interval).Unix()
	answerJSON(w, http.StatusOK, answer{Error: []string{}, Result: map[string]any{key: rows, "last": last}})
}

// krakenPair finds what a pair is called in the feed, and in an answer: "XBTUSD", "BTCUSD",
// "BTC/USD" and "XXBTZUSD" are "BTC/USD" and "XXBTZUSD".
func krakenPair(pair string) (name, key string, ok bool) {
	text := strings.ReplaceAll(pair, "/", "")
	if len(text) == 8 && text[0] == 'X' && (text[4] == 'X' || text[4] == 'Z') {
		text = text[1:4] + text[5:]
	}
	for today, old := range krakenOld {
		if rest, found := strings.CutPrefix(text, old); found {
			text = today + rest
		}
		if rest, found := strings.CutSuffix(text, old); found {
			text = rest + today
		}
	}
	symbol, ok := parted(text)
	if !ok {
		return "", "", false
	}
	return symbol.Base() + "/" + symbol.Quote(), krakenKey(symbol.Base(), symbol.Quote()), true
}

// krakenOld are what the REST interface calls what the feed calls otherwise.
var krakenOld = map[string]string{"BTC": "XBT", "DOGE": "XDG"}

// krakenKey is the name under which a pair is answered: where both are old, each has a
// letter for its kind before it.
func krakenKey(base, quote string) string {
	base, quote = cmp.Or(krakenOld[base], base), cmp.Or(krakenOld[quote], quote)
	coins := []string{"XBT", "ETH", "LTC", "XRP", "XLM", "ETC", "ZEC", "XMR"}
	switch {
	case !slices.Contains(coins, base):
		return base + quote
	case slices.Contains(coins, quote):
		return "X" + base + "X" + quote
	case slices.Contains([]string{"USD", "EUR", "GBP", "JPY"}, quote):
		return "X" + base + "Z" + quote
	}
	return base + quote
}
