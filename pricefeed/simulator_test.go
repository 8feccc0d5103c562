package pricefeed

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tickerd/ticker"
)

// prices is a sink that keeps every price.
type prices []ticker.Price

func (s *prices) Price(p ticker.Price)       { *s = append(*s, p) }
func (s *prices) Market(ticker.Symbol, bool) {}
func (s *prices) Link(bool)                  {}
func (s *prices) Heard()                     {}

func simulate(seed int64, steps int, symbols ...ticker.Symbol) (all prices) {
	s := newSimulator(symbols, seed)
	for range steps {
		s.Step(time.Unix(1700000000, 999), &all)
	}
	return all
}

// inCents reads a price of two decimals.
func inCents(t *testing.T, p ticker.Decimal) int64 {
	t.Helper()
	whole, fraction, _ := strings.Cut(string(p), ".")
	n, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || len(fraction) != 2 {
		t.Fatalf("price %s has not two decimals", p)
	}
	return n
}

func TestSimulatorMovesEachSymbolOnceAStep(t *testing.T) {
	symbols := []ticker.Symbol{"SOL-USD", "BTC-USD", "ETH-USD", "ABC-EUR"}
	last := map[ticker.Symbol]int64{"BTC-USD": 4200000, "ETH-USD": 250000, "SOL-USD": 9500, "ABC-EUR": 10000}
	for i, p := range simulate(1, 10_000, symbols...) {
		if want := symbols[i%len(symbols)]; p.Symbol != want {
			t.Fatalf("price %d is of %s, want %s", i, p.Symbol, want)
		}
		now, before := inCents(t, p.Price), last[p.Symbol]
		if move := max(now-before, before-now); move == 0 || move*1000 > before {
			t.Fatalf("%s moved from %d to %d cents", p.Symbol, before, now)
		}
		if p.Timestamp != 1700000000 {
			t.Fatalf("timestamp %d", p.Timestamp)
		}
		last[p.Symbol] = now
	}
}

func TestSimulatorSeed(t *testing.T) {
	a, b, other := simulate(7, 100, "BTC-USD"), simulate(7, 100, "BTC-USD"), simulate(8, 100, "BTC-USD")
	if !slices.Equal(a, b) {
		t.Error("one seed, two walks")
	}
	if slices.Equal(a, other) {
		t.Error("two seeds, one walk")
	}
	if slices.Equal(simulate(0, 100, "BTC-USD"), simulate(0, 100, "BTC-USD")) {
		t.Error("seed 0 is not random")
	}
}

// A day has 8.6 million steps.
func TestSimulatorStaysSensible(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, start := range []int64{startBTC, startSOL} {
		w := walk{start: start, price: start}
		lowest, highest := start, start
		for range 8_640_000 {
			w.step(random)
			lowest, highest = min(lowest, w.price), max(highest, w.price)
		}
		if lowest < start*85/100 || highest > start*115/100 {
			t.Errorf("from %d cents to between %d and %d in a day", start, lowest, highest)
		}
		if lowest > start*98/100 || highest < start*102/100 {
			t.Errorf("from %d cents only to between %d and %d in a day", start, lowest, highest)
		}
	}
}

// However it came there, it comes back.
func TestSimulatorReturns(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, from := range []int64{2_000, 19_000, 1_000_000} {
		w := walk{start: 10_000, price: from}
		for range 100_000 {
			before := w.price
			w.step(random)
			if move := max(w.price-before, before-w.price); move*1000 > before {
				t.Fatalf("moved from %d to %d", before, w.price)
			}
		}
		if w.price < 8_500 || w.price > 11_500 {
			t.Errorf("from %d it came to %d", from, w.price)
		}
	}
	w := walk{start: 10_000, price: 999} // a thousandth is less than a cent
	w.step(random)
	if w.price != 999 {
		t.Errorf("moved from 999 to %d", w.price)
	}
}

func TestCents(t *testing.T) {
	for n, want := range map[int64]ticker.Decimal{4200012: "42000.12", 4200000: "42000.00", 9505: "95.05", 1: "0.01"} {
		if got := cents(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
