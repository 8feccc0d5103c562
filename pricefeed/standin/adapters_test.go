package standin_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"tickerd/pricefeed/binance"
	"tickerd/pricefeed/coinbase"
	"tickerd/pricefeed/exchange"
	"tickerd/pricefeed/kraken"
	"tickerd/pricefeed/standin"
	"tickerd/ticker"
)

const patience = 30 * time.Second

// serve runs exchanges until the test ends, and returns their address.
func serve(t *testing.T, config standin.Config) string {
	t.Helper()
	s, err := standin.New(config)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		end()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return listener.Addr().String()
}

// source is what an adapter is here.
type source interface {
	Run(ctx context.Context, sink exchange.Sink) error
	Subscribe(symbols []ticker.Symbol)
	Candles(ctx context.Context, symbol ticker.Symbol, interval time.Duration, from time.Time) ([]ticker.Candle, error)
	Stats() exchange.Stats
}

// sources are the adapters, led to a server.
func sources(addr string, symbols ...ticker.Symbol) map[string]source {
	log := slog.New(slog.DiscardHandler)
	http, socket := "http://"+addr, "ws://"+addr
	return map[string]source{
		"coinbase": coinbase.New(coinbase.Config{URL: socket + "/coinbase", REST: http + "/coinbase"}, symbols, log),
		"kraken":   kraken.New(kraken.Config{URL: socket + "/kraken", REST: http + "/kraken"}, symbols, log),
		"binance": binance.New(binance.Config{
			URL: socket + "/binance", REST: http + "/binance", QuoteAlias: binance.QuoteAlias,
		}, symbols, log),
	}
}

// prices is a sink that passes on which symbols have prices, and which are not served.
type prices struct {
	seen, refused chan ticker.Symbol
}

func newPrices() prices {
	return prices{make(chan ticker.Symbol, 1<<16), make(chan ticker.Symbol, 1<<10)}
}

func (p prices) Link(bool) {}
func (p prices) Heard()    {}
func (p prices) Market(s ticker.Symbol, served bool) {
	if !served {
		p.refused <- s
	}
}
func (p prices) Price(price ticker.Price) { p.seen <- price.Symbol }

// await waits for a symbol.
func await(t *testing.T, from <-chan ticker.Symbol, want ticker.Symbol) {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case s := <-from:
			if s == want {
				return
			}
		case <-late:
			t.Fatalf("nothing of %s", want)
		}
	}
}

// The adapters understand what is said here, also when they want something else than
// before.
func TestAdapters(t *testing.T) {
	config := standin.Defaults()
	config.Unknown = []ticker.Symbol{"XYZ-USD"}
	addr := serve(t, config)
	for name, s := range sources(addr, "BTC-USD", "XYZ-USD") {
		t.Run(name, func(t *testing.T) {
			ctx, end := context.WithCancel(t.Context())
			var running sync.WaitGroup
			defer running.Wait()
			defer end()
			sink := newPrices()
			running.Go(func() {
				if err := s.Run(ctx, sink); err != nil {
					t.Error(err)
				}
			})
			await(t, sink.seen, "BTC-USD")
			if name != "binance" { // which says nothing of what it does not know
				await(t, sink.refused, "XYZ-USD")
			}
			s.Subscribe([]ticker.Symbol{"ETH-USD"})
			await(t, sink.seen, "ETH-USD")
			if stats := s.Stats(); stats.Bad > 0 || stats.Connects != 1 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

func TestAdaptersCandles(t *testing.T) {
	addr := serve(t, standin.Defaults())
	for name, s := range sources(addr, "BTC-USD") {
		for _, interval := range []time.Duration{time.Minute, 5 * time.Minute, time.Hour, 24 * time.Hour} {
			from := time.Now().Add(-10 * interval).Truncate(interval)
			list, err := s.Candles(t.Context(), "BTC-USD", interval, from)
			least, most := 10, int(time.Since(from)/interval) // another may have ended meanwhile
			if err != nil || len(list) < least || len(list) > most {
				t.Errorf("%s: of %v there are %d, %v", name, interval, len(list), err)
				continue
			}
			for i, c := range list {
				if c.Start != from.Unix()+int64(i)*int64(interval/time.Second) || c.Low.Compare(c.High) > 0 ||
					i > 0 && list[i-1].Close.Compare(c.Open) != 0 {
					t.Errorf("%s: of %v: %v", name, interval, c)
				}
			}
		}
	}
}
