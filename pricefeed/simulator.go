package pricefeed

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// Where the simulator's prices start, in cents.
const (
	startBTC   = 42_000_00
	startETH   = 2_500_00
	startSOL   = 95_00
	startOther = 100_00
)

// largestMove is what divides a price to give the largest move of one step: a
// step is at most 0.1 %.
const largestMove = 1000

// A simulator is a random walk of every symbol, in whole cents. The higher a
// price is above its start, the likelier it falls, and the other way round: it
// stays within some 10 % of the start for as long as it runs. It is never zero,
// for it moves by a thousandth of itself at most.
type simulator struct {
	random *rand.Rand
	walks  []walk
}

type walk struct {
	symbol       ticker.Symbol
	start, price int64 // cents
}

// newSimulator gives the same prices for the same seed and symbols, unless seed
// is 0.
func newSimulator(symbols []ticker.Symbol, seed int64) *simulator {
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	if seed == 0 {
		random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	s := &simulator{random: random}
	s.subscribe(symbols)
	return s
}

// Run is a player's.
func (s *simulator) Run(context.Context) error { return nil }

// subscribe makes symbols those of the simulator. Those that it had go on.
func (s *simulator) subscribe(symbols []ticker.Symbol) {
	before := s.walks
	s.walks = make([]walk, len(symbols))
	for i, symbol := range symbols {
		start := startOf(symbol)
		s.walks[i] = walk{symbol, start, start}
		if n := slices.IndexFunc(before, func(w walk) bool { return w.symbol == symbol }); n >= 0 {
			s.walks[i] = before[n]
		}
	}
}

// goOn begins at prices, which another simulator has ended at.
func (s *simulator) goOn(prices map[ticker.Symbol]ticker.Price) {
	for i := range s.walks {
		w := &s.walks[i]
		if units, places, ok := prices[w.symbol].Price.Units(); ok && places == 2 && units > 0 {
			w.price = units
		}
	}
}

func startOf(s ticker.Symbol) int64 {
	switch s {
	case "BTC-USD":
		return startBTC
	case "ETH-USD":
		return startETH
	case "SOL-USD":
		return startSOL
	}
	return startOther
}

// Step moves every price once and puts it into sink.
func (s *simulator) Step(now time.Time, sink exchange.Sink) {
	for i := range s.walks {
		w := &s.walks[i]
		w.step(s.random)
		sink.Price(ticker.Price{Symbol: w.symbol, Price: cents(w.price), Timestamp: now.Unix()})
	}
}

// step moves the price by 1 cent to 0.1 %. It rises with the probability
// 1 − price / 2·start.
func (w *walk) step(random *rand.Rand) {
	largest := w.price / largestMove
	if largest == 0 {
		return
	}
	move := 1 + random.Int64N(largest)
	if random.Int64N(2*w.start) < w.price {
		move = -move
	}
	w.price += move
}

// cents writes n cents in dollars: 4200012 is "42000.12".
func cents(n int64) ticker.Decimal {
	var buf [24]byte
	b := strconv.AppendInt(buf[:0], n/100, 10)
	b = append(b, '.', byte('0'+n/10%10), byte('0'+n%10))
	return ticker.Decimal(b)
}
