package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tickerd/e2e/nodetest"
	"tickerd/pricefeed/exchangetest"
)

// TestReload changes the symbols of a running node: clients go on, and so does the
// connection to the exchange.
func TestReload(t *testing.T) {
	t.Parallel()
	exchange := exchangetest.New(t)
	dir := nodetest.NewDataDir(t)
	write := func(settings string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "config.toml"), []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[pricefeed]\nsymbols = [\"BTC-USD\", \"ETH-USD\"]\n")
	n := nodetest.StartDry(t, dir, coinbase(exchange)...)
	n.Provoked = []string{"settings are not reloaded"}
	feed := accept(t, exchange)
	c := n.Dial(t, n.Token(t, n.Key), "")
	c.Greeting()
	feed.Trade("BTC-USD", "1.50")
	c.Until("the first price", func(m nodetest.Message) bool { return m.Of("BTC-USD") == "1.50" })

	write("[pricefeed]\nsymbols = [\"BTC\"]\n")
	n.Signal(t, syscall.SIGHUP)
	write("[pricefeed]\nsymbols = [\"BTC-USD\", \"ETH-USD\", \"SOL-USD\"]\n")
	n.Signal(t, syscall.SIGHUP)
	if got := feed.Subscribed(); !slices.Equal(got, []string{"SOL-USD"}) {
		t.Errorf("subscribed: %v", got)
	}
	write("[pricefeed]\nsymbols = [\"BTC-USD\", \"SOL-USD\"]\n")
	n.Signal(t, syscall.SIGHUP)
	if got := feed.Unsubscribed(); !slices.Equal(got, []string{"ETH-USD"}) {
		t.Errorf("unsubscribed: %v", got)
	}
	c.Until("word of what is gone", func(m nodetest.Message) bool {
		return m.Type == "status" && m.State == "down" && slices.Equal(m.Symbols, []string{"ETH-USD"}) && strings.Contains(m.Raw, `"gone":true`)
	})
	feed.Trade("SOL-USD", "3.50")
	c.Until("the new symbol", func(m nodetest.Message) bool { return m.Of("SOL-USD") == "3.50" })
	feed.Trade("BTC-USD", "1.60")
	c.Until("the old symbol", func(m nodetest.Message) bool { return m.Of("BTC-USD") == "1.60" })

	// Who comes later is not told of it.
	late := n.Dial(t, n.Token(t, n.Key), "")
	late.Greeting()
	feed.Trade("BTC-USD", "1.70")
	late.Until("the next price", func(m nodetest.Message) bool {
		if strings.Contains(m.Raw, "ETH-USD") {
			t.Errorf("told %s", m.Raw)
		}
		return m.Of("BTC-USD") == "1.70"
	})
}
