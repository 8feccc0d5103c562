package e2e_test

import (
	"testing"
	"time"

	"tickerd/e2e/nodetest"
	"tickerd/pricefeed/exchangetest"
)

// TestIdle has 5,000 clients whose prices pause: they cost next to no time beside
// what the node takes without them, most of which is the clock of the ticks.
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
	floor := load(t, n)
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

	ticks, sent := n.Metric(t, "tickerd_feed_ticks_total"), n.Metric(t, "tickerd_gateway_sent_bytes_total")
	share := load(t, n)
	if n.Metric(t, "tickerd_feed_ticks_total") != ticks || n.Metric(t, "tickerd_gateway_sent_bytes_total") != sent {
		t.Error("the prices have not paused")
	}
	t.Logf("%d idle connections: the node takes %.1f %% of a core, without them %.1f %%", count, 100*share, 100*floor)
	const grain = 0.02 // the system counts in hundredths of a second
	if share > 2*floor+grain {
		t.Errorf("%d idle connections take %.1f %% of a core", count, 100*(share-floor))
	}
	tick("3.00")
}

// load is what part of a core a node takes. What is measured is a rate, so here time
// must pass; how long it really takes makes no difference.
func load(t *testing.T, n *nodetest.Node) float64 {
	t.Helper()
	began, before := time.Now(), n.CPU(t)
	<-time.After(3 * time.Second)
	return (n.CPU(t) - before).Seconds() / time.Since(began).Seconds()
}
