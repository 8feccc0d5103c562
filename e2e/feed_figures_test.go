package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"tickerd/e2e/nodetest"
	"tickerd/pricefeed/exchangetest"
	"tickerd/pricefeed/standin"
)

// BenchmarkExchangeToClient measures the time from an exchange's frame on the socket to
// the client that has read the price, over the real program. A tick is waited for on
// the way: what is beyond the interval is tickerd's.
func BenchmarkExchangeToClient(b *testing.B) {
	for _, interval := range []time.Duration{10 * time.Millisecond, time.Millisecond} {
		b.Run(interval.String(), func(b *testing.B) {
			exchange := exchangetest.New(b)
			n := nodetest.StartDry(b, nodetest.NewDataDir(b), append(coinbase(exchange), "pricefeed.interval="+interval.String())...)
			feed := exchange.AcceptCoinbase()
			c := n.Dial(b, n.Token(b, n.Key), "")
			c.Greeting()
			var delays delays
			pause := time.NewTicker(interval / 3)
			defer pause.Stop()
			for i := 0; b.Loop(); i++ {
				for range rand.IntN(6) { // in any phase of the interval
					<-pause.C
				}
				price := fmt.Sprintf("%d.5", 10_000+i)
				sent := time.Now()
				feed.Trade("BTC-USD", price)
				c.Until(price, func(m nodetest.Message) bool { return m.Of("BTC-USD") == price })
				delays = append(delays, time.Since(sent))
			}
			delays.report(b)
		})
	}
}

// BenchmarkManySymbols measures what 2,000 symbols with 20,000 trades a second cost the
// whole program, without clients, in percent of a core.
func BenchmarkManySymbols(b *testing.B) {
	const symbols, duration = 2000, 10 * time.Second
	config := standin.Defaults()
	config.Rate, config.Unlimited = 10, true
	exchanges, err := standin.New(config)
	if err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	served := make(chan error, 1)
	go func() { served <- exchanges.Serve(ctx, listener) }()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			b.Error(err)
		}
	}()
	names := make([]string, symbols)
	for i := range names {
		names[i] = fmt.Sprintf("C%d-USD", i)
	}
	url := "ws://" + listener.Addr().String()
	n := nodetest.Start(b, "pricefeed.source=coinbase", "pricefeed.coinbase.url="+url+"/coinbase", "pricefeed.symbols="+strings.Join(names, ","))
	nodetest.Eventually(b, "all symbols", func() bool { return n.Metric(b, `tickerd_feed_symbols\{source="coinbase",state="live"\}`) == symbols })
	for b.Loop() {
		prices, messages, cpu := n.Metric(b, "tickerd_feed_prices_total"), n.Metric(b, `tickerd_feed_messages_total`), n.Metric(b, "process_cpu_seconds_total")
		began := time.Now()
		<-time.After(duration)
		passed := time.Since(began).Seconds()
		b.ReportMetric((n.Metric(b, "process_cpu_seconds_total")-cpu)/passed*100, "%-of-a-core")
		b.ReportMetric((n.Metric(b, "tickerd_feed_prices_total")-prices)/passed, "prices/s")
		b.ReportMetric((n.Metric(b, `tickerd_feed_messages_total`)-messages)/passed, "messages/s")
	}
}
