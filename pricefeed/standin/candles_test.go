package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCoinbaseCandles(t *testing.T) {
	s := run(t, brisk())
	var rows [][]json.Number
	if status := s.get("/coinbase/products/BTC-USD/candles?granularity=60", &rows); status != http.StatusOK || len(rows) < 299 || len(rows) > 300 {
		t.Fatalf("status %d, %d rows", status, len(rows))
	}
	for i, row := range rows {
		low, high, open, end := row[1], row[2], row[3], row[4]
		if len(row) != 6 || low > min(open, end) || high < max(open, end) {
			t.Fatalf("row %v", row)
		}
		// Newest first: what one opens with, the next closed with.
		if i > 0 && (number(t, rows[i-1][0])-number(t, row[0]) != 60 || rows[i-1][3] != end) {
			t.Fatalf("after %v comes %v", rows[i-1], row)
		}
	}
	if age := time.Now().Unix() - int64(number(t, rows[0][0])); age > 120 {
		t.Errorf("the newest is %d s old", age)
	}
	start := "2026-01-02T03:04:00Z"
	if s.get("/coinbase/products/BTC-USD/candles?granularity=300&start="+start+"&end=2026-01-02T04:04:00Z", &rows); len(rows) != 12 {
		t.Errorf("in an hour there are %d rows", len(rows))
	}
	var complaint struct{ Message string }
	for query, status := range map[string]int{
		"BTC-USD/candles?granularity=61":                                                     400,
		"BTC-USD/candles?granularity=60&start=yesterday":                                     400,
		"BTC-USD/candles?granularity=60&start=2026-01-02T00:00:00Z&end=2026-02-01T00:00:00Z": 400,
		"btc-usd/candles": 404,
	} {
		if got := s.get("/coinbase/products/"+query, &complaint); got != status || complaint.Message == "" {
			t.Errorf("%s: %d %v", query, got, complaint)
		}
	}
}

func TestKrakenCandles(t *testing.T) {
	s := run(t, brisk())
	for pair, key := range map[string]string{
		"XBTUSD": "XXBTZUSD", "BTC/USD": "XXBTZUSD", "XXBTZUSD": "XXBTZUSD", "SOLUSD": "SOLUSD", "SOLUSDT": "SOLUSDT", "XDGUSD": "XDGUSD", "ETHXBT": "XETHXXBT",
	} {
		var answer struct {
			Error  []string
			Result map[string]json.RawMessage
		}
		s.get("/kraken/0/public/OHLC?interval=1&pair="+pair, &answer)
		var rows [][]any
		if err := json.Unmarshal(answer.Result[key], &rows); err != nil || len(answer.Error) > 0 || len(rows) != krakenMost {
			t.Errorf("%s: %v, %v, %d rows", pair, answer.Error, err, len(rows))
			continue
		}
		if got := shape(rows[0]); len(rows[0]) != 8 || got != "[null]" { // a float, which shape does not know
			t.Errorf("%s: %v", pair, rows[0])
		}
		if _, isText := rows[0][1].(string); !isText {
			t.Errorf("%s: %v", pair, rows[0])
		}
		last := fmt.Sprintf("%.0f", rows[len(rows)-2][0])
		if string(answer.Result["last"]) != last {
			t.Errorf("%s: the last that is over is of %s, not %s", pair, last, answer.Result["last"])
		}
	}
	for query, want := range map[string]string{
		"pair=NOTHING":            "EQuery:Unknown asset pair",
		"pair=XBTUSD&interval=2":  "EGeneral:Invalid arguments:interval",
		"pair=XBTUSD&since=never": "EGeneral:Invalid arguments:since",
	} {
		var answer struct{ Error []string }
		if s.get("/kraken/0/public/OHLC?"+query, &answer); len(answer.Error) != 1 || answer.Error[0] != want {
			t.Errorf("%s: %v", query, answer.Error)
		}
	}
	var answer struct{ Result map[string]json.RawMessage }
	since := time.Now().Add(-10 * time.Minute).Unix()
	s.get(fmt.Sprintf("/kraken/0/public/OHLC?pair=ETHUSD&since=%d", since), &answer)
	var rows [][]any
	if err := json.Unmarshal(answer.Result["XETHZUSD"], &rows); err != nil || len(rows) < 9 || len(rows) > 11 {
		t.Errorf("%v, %d rows", err, len(rows))
	}
}

func TestBinanceCandles(t *testing.T) {
	s := run(t, brisk())
	var rows [][]any
	if s.get("/binance/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=7", &rows); len(rows) != 7 {
		t.Fatalf("%d rows", len(rows))
	}
	want := `[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",1499644799999,"2434.19055334",308,"1756.87402397","28.46694368","0"]`
	var documented []any
	decoder := json.NewDecoder(strings.NewReader(want))
	decoder.UseNumber()
	if err := decoder.Decode(&documented); err != nil {
		t.Fatal(err)
	}
	for i, field := range documented {
		if shape(rows[0][i]) != shape(field) {
			t.Errorf("field %d: %v, documented %v", i, rows[0][i], field)
		}
	}
	if digits := rows[0][1].(string); !strings.Contains(digits, ".") || len(digits)-strings.Index(digits, ".") != 9 {
		t.Errorf("an open of %s", digits)
	}
	const start, minute = 1_767_323_040_000, 60_000 // a full one
	s.get(fmt.Sprintf("/binance/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=%d&endTime=%d", start, start+9*minute), &rows)
	if len(rows) != 10 || rows[0][0] != json.Number("1767323040000") {
		t.Errorf("%d rows from %v", len(rows), rows[0][0])
	}
	var complaint struct {
		Code int
		Msg  string
	}
	for query, code := range map[string]int{
		"symbol=BTCXXX&interval=1m":               -1121,
		"symbol=BTCUSDT&interval=7m":              -1120,
		"symbol=BTCUSDT&interval=1m&limit=many":   -1100,
		"symbol=BTCUSDT&interval=1m&startTime=x":  -1100,
		"symbol=BTCUSDT&interval=1m&endTime=true": -1100,
	} {
		if status := s.get("/binance/api/v3/klines?"+query, &complaint); status != 400 || complaint.Code != code {
			t.Errorf("%s: %d %v", query, status, complaint)
		}
	}
}

// What is traded is within the candle of its second, of every exchange, though no two
// agree.
func TestCandlesJoin(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/coinbase")
	c.write(coinbaseSubscribe)
	type trade struct {
		at    time.Time
		price string
	}
	var trades []trade
	for range 300 {
		m := fields(t, c.until(`"type":"ticker"`))
		at, err := time.Parse(time.RFC3339, m["time"].(string))
		if err != nil {
			t.Fatal(err)
		}
		trades = append(trades, trade{at, m["price"].(string)})
	}
	m, _, _ := s.venue("coinbase").chart("BTC-USD")
	for _, tr := range trades {
		second := tr.at.Truncate(time.Second)
		span := m.span(second, second.Add(time.Second), 0)
		if low, high := m.quote.money(span.Low), m.quote.money(span.High); tr.price < low || tr.price > high {
			t.Errorf("%s at %v is not from %s to %s", tr.price, tr.at, low, high)
		}
	}
	closes := map[string]bool{}
	for _, v := range s.venues {
		m := newMarket(v.name, "", "BTC-USD", 1, time.Now())
		closes[m.quote.money(m.span(time.Unix(1_700_000_000, 0), time.Unix(1_700_000_001, 0), 0).Close)] = true
	}
	if len(closes) != 3 {
		t.Errorf("the exchanges agree: %v", closes)
	}
}

func number(t *testing.T, n json.Number) float64 {
	t.Helper()
	f, err := n.Float64()
	if err != nil {
		t.Fatal(err)
	}
	return f
}
