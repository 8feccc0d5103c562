package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tickerd/pricefeed/exchangetest"
)

// TestReload changes the symbols of a running node: clients go on, and so does the
// connection to the exchange.
func TestReload(t *testing.T) {
	t.Parallel()
	exchange := exchangetest.New(t)
	dir := newDataDir(t)
	write := func(settings string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "config.toml"), []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[pricefeed]\nsymbols = [\"BTC-USD\", \"ETH-USD\"]\n")
	n := startDry(t, dir, coinbase(exchange)...)
	n.provoked = []string{"settings are not reloaded"}
	feed := accept(t, exchange)
	c := n.dial(t, n.token(t, n.key), "")
	c.greeting()
	feed.Trade("BTC-USD", "1.50")
	c.until("the first price", func(m message) bool { return m.of("BTC-USD") == "1.50" })

	write("[pricefeed]\nsymbols = [\"BTC\"]\n")
	n.signal(t, syscall.SIGHUP)
	write("[pricefeed]\nsymbols = [\"BTC-USD\", \"ETH-USD\", \"SOL-USD\"]\n")
	n.signal(t, syscall.SIGHUP)
	if got := feed.Subscribed(); !slices.Equal(got, []string{"SOL-USD"}) {
		t.Errorf("subscribed: %v", got)
	}
	write("[pricefeed]\nsymbols = [\"BTC-USD\", \"SOL-USD\"]\n")
	n.signal(t, syscall.SIGHUP)
	if got := feed.Unsubscribed(); !slices.Equal(got, []string{"ETH-USD"}) {
		t.Errorf("unsubscribed: %v", got)
	}
	c.until("word of what is gone", func(m message) bool {
		return m.Type == "status" && m.State == "down" && slices.Equal(m.Symbols, []string{"ETH-USD"}) && strings.Contains(m.raw, `"gone":true`)
	})
	feed.Trade("SOL-USD", "3.50")
	c.until("the new symbol", func(m message) bool { return m.of("SOL-USD") == "3.50" })
	feed.Trade("BTC-USD", "1.60")
	c.until("the old symbol", func(m message) bool { return m.of("BTC-USD") == "1.60" })

	// Who comes later is not told of it.
	late := n.dial(t, n.token(t, n.key), "")
	late.greeting()
	feed.Trade("BTC-USD", "1.70")
	late.until("the next price", func(m message) bool {
		if strings.Contains(m.raw, "ETH-USD") {
			t.Errorf("told %s", m.raw)
		}
		return m.of("BTC-USD") == "1.70"
	})
}
