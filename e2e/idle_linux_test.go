package e2e_test

import (
	"testing"
	"time"

	"tickerd/e2e/nodetest"
	"tickerd/pricefeed/exchangetest"
)

// TestIdle has 5,000 clients whose prices pause: they cost next to no time.
func TestIdle(t *testing.T) {
	if testing.Short() {
		t.Skip("5,000 connections at a time")
	}
	nodetest.AsUsed(t)
	const count = 5_000
	exchange := exchangetest.New(t)
	n := nodetest.StartDry(t, nodetest.NewDataDir(t), append(coinbase(exchange), "pricefeed.stale_after=24h")...)
	feed := accept(t, exchange) // it goes on to say that it lives, once a second
	for _, symbol := range symbols {
		feed.Trade(symbol, "1.00")
	}
	nodetest.Eventually(t, "prices", func() bool { return n.Unready(t) == "" })
	visitors := newCrowd(t, n, count, "").gather(t, count)
	tick := func(price string) {
		t.Helper()
		feed.Trade("BTC-USD", price)
		for i, v := range visitors {
			if err := v.until(`"price":` + price); err != nil {
				t.Fatalf("client %d waits for the price %s: %v", i, price, err)
			}
		}
	}
	tick("2.00")
	memoryOf(t, n) // collects the garbage of their coming, which is none of the pause's

	// What is measured is a rate, so here time must pass. How long it really takes
	// makes no difference.
	ticks, sent := n.Metric(t, "tickerd_feed_ticks_total"), n.Metric(t, "tickerd_gateway_sent_bytes_total")
	began, before := time.Now(), n.CPU(t)
	<-time.After(3 * time.Second)
	used, took := n.CPU(t)-before, time.Since(began)
	if n.Metric(t, "tickerd_feed_ticks_total") != ticks || n.Metric(t, "tickerd_gateway_sent_bytes_total") != sent {
		t.Error("the prices have not paused")
	}
	share := used.Seconds() / took.Seconds()
	t.Logf("%d idle connections take %v in %v, %.1f %% of a core", count, used, took, 100*share)
	const limit = 0.05 // several times what it takes, most of that for the clock of the ticks
	if share > limit {
		t.Errorf("%d idle connections take %.0f %% of a core", count, 100*share)
	}
	tick("3.00")
}
