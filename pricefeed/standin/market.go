package standin

import (
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"tickerd/pricefeed/standin/walk"
	"tickerd/ticker"
)

// A market is a symbol at an exchange.
type market struct {
	name    string        // the exchange's
	symbol  ticker.Symbol // canonical
	walk    *walk.Walk
	premium int64 // over the walk, in millionths: no two exchanges agree
	live    []*topic

	// The last trade, and the day until then.
	quote quote
	dayOf int64 // the minute for which it is known
}

// A quote is what there is to say of a market. Prices are in its smallest steps, sizes in
// hundred-millionths.
type quote struct {
	first            bool // for who hears of it
	at               time.Time
	price, bid, ask  int64
	size             int64
	side             string // of the taker
	sequence         uint64
	trade            uint64
	open, high, low  int64 // of 24 hours
	volume           int64 // of 24 hours
	digits           int
	tradesOfDay      uint64
	bidSize, askSize int64
}

const (
	sizeDigits = 8
	lot        = 100_000_000 // 1, as a size

	// The numbers of a market's first trade are those that an exchange once gave:
	// beyond 32 bits.
	firstSequence = 137_212_619_516
	firstTrade    = 1_102_042_811
)

// newMarket is a market whose walk is at now.
func newMarket(exchange, name string, symbol ticker.Symbol, seed uint64, now time.Time) *market {
	m := &market{name: name, symbol: symbol, walk: walk.New(seed, symbol), premium: premium(exchange, symbol)}
	m.quote.digits = m.walk.Digits
	// A restart goes on, as an exchange does.
	m.quote.sequence = firstSequence + uint64(now.UnixMicro())
	m.quote.trade = firstTrade + uint64(now.UnixMilli())
	return m
}

// premium is within ±0.03 %.
func premium(exchange string, symbol ticker.Symbol) int64 {
	h := fnv.New32a()
	h.Write([]byte(exchange))
	h.Write([]byte(symbol))
	return int64(h.Sum32()%601) - 300
}

// step makes a trade at a time, at one of the two best prices.
func (m *market) step(at time.Time, shift int64, random *rand.Rand) {
	q := &m.quote
	price, within := m.walk.At(at)
	q.side = "buy"
	if random.Uint64()&1 == 0 {
		q.side = "sell"
	}
	half := 1 + random.Int64N(5) // of the spread
	bid, ask := max(price-half, within.Low), min(price+half, within.High)
	q.bid, q.ask = m.here(bid, shift), m.here(ask, shift)
	if q.price = q.ask; q.side == "sell" {
		q.price = q.bid
	}
	q.ask = max(q.ask, q.bid+1)
	q.size = 1 + random.Int64N(lot)
	q.bidSize, q.askSize = 1+random.Int64N(10*lot), 1+random.Int64N(10*lot)
	q.sequence += 1 + random.Uint64N(8) // what is no trade is counted, too
	q.trade++
	q.at = at
	m.renewDay(at, shift)
	q.volume += q.size
	q.tradesOfDay++
	q.high, q.low = max(q.high, q.price), min(q.low, q.price)
}

// renewDay looks at the last 24 hours, once a minute.
func (m *market) renewDay(at time.Time, shift int64) {
	minute := at.Unix() / 60
	if minute == m.dayOf {
		return
	}
	m.dayOf = minute
	end := time.Unix(minute*60, 0)
	day := m.span(end.Add(-24*time.Hour), end, shift)
	m.quote.open, m.quote.high, m.quote.low = day.Open, day.High, day.Low
	m.quote.volume = volume(24 * time.Hour)
	m.quote.tradesOfDay = tradesIn(24 * time.Hour)
}

// span is where the price went here.
func (m *market) span(from, to time.Time, shift int64) walk.Span {
	s := m.walk.Span(from, to)
	return walk.Span{Open: m.here(s.Open, shift), High: m.here(s.High, shift), Low: m.here(s.Low, shift), Close: m.here(s.Close, shift)}
}

// here is the price of the walk at this exchange.
func (m *market) here(price, shift int64) int64 {
	return max(price+price*(m.premium+shift)/million, 1)
}

// Of what was traded long ago nobody knows how much it was.
func volume(d time.Duration) int64    { return int64(d/time.Second) * lot / 50 }
func tradesIn(d time.Duration) uint64 { return uint64(d / time.Second) }

// decimal writes n steps with so many digits behind the point.
func decimal(n int64, digits int) string {
	var room [32]byte
	b := room[:0]
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	var number [20]byte
	text := strconv.AppendInt(number[:0], n, 10)
	for len(text) <= digits {
		text = append(text[:1], text...)
		text[0] = '0'
	}
	b = append(b, text[:len(text)-digits]...)
	if digits > 0 {
		b = append(append(b, '.'), text[len(text)-digits:]...)
	}
	return string(b)
}

// money writes a price.
func (q *quote) money(n int64) string { return decimal(n, q.digits) }

func amount(n int64) string { return decimal(n, sizeDigits) }

// average is something like the average price of the day.
func (q *quote) average() int64 { return (q.high + q.low + q.price) / 3 }

// change is how much the price has moved in 24 hours, and in hundredths of a percent.
func (q *quote) change() (steps, percent int64) {
	steps = q.price - q.open
	return steps, steps * 10_000 / max(q.open, 1)
}
