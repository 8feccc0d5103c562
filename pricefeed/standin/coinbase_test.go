package standin

import (
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

const coinbaseSubscribe = `{"type":"subscribe","product_ids":["BTC-USD"],"channels":["ticker"]}`

func TestCoinbase(t *testing.T) {
	config := brisk()
	config.Unknown = append(config.Unknown, "XYZ-USD")
	s := run(t, config)
	c := s.dial("/coinbase")
	c.write(`{"type":"subscribe","product_ids":["BTC-USD","XYZ-USD","btc-usd"],"channels":["heartbeat",{"name":"ticker","product_ids":["ETH-USD"]}]}`)
	for _, unknown := range []string{"XYZ-USD", "btc-usd"} {
		got := c.read()
		like(t, got, `{"type":"error","message":"Failed to subscribe","reason":"ETH-USD is not a valid product"}`)
		if !strings.Contains(got, unknown+" is not a valid product") {
			t.Errorf("of %s: %s", unknown, got)
		}
	}
	ack := `{"type":"subscriptions","channels":[{"name":"heartbeat","product_ids":["BTC-USD"],"account_ids":null},` +
		`{"name":"ticker","product_ids":["ETH-USD","BTC-USD"],"account_ids":null}]}`
	if got := c.read(); got != ack {
		t.Errorf("got %s, want %s", got, ack)
	}
	like(t, c.until(`"type":"ticker"`), `{"type":"ticker","sequence":137212619516,"product_id":"BTC-USD","price":"84737.58","open_24h":"84430.55",`+
		`"volume_24h":"1836.96781750","low_24h":"84400","high_24h":"85021.57","volume_30d":"175984.53012145","best_bid":"84737.58",`+
		`"best_bid_size":"0.19921154","best_ask":"84737.59","best_ask_size":"0.05223077","side":"sell","time":"2026-10-03T20:58:31.127510Z",`+
		`"trade_id":1102042811,"last_size":"0.00000025"}`)
	like(t, c.until(`"heartbeat"`), `{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2014-11-07T08:19:28.464459Z"}`)

	c.write(`{"type":"unsubscribe","product_ids":["ETH-USD"],"channels":["ticker"]}`)
	c.until(`{"type":"subscriptions","channels":[{"name":"heartbeat","product_ids":["BTC-USD"],"account_ids":null},{"name":"ticker","product_ids":["BTC-USD"],"account_ids":null}]}`)
	for range 10 {
		if got := c.until(`"type":"ticker"`); strings.Contains(got, "ETH-USD") {
			t.Fatalf("after the end: %s", got)
		}
	}
	c.write(`{"type":"unsubscribe","channels":["ticker","heartbeat"]}`)
	c.until(`{"type":"subscriptions","channels":[]}`)
	c.write(`{"type":"subscribe","product_ids":["BTC-USD"],"channels":["ticker_batch","level2"]}`)
	c.until("level2 is not a valid channel, or requires authentication")
	c.until(`"name":"ticker_1000"`)
}

// What makes no sense is answered.
func TestCoinbaseComplains(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/coinbase")
	for request, want := range map[string]string{
		`{"type":`:            "Malformed JSON",
		`{"type":"hello"}`:    "Type has to be either subscribe or unsubscribe",
		`{"channels":[true]}`: "Malformed JSON",
	} {
		c.write(request)
		if got := c.read(); !strings.Contains(got, want) {
			t.Errorf("to %s: %s", request, got)
		}
	}
}

// Numbers and times grow, and every price is within its day.
func TestCoinbaseOrder(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/coinbase")
	c.write(coinbaseSubscribe)
	var sequence, when, last string
	changes := 0
	for range 100 {
		m := fields(t, c.until(`"type":"ticker"`))
		next := m["sequence"].(interface{ String() string }).String()
		if len(next) < len(sequence) || next <= sequence || m["time"].(string) <= when {
			t.Fatalf("%v after %s at %s", m, sequence, when)
		}
		price := m["price"].(string)
		if len(price) != len("42000.00") || price < m["low_24h"].(string) || price > m["high_24h"].(string) {
			t.Fatalf("the price is not within its day: %v", m)
		}
		if price != last {
			changes++
		}
		sequence, when, last = next, m["time"].(string), price
	}
	if changes < 70 {
		t.Errorf("of 100 trades %d change the price", changes)
	}
}

func TestCoinbasePatience(t *testing.T) {
	s := run(t, brisk())
	late, early := s.dial("/coinbase"), s.dial("/coinbase")
	early.write(coinbaseSubscribe)
	early.until(`"type":"ticker"`)
	s.venue("coinbase").round(time.Now().Add(6 * time.Second))
	if code, reason := late.closed(); code != ws.StatusPolicyViolation || !strings.Contains(reason, "5 seconds") {
		t.Errorf("closed with %d %q", code, reason)
	}
	early.write(coinbaseSubscribe) // it is still there
	early.until("subscriptions")
}
