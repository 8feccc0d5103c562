package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tickerd/e2e/nodetest"
	"tickerd/pricefeed/exchangetest"
)

// TestComposite plays three exchanges: clients get what most of them say, whichever of
// them falls away, and are told who stands behind it.
func TestComposite(t *testing.T) {
	t.Parallel()
	settings := []string{"pricefeed.source=composite", "pricefeed.symbols=BTC-USD,ETH-USD"}
	servers := map[string]*exchangetest.Server{}
	for _, name := range []string{"coinbase", "kraken", "binance"} {
		servers[name] = exchangetest.New(t)
		settings = append(settings, fmt.Sprintf("pricefeed.%s.url=%s", name, servers[name].URL()))
	}
	n := nodetest.StartDry(t, nodetest.NewDataDir(t), settings...)
	checkUnready(t, n)
	coinbase, kraken, binance := accept(t, servers["coinbase"]), servers["kraken"].AcceptKraken(), servers["binance"].AcceptBinance()
	keepTalking(t, kraken.Heartbeat)
	keepTalking(t, func() { binance.Send(`{"result":null,"id":7}`) })
	c := n.Dial(t, n.Token(t, n.Key), "")
	c.Greeting()
	price, standing := "", ""
	// until reads until the price of BTC-USD is so, and as much of it is known.
	until := func(wantPrice, wantStanding string) {
		t.Helper()
		for price != wantPrice || standing != wantStanding {
			m := c.Next()
			if p := m.Of("BTC-USD"); p != "" {
				price = p
			}
			if m.Source == "composite" && slices.Contains(m.Symbols, "BTC-USD") {
				standing = strings.TrimSpace(m.State + " " + strings.Join(m.Sources, ","))
			}
		}
	}

	coinbase.Trade("BTC-USD", "84737.50")
	until("84737.50", "live coinbase")
	binance.Trade("BTCUSDT", "84737.60000000")
	until("84737.55", "live coinbase,binance")
	kraken.Trade("BTC/USD", "84737.5")
	until("84737.5", "live coinbase,kraken,binance")
	nodetest.Eventually(t, "readyz", func() bool { return n.Unready(t) == "" })

	// One is far off; nobody gets its price.
	kraken.Trade("BTC/USD", "184737.5")
	until("84737.55", "live coinbase,binance")

	// Who comes now is told who stands behind the price.
	late := n.Dial(t, n.Token(t, n.Key), "")
	late.Greeting()
	late.Until("who stands behind", func(m nodetest.Message) bool {
		return m.Source == "composite" && m.State == "live" && slices.Equal(m.Sources, []string{"coinbase", "binance"})
	})

	// One after the other falls away.
	servers["coinbase"].Close()
	until("84737.55", "stale") // the two that are left disagree
	kraken.Trade("BTC/USD", "84738.00")
	until("84737.80", "live kraken,binance")
	servers["binance"].Close()
	until("84738.00", "live kraken")
	if why := n.Unready(t); why != "" {
		t.Errorf("with one exchange: %s", why)
	}
	servers["kraken"].Close()
	until("84738.00", "down")
	checkUnready(t, n)
	if status, body := n.Call(t, http.MethodGet, "/api/v1/prices/BTC-USD", n.Token(t, n.Key), nil); status != http.StatusOK || !strings.Contains(string(body), "84738.00") {
		t.Errorf("the last price: %d %s", status, body)
	}
}
