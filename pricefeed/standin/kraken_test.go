package standin

import (
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

const krakenSubscribe = `{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"]}}`

func TestKraken(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/kraken")
	like(t, c.read(), `{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2","connection_id":9471984923908980762}]}`)
	c.write(`{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD","XBT/USD","ALGO/USD"],"event_trigger":"bbo","snapshot":true},"req_id":1}`)
	ack := c.read()
	like(t, ack, `{"method":"subscribe","req_id":1,"result":{"channel":"ticker","event_trigger":"trades","snapshot":true,"symbol":"BTC/USD"},`+
		`"success":true,"time_in":"2026-10-03T20:58:30.560234Z","time_out":"2026-10-03T20:58:30.560271Z"}`)
	if !strings.Contains(ack, `"event_trigger":"bbo"`) || !strings.Contains(ack, `"req_id":1`) {
		t.Errorf("got %s", ack)
	}
	ticker := `{"channel":"ticker","type":"snapshot","data":[{"symbol":"ALGO/USD","bid":0.13099,"bid_qty":329.06250000,"ask":0.13108,` +
		`"ask_qty":1771.75027615,"last":0.13110,"volume":9095630.20903971,"vwap":0.12882,"low":0.12437,"high":0.13306,"change":0.00654,` +
		`"change_pct":5.25,"trades":4606,"timestamp":"2026-10-03T20:58:33.794283Z"}]}`
	like(t, c.until(`"snapshot","data":[{"symbol":"BTC/USD"`), ticker)
	refusal := c.until("XBT/USD")
	like(t, refusal, `{"error":"Currency pair not supported XBT/USD","method":"subscribe","req_id":1,"success":false,"symbol":"XBT/USD",`+
		`"time_in":"2026-10-03T20:58:30.560234Z","time_out":"2026-10-03T20:58:30.560271Z"}`)
	c.until(`"success":true`)
	like(t, c.until(`"update","data":[{"symbol":"ALGO/USD"`), ticker)

	c.write(`{"method":"ping","req_id":101}`)
	like(t, c.until("pong"), `{"method":"pong","req_id":101,"time_in":"2026-10-03T20:58:30.560234Z","time_out":"2026-10-03T20:58:30.560271Z"}`)

	c.write(`{"method":"unsubscribe","params":{"channel":"ticker","symbol":["ALGO/USD","ETH/USD"]}}`)
	if got := c.until("unsubscribe"); !strings.Contains(got, `"success":true`) || !strings.Contains(got, "ALGO/USD") {
		t.Errorf("got %s", got)
	}
	if got := c.until("unsubscribe"); !strings.Contains(got, `"success":false`) || !strings.Contains(got, "ETH/USD") {
		t.Errorf("got %s", got)
	}
	for range 10 {
		if got := c.until(`"ticker"`); strings.Contains(got, "ALGO/USD") {
			t.Fatalf("after the end: %s", got)
		}
	}
	c.write(`{"method":"unsubscribe","params":{"channel":"ticker","symbol":["BTC/USD"]}}`)
	c.until("unsubscribe")
}

func TestKrakenComplains(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/kraken")
	c.until("online")
	for _, request := range []string{`{"method":`, `{"method":"hello"}`, `{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"]}}`} {
		c.write(request)
		if got := c.read(); !strings.Contains(got, `"success":false`) {
			t.Errorf("to %s: %s", request, got)
		}
	}
	c.write(`{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"],"snapshot":false}}`)
	c.until(`"success":true`)
	if got := c.until(`"ticker"`); !strings.Contains(got, `"update"`) {
		t.Errorf("without a snapshot the first is %s", got)
	}
}

// Nothing else said for a second is a heartbeat, for who has subscribed.
func TestKrakenHeartbeat(t *testing.T) {
	config := brisk()
	config.Faults = []Fault{{Kind: faultHeartbeats}}
	s := run(t, config)
	idle, c := s.dial("/kraken"), s.dial("/kraken")
	c.write(krakenSubscribe)
	c.until(`{"channel":"heartbeat"}`)
	c.until(`{"channel":"heartbeat"}`)
	idle.until("online")
	idle.write(`{"method":"ping"}`)
	if got := idle.read(); !strings.Contains(got, "pong") {
		t.Errorf("without a subscription: %s", got)
	}
}

func TestKrakenPatience(t *testing.T) {
	s := run(t, brisk())
	c := s.dial("/kraken")
	c.write(krakenSubscribe)
	c.until(`"update","data":[{"symbol"`)
	s.venue("kraken").round(time.Now().Add(50 * time.Second))
	c.write(`{"method":"ping"}`)
	c.until("pong")
	s.venue("kraken").round(time.Now().Add(61 * time.Second))
	if code, _ := c.closed(); code != ws.StatusNormalClosure {
		t.Errorf("closed with %d", code)
	}
}
