package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tickerd/e2e/nodetest"
	"tickerd/pricefeed/exchangetest"
)

// digits are prices as an exchange writes them, and as everybody must see them:
// with every digit, and an exponent written out.
var digits = []struct{ symbol, sent, shown string }{
	{"BTC-USD", "84737.50", "84737.50"},
	{"ETH-USD", "0.000000123450", "0.000000123450"},
	{"SOL-USD", "1.50e-7", "0.000000150"},
}

// coinbase are the settings for an exchange that s plays.
func coinbase(s *exchangetest.Server) []string {
	return []string{"pricefeed.source=coinbase", "pricefeed.coinbase.url=" + s.URL()}
}

// accept waits for the server's next connection to the exchange, and keeps it from
// being silent.
func accept(t *testing.T, exchange *exchangetest.Server, unknown ...string) *exchangetest.Coinbase {
	t.Helper()
	feed := exchange.AcceptCoinbase(unknown...)
	keepTalking(t, func() { feed.Send(`{"type":"status","products":[]}`) })
	return feed
}

// keepTalking keeps an exchange from being silent, as they do, without a word about any
// price.
func keepTalking(t *testing.T, talk func()) {
	var talking sync.WaitGroup
	stop := make(chan struct{})
	talking.Go(func() {
		second := time.NewTicker(time.Second)
		defer second.Stop()
		for {
			select {
			case <-second.C:
				talk()
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		talking.Wait()
	})
}

// TestExchange plays the exchange: what it sends, clients get digit for digit;
// when it goes away, they are told, and when it comes back.
func TestExchange(t *testing.T) {
	t.Parallel()
	exchange := exchangetest.New(t)
	n := nodetest.StartDry(t, nodetest.NewDataDir(t), coinbase(exchange)...)
	checkUnready(t, n)
	feed := accept(t, exchange)
	observer := n.NATS(t)
	observer.Subscribe("ticker.>")
	c := n.Dial(t, n.Token(t, n.Key), "")
	if _, snapshot := c.Greeting(); len(snapshot.Data) != 0 {
		t.Errorf("before the first price: %s", snapshot.Raw)
	}

	for _, d := range digits {
		feed.Trade(d.symbol, d.sent)
		m := c.Until(d.symbol, func(m nodetest.Message) bool { return m.Of(d.symbol) != "" })
		if m.Of(d.symbol) != d.shown {
			t.Errorf("the exchange has sent %s %s, and a client gets %s", d.symbol, d.sent, m.Raw)
		}
		if seen := observer.Await("ticker.prices"); seen.Data != m.Raw {
			t.Errorf("the bus has %s, and a client gets %s", seen.Data, m.Raw)
		}
		checkPrice(t, n, d.symbol, d.shown)
	}
	nodetest.Eventually(t, "readyz", func() bool { return n.Unready(t) == "" })

	feed.Drop()
	feed = accept(t, exchange)
	for down := 0; down < len(digits); {
		if m := c.Await("status"); m.Source == "coinbase" && m.State == "down" {
			down += len(m.Symbols)
		}
	}
	checkUnready(t, n)
	late := n.Dial(t, n.Token(t, n.Key), "")
	_, snapshot := late.Greeting()
	if m := late.Next(); m.Type != "status" || m.State != "down" || len(m.Symbols) != len(digits) {
		t.Errorf("who comes before the exchange has told a price again gets %s", m.Raw)
	}
	for _, d := range digits {
		if snapshot.Of(d.symbol) != d.shown {
			t.Errorf("the last prices are %s", snapshot.Raw)
		}
	}

	feed.Trade("BTC-USD", "84737.51")
	live := c.Until("live", func(m nodetest.Message) bool { return m.Type == "status" && m.State == "live" })
	if live.Source != "coinbase" || len(live.Symbols) != 1 || live.Symbols[0] != "BTC-USD" {
		t.Errorf("after a price of BTC-USD: %s", live.Raw)
	}
	late.Until("the new price", func(m nodetest.Message) bool { return m.Of("BTC-USD") == "84737.51" })
	nodetest.Eventually(t, "readyz", func() bool { return n.Unready(t) == "" })
}

// checkUnready checks that readyz names the feed, and nothing else.
func checkUnready(t *testing.T, n *nodetest.Node) {
	t.Helper()
	why := n.Unready(t)
	if !strings.Contains(why, `"feed"`) || strings.Contains(why, `"bus"`) || strings.Contains(why, `"store"`) {
		t.Errorf("without an exchange readyz says %q", why)
	}
}

// checkPrice asks for a price by HTTP.
func checkPrice(t *testing.T, n *nodetest.Node, symbol, shown string) {
	t.Helper()
	status, body := n.Call(t, http.MethodGet, "/api/v1/prices/"+symbol, n.Token(t, n.Key), nil)
	var p nodetest.Price
	if err := json.Unmarshal(body, &p); err != nil || status != http.StatusOK || p.Price.String() != shown {
		t.Errorf("the price of %s, which is %s: status %d, %s", symbol, shown, status, body)
	}
}

// TestExchangeRefusesSymbol plays an exchange that does not know one of the symbols.
func TestExchangeRefusesSymbol(t *testing.T) {
	t.Parallel()
	exchange := exchangetest.New(t)
	n := nodetest.StartDry(t, nodetest.NewDataDir(t), append(coinbase(exchange), "pricefeed.symbols=BTC-USD,XYZ-USD")...)
	n.Provoked = []string{"the exchange does not serve a market"}
	feed := accept(t, exchange, "XYZ-USD")
	feed.Trade("BTC-USD", "84737.50")
	nodetest.Eventually(t, "readyz", func() bool { return n.Unready(t) == "" })
	c := n.Dial(t, n.Token(t, n.Key), "")
	if _, snapshot := c.Greeting(); snapshot.Of("BTC-USD") != "84737.50" || len(snapshot.Data) != 1 {
		t.Errorf("the prices are %s", snapshot.Raw)
	}
	if m := c.Next(); m.Type != "status" || m.State != "down" || !slices.Equal(m.Symbols, []string{"XYZ-USD"}) {
		t.Errorf("of the symbol that the exchange refuses: %s", m.Raw)
	}
}
