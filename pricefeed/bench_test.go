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
	f, err := New(cfg, bustest.Connect(b, s, "pricefeed"), s.Node(), discard())
	if err != nil {
		b.Fatal(err)
	}
	lease, err := f.bus.AcquireLease(b.Context(), f.node)
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = lease.Run(b.Context()) }() // ends with the benchmark
	f.hold(lease)
	f.board.Link(true)
	return f
}

// A tick of an exchange: changed of n symbols have a new price.
func BenchmarkTick(b *testing.B) {
	for _, bb := range []struct{ symbols, changed int }{{3, 3}, {2000, 0}, {2000, 200}, {2000, 2000}} {
		b.Run(fmt.Sprintf("%d-of-%d", bb.changed, bb.symbols), func(b *testing.B) {
			f := benchFeed(b, SourceCoinbase, bb.symbols)
			for _, s := range f.symbols {
				f.board.Price(ticker.Price{Symbol: s, Price: "84737.58", Timestamp: 1})
			}
			f.turn(time.Now())
			all := make([]int, bb.changed)
			for i := range all {
				all[i] = i * (bb.symbols / bb.changed)
			}
			b.ReportAllocs()
			for b.Loop() {
				f.board.putBack(&batch{index: all})
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
				simulator.step(now, board)
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
