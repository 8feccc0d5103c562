package standin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// FuzzReceive: whatever a client says, it is answered, and the answers are JSON.
func FuzzReceive(f *testing.F) {
	for _, text := range []string{
		coinbaseSubscribe, krakenSubscribe, binanceSubscribe,
		`{"type":"unsubscribe","channels":["ticker"]}`,
		`{"type":"subscribe","channels":[{"name":"ticker_batch","product_ids":["ETH-USD"]},"level2"]}`,
		`{"method":"unsubscribe","params":{"channel":"ticker","symbol":["BTC/USD"]},"req_id":18446744073709551615}`,
		`{"method":"ping","req_id":"x"}`,
		`{"method":"UNSUBSCRIBE","params":["btcusdt@ticker"],"id":null}`,
		`{"method":"LIST_SUBSCRIPTIONS","id":[1]}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := New(Defaults())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range s.venues {
			c := &conn{venue: v, woken: make(chan struct{}, 1)}
			v.receive(c, []byte(text))
			v.receive(c, []byte(text)) // what is there already
			v.regroup()
			if len(v.trading) > len(c.topics) {
				t.Errorf("%d are traded, and %d are subscribed", len(v.trading), len(c.topics))
			}
			for _, message := range unframed(t, c.queue) {
				if !json.Valid(message) {
					t.Errorf("%s says %s", v.name, message)
				}
			}
			for _, topic := range c.topics {
				v.release(topic, c)
			}
			if v.regroup(); len(v.topics)+len(v.trading)+len(v.timed) > 0 {
				t.Errorf("at %s something is left", v.name)
			}
		}
	})
}

// FuzzCandles: whatever is asked for, the answer is JSON, and not too much of it.
func FuzzCandles(f *testing.F) {
	f.Add("60", "2026-01-02T03:04:00Z", "2026-01-02T04:04:00Z")
	f.Add("1", "9999999999", "-1")
	f.Add("1m", "9223372036854775807", "-9223372036854775808")
	f.Add("86400", "0", "0001-01-01T00:00:00Z")
	f.Fuzz(func(t *testing.T, interval, from, to string) {
		config := Defaults()
		config.Unlimited = true
		s, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		for path, query := range map[string]url.Values{
			"/coinbase/products/BTC-USD/candles": {"granularity": {interval}, "start": {from}, "end": {to}},
			"/kraken/0/public/OHLC":              {"pair": {"XBTUSD"}, "interval": {interval}, "since": {from}},
			"/binance/api/v3/klines":             {"symbol": {"BTCUSDT"}, "interval": {interval}, "startTime": {from}, "endTime": {to}, "limit": {to}},
		} {
			answer := httptest.NewRecorder()
			s.routes().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path+"?"+query.Encode(), nil))
			if !json.Valid(answer.Body.Bytes()) || answer.Body.Len() > 256<<10 {
				t.Errorf("%s?%s: %d bytes, %.100s", path, query.Encode(), answer.Body.Len(), answer.Body)
			}
		}
	})
}
