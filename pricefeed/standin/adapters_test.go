package standin_test

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strconv"
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

const patience = time.Minute

// serve runs exchanges until the test ends, and returns them and their address.
func serve(t *testing.T, config standin.Config) (server *standin.Server, addr string) {
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
	return s, listener.Addr().String()
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
	_, addr := serve(t, config)
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
	_, addr := serve(t, standin.Defaults())
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

// trades is a sink that passes on every price.
type trades chan ticker.Price

func (trades) Link(bool)                  {}
func (trades) Heard()                     {}
func (trades) Market(ticker.Symbol, bool) {}
func (c trades) Price(p ticker.Price)     { c <- p }

// next waits for the next price, which must be near another; empty: any.
func (c trades) next(t *testing.T, near ticker.Decimal) ticker.Decimal {
	t.Helper()
	select {
	case p := <-c:
		if near != "" && abs(number(t, p.Price)/number(t, near)-1) > 0.1 {
			t.Errorf("a price of %s, after %s", p.Price, near)
		}
		return p.Price
	case <-time.After(patience):
		t.Fatal("no price")
		return ""
	}
}

func number(t *testing.T, d ticker.Decimal) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(string(d), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// eventually waits for what is done to show.
func eventually(t *testing.T, shows func() bool) {
	t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for late := time.After(patience); !shows(); {
		select {
		case <-again.C:
		case <-late:
			t.Fatal("the fault does not show")
		}
	}
}

func abs(x float64) float64 { return max(x, -x) }

// Whatever an exchange does wrong, no wrong price comes of it, and not many connections;
// when all is well again, there are prices again.
func TestAdaptersFaults(t *testing.T) {
	type shows func(before, now exchange.Stats) bool
	bad := func(before, now exchange.Stats) bool { return now.Bad >= before.Bad+3 }
	outdated := func(before, now exchange.Stats) bool { return now.Outdated >= before.Outdated+3 }
	goesOn := func(before, now exchange.Stats) bool { return now.Messages >= before.Messages+5 }
	connects := func(before, now exchange.Stats) bool { return now.Connects > before.Connects }
	heartbeat := func(before, now exchange.Stats) bool { return now.Messages > before.Messages }
	attempts := func(before, now exchange.Stats) bool { return now.Attempts > before.Attempts }
	var all sync.WaitGroup
	defer all.Wait()
	for _, tt := range []struct {
		faults []string
		shows  shows
		on     []string // exchanges; nil: all
	}{
		{[]string{"garbage=3"}, bad, nil},
		{[]string{"negative=3"}, bad, nil},
		{[]string{"backwards=3"}, outdated, nil},
		{[]string{"duplicate=3"}, outdated, []string{"coinbase"}}, // where there are sequences
		{[]string{"duplicate=3"}, goesOn, []string{"kraken", "binance"}},
		{[]string{"clock=1h"}, goesOn, nil},
		{[]string{"clock=-1h"}, goesOn, nil},
		{[]string{"huge=1"}, connects, nil},
		{[]string{"half=1"}, connects, []string{"coinbase"}}, // whose silence is the shortest
		{[]string{"drop=1"}, connects, nil},
		{[]string{"refuse=503", "drop=1"}, attempts, nil},
		{[]string{"refuse=429", "drop=1"}, attempts, nil},
		{[]string{"heartbeats"}, heartbeat, []string{"coinbase", "kraken"}}, // Binance has none
		{[]string{"maintenance"}, connects, []string{"coinbase", "binance"}},
		{[]string{"maintenance"}, goesOn, []string{"kraken"}},
	} {
		for _, name := range []string{"coinbase", "kraken", "binance"} {
			if tt.on != nil && !slices.Contains(tt.on, name) {
				continue
			}
			check := func(t *testing.T) {
				server, addr := serve(t, standin.Defaults())
				s := sources(addr, "BTC-USD")[name]
				sink := make(trades, 1<<16)
				ctx, end := context.WithCancel(t.Context())
				var running sync.WaitGroup
				defer running.Wait()
				defer end()
				running.Go(func() {
					if err := s.Run(ctx, sink); err != nil {
						t.Error(err)
					}
				})
				right := sink.next(t, "")
				before := s.Stats()
				for _, text := range tt.faults {
					var f standin.Fault
					if err := f.UnmarshalText([]byte(text)); err != nil {
						t.Fatal(err)
					}
					if err := server.Fault(f); err != nil {
						t.Fatal(err)
					}
				}
				eventually(t, func() bool { return tt.shows(before, s.Stats()) })
				server.Mend()
				for range len(sink) + 1 {
					sink.next(t, right)
				}
				if now := s.Stats(); now.Attempts > before.Attempts+10 {
					t.Errorf("%d attempts to connect", now.Attempts-before.Attempts)
				}
			}
			all.Go(func() { t.Run(name+" "+tt.faults[0], check) }) // they wait, most of the time
		}
	}
}
