package pricefeed

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/pricefeed/exchangetest"
)

// gateway is what a gateway knows from the bus.
type gateway struct {
	*wire
	states map[string]string
	prices map[string]string // the newest element of each symbol
	ticks  int
}

// take takes a message.
func (g *gateway) take(m *bus.Msg) {
	g.t.Helper()
	switch m.Subject {
	case bus.Prices:
		g.ticks++
		var tick struct{ Data []json.RawMessage }
		if err := json.Unmarshal(m.Data, &tick); err != nil {
			g.t.Fatal(err)
		}
		parseTick(g.t, m.Data)
		for _, element := range tick.Data {
			var p struct{ Symbol string }
			if err := json.Unmarshal(element, &p); err != nil {
				g.t.Fatal(err)
			}
			if state := g.states[p.Symbol]; state != live {
				g.t.Errorf("%s is published while it is %q", element, state)
			}
			g.prices[p.Symbol] = string(element)
		}
	case bus.StatusNews:
		var s bus.Status
		if err := json.Unmarshal(m.Data, &s); err != nil || s.Type != "status" || s.Source != "coinbase" {
			g.t.Fatalf("status %s (%v)", m.Data, err)
		}
		for _, symbol := range s.Symbols {
			if g.states[symbol] == s.State {
				g.t.Errorf("%s is no news: %s", symbol, m.Data)
			}
			g.states[symbol] = s.State
		}
	}
}

// until takes messages until the states of all symbols are these.
func (g *gateway) until(states map[string]string) {
	g.t.Helper()
	for !maps.Equal(g.states, states) {
		g.take(g.next())
	}
}

// untilPrice takes messages until symbol's element has this in it.
func (g *gateway) untilPrice(symbol, text string) {
	g.t.Helper()
	for !strings.Contains(g.prices[symbol], text) {
		g.take(g.next())
	}
}

// ready is whether f is, when it is done with the tick that was taken last.
func (g *gateway) ready(f *Feed) error {
	g.t.Helper()
	g.ask(bus.PriceStatus)
	return f.Ready()
}

// trading runs a feed of BTC-USD and ETH-USD on a stand-in for Coinbase.
func trading(t *testing.T, staleAfter time.Duration) (*Feed, *exchangetest.Server, *gateway) {
	s := bustest.New(t)
	g := &gateway{wire: listen(t, s, bus.Prices, bus.StatusNews), states: make(map[string]string), prices: make(map[string]string)}
	x := exchangetest.New(t)
	cfg := Defaults()
	cfg.Source = SourceCoinbase
	cfg.Symbols = []string{"BTC-USD", "ETH-USD"}
	cfg.StaleAfter = staleAfter
	cfg.Coinbase.URL = x.URL()
	f, _ := run(t, s, cfg)
	return f, x, g
}

func bothAre(state string) map[string]string {
	return map[string]string{"BTC-USD": state, "ETH-USD": state}
}

const long = time.Minute

func TestPricesDigitForDigit(t *testing.T) {
	f, x, g := trading(t, long)
	c := x.AcceptCoinbase()
	for _, digits := range []string{"84737.58", "84737.580", "84737.5800", "0.000000123456", "84738", "1234567.123456789012"} {
		c.Trade("BTC-USD", digits)
		g.untilPrice("BTC-USD", `{"symbol":"BTC-USD","price":`+digits+`,"timestamp":`)
	}
	c.Send(exchangetest.CoinbaseTicker("ETH-USD", "2500.10", 1, "2023-10-03T20:58:31.127510Z"))
	at := time.Date(2023, 10, 3, 20, 58, 31, 0, time.UTC).Unix()
	g.untilPrice("ETH-USD", fmt.Sprintf(`{"symbol":"ETH-USD","price":2500.10,"timestamp":%d}`, at))
	if err := g.ready(f); err != nil {
		t.Error(err)
	}
	if got := f.Stats().Sources[0]; got.Messages < 8 || got.Connects != 1 || got.States[live] != 2 {
		t.Errorf("%+v", got)
	}
}

func TestOnlyWhatChangedIsPublished(t *testing.T) {
	_, x, g := trading(t, long)
	c := x.AcceptCoinbase()
	c.Trade("BTC-USD", "1.00")
	g.untilPrice("BTC-USD", "1.00")
	ticks := g.ticks
	const at = "2023-10-03T20:58:31.127510Z"
	for i := range 1000 {
		c.Send(exchangetest.CoinbaseTicker("ETH-USD", fmt.Sprintf("%d.5", i), uint64(i+1), at))
	}
	g.untilPrice("ETH-USD", `"price":999.5,`)
	if n := g.ticks - ticks; n > 500 {
		t.Errorf("%d ticks for a burst", n)
	}
	ticks = g.ticks
	for i := range 1000 { // the same price in the same second
		c.Send(exchangetest.CoinbaseTicker("ETH-USD", "999.5", uint64(i+2000), at))
	}
	c.Trade("BTC-USD", "2.00")
	g.untilPrice("BTC-USD", "2.00")
	if n := g.ticks - ticks; n != 1 {
		t.Errorf("%d ticks for one change", n)
	}
	if answer := string(g.ask(bus.PriceSnapshot)); !strings.Contains(answer, `"symbol":"BTC-USD","price":2.00,`) || !strings.Contains(answer, `"symbol":"ETH-USD","price":999.5,`) {
		t.Errorf("snapshot %s", answer)
	}
}

func TestFeedSaysWhenTheExchangeIsDown(t *testing.T) {
	f, x, g := trading(t, long)
	x.Refuse(503, nil)
	c := x.AcceptCoinbase()
	c.Trade("BTC-USD", "1")
	c.Heartbeat("ETH-USD")
	g.until(bothAre(live))
	g.untilPrice("BTC-USD", `"price":1,`)
	if err := g.ready(f); err != nil {
		t.Error(err)
	}

	c.Drop()
	g.until(bothAre(down))
	if err := g.ready(f); err == nil || err.Error() != "price feed: coinbase is down" {
		t.Errorf("ready: %v", err)
	}
	if got, want := string(g.ask(bus.PriceStatus)), `[{"type":"status","source":"coinbase","state":"down","symbols":["BTC-USD","ETH-USD"]}]`; got != want {
		t.Errorf("status %s, want %s", got, want)
	}

	// The last trade is sent anew for every subscription; it is no news.
	c = x.AcceptCoinbase()
	ticks := g.ticks
	element := g.prices["BTC-USD"]
	var p struct{ Timestamp int64 }
	if err := json.Unmarshal([]byte(element), &p); err != nil {
		t.Fatal(err)
	}
	c.Send(exchangetest.CoinbaseTicker("BTC-USD", "1", 1<<60, time.Unix(p.Timestamp+1, -1).UTC().Format(time.RFC3339Nano)))
	g.until(map[string]string{"BTC-USD": live, "ETH-USD": down})
	if err := g.ready(f); err != nil {
		t.Error(err)
	}
	if got, want := string(g.ask(bus.PriceStatus)), `[{"type":"status","source":"coinbase","state":"down","symbols":["ETH-USD"]},{"type":"status","source":"coinbase","state":"live","symbols":["BTC-USD"]}]`; got != want {
		t.Errorf("status %s, want %s", got, want)
	}
	c.Trade("ETH-USD", "2")
	g.untilPrice("ETH-USD", `"price":2,`)
	if g.ticks != ticks+1 || g.prices["BTC-USD"] != element {
		t.Errorf("the old price was published again: %s", g.prices["BTC-USD"])
	}
}

func TestFeedSaysWhenSymbolsAreStale(t *testing.T) {
	f, x, g := trading(t, 300*time.Millisecond)
	c := x.AcceptCoinbase()
	c.Trade("BTC-USD", "1")
	c.Trade("ETH-USD", "1")
	g.until(bothAre(live))
	g.untilPrice("ETH-USD", `"price":1,`)

	// One product is heard of, the other is not.
	beat := time.NewTicker(50 * time.Millisecond)
	defer beat.Stop()
	for !maps.Equal(g.states, map[string]string{"BTC-USD": live, "ETH-USD": stale}) {
		select {
		case <-beat.C:
			c.Heartbeat("BTC-USD")
		case m := <-g.msgs:
			g.take(m)
		}
	}

	// Silence.
	g.until(bothAre(stale))
	if err := g.ready(f); err == nil || err.Error() != "price feed: coinbase is stale" {
		t.Errorf("ready: %v", err)
	}
	if got := f.Stats().Sources[0]; got.Connects != 1 {
		t.Errorf("%+v", got)
	}
	ticks := g.ticks
	c.Heartbeat("ETH-USD")
	c.Heartbeat("BTC-USD")
	g.until(bothAre(live))
	c.Trade("BTC-USD", "3")
	g.untilPrice("BTC-USD", `"price":3,`)
	if g.ticks != ticks+1 {
		t.Errorf("%d ticks, want one", g.ticks-ticks)
	}
}

func TestFeedSaysWhatTheExchangeRefuses(t *testing.T) {
	f, x, g := trading(t, long)
	c := x.AcceptCoinbase("ETH-USD")
	c.Trade("BTC-USD", "1")
	g.until(map[string]string{"BTC-USD": live, "ETH-USD": down})
	g.untilPrice("BTC-USD", `"price":1,`)
	if err := g.ready(f); err != nil {
		t.Error(err)
	}
	c.Error("BTC-USD is delisted")
	g.until(bothAre(down))
	if err := g.ready(f); err == nil {
		t.Error("ready without a symbol")
	}
	if got, want := string(g.ask(bus.PriceSnapshot)), g.prices["BTC-USD"]; !strings.HasSuffix(got, `"data":[`+want+`]}`) {
		t.Errorf("snapshot %s, want %s in it", got, want)
	}
}

func TestNotReadyBeforeTheFirstPrice(t *testing.T) {
	f, x, g := trading(t, long)
	if err := f.Ready(); err == nil {
		t.Error("ready at once")
	}
	g.until(bothAre(down))
	c := x.AcceptCoinbase()
	c.Heartbeat("BTC-USD")
	g.until(map[string]string{"BTC-USD": live, "ETH-USD": down})
	if err := g.ready(f); err == nil || err.Error() != "price feed: no price has been published yet" {
		t.Errorf("ready: %v", err)
	}
	if got := string(g.ask(bus.PriceSnapshot)); got != `{"type":"ticker","snapshot":true,"seq":0,"ts":0,"data":[]}` {
		t.Errorf("snapshot %s", got)
	}
}
