package pricefeed

import (
	"fmt"
	"testing"
	"time"

	"tickerd/bus/bustest"
	"tickerd/ticker"
)

func manySymbols(n int) []string {
	symbols := make([]string, n)
	for i := range symbols {
		symbols[i] = fmt.Sprintf("COIN%d-USD", i)
	}
	return symbols
}

// benchFeed is a feed of n symbols that holds the lease; nobody calls turn but
// the benchmark.
func benchFeed(b *testing.B, source string, n int) *Feed {
	s := bustest.New(b)
	cfg := simulated()
	cfg.Source = source
	cfg.Symbols = manySymbols(n)
	f, err := New(cfg, Parts{Bus: bustest.Connect(b, s, "pricefeed"), Node: s.Node(), Log: discard()})
	if err != nil {
		b.Fatal(err)
	}
	lease, err := f.bus.AcquireLease(b.Context(), f.node)
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = lease.Run(b.Context(), func(error) {}) }() // ends with the benchmark
	if err := f.hold(lease); err != nil {
		b.Fatal(err)
	}
	f.origins[0].board.Link(true)
	return f
}

// A tick of an exchange: changed of n symbols have a new price, which comes in and
// goes out.
func BenchmarkTick(b *testing.B) {
	for _, bb := range []struct{ symbols, changed int }{{3, 3}, {2000, 0}, {2000, 200}, {2000, 2000}} {
		b.Run(fmt.Sprintf("%d-of-%d", bb.changed, bb.symbols), func(b *testing.B) {
			f := benchFeed(b, SourceCoinbase, bb.symbols)
			board := f.origins[0].board
			bring := func(n int, price ticker.Decimal) {
				for i := range n {
					board.Price(ticker.Price{Symbol: f.symbols[i*(bb.symbols/n)], Price: price, Timestamp: 1})
				}
			}
			bring(bb.symbols, "84737.58")
			f.turn(time.Now())
			digits := [...]ticker.Decimal{"84737.57", "84737.58"}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				bring(bb.changed, digits[n%2])
				f.turn(time.Now())
			}
			if f.counters.failures.Load() > 0 {
				b.Error("ticks were lost")
			}
			b.ReportMetric(float64(len(f.message.Data)), "B/tick")
		})
	}
}

// A tick of the simulator, step included.
func BenchmarkTickSimulator(b *testing.B) {
	for _, n := range []int{3, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := benchFeed(b, SourceSimulator, n)
			b.ReportAllocs()
			for b.Loop() {
				f.turn(time.Now())
			}
			if f.counters.failures.Load() > 0 {
				b.Error("ticks were lost")
			}
		})
	}
}

func BenchmarkSimulatorStep(b *testing.B) {
	for _, n := range []int{3, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			cfg := Config{Symbols: manySymbols(n)}
			symbols, err := cfg.symbols()
			if err != nil {
				b.Fatal(err)
			}
			board, simulator, now := newBoard(symbols, 0), newSimulator(symbols, 1), time.Now()
			b.ReportAllocs()
			for b.Loop() {
				simulator.Step(now, board)
			}
		})
	}
}

// A price of an exchange, onto a board of 2,000 symbols.
func BenchmarkBoardPrice(b *testing.B) {
	cfg := Config{Symbols: manySymbols(2000)}
	symbols, err := cfg.symbols()
	if err != nil {
		b.Fatal(err)
	}
	board := newBoard(symbols, time.Second)
	p := ticker.Price{Symbol: symbols[1000], Price: "84737.58"}
	b.ReportAllocs()
	for b.Loop() {
		p.Timestamp++
		board.Price(p)
	}
}
