package walk

import (
	"hash/fnv"
	"math/rand/v2"
	"time"

	"tickerd/ticker"
)

const (
	minute = 60
	hour   = 60 * minute
	day    = 24 * hour

	maxParts = 60
)

// A level is one of those on which time is split.
type level struct {
	parts   int64 // of each part of the level above
	seconds int64 // of such a part
	reach   int64 // 1000/√parts, and a third more: real prices are that restless
}

var levels = [...]level{
	{32, 1024 * day, 235},
	{32, 32 * day, 235},
	{32, day, 235},
	{24, hour, 272},
	{60, minute, 172},
	{60, 1, 172},
}

// era is all of time, from 1970 to 2059; then it begins anew.
const era = 32 * 1024 * day

// Walk is the walk of one symbol. It is for one goroutine: it remembers where it looked
// last.
type Walk struct {
	// Digits are those behind the point: a price of 4200012 with two of them is 42000.12.
	Digits int

	seed  uint64
	whole Span
	last  [len(levels)]struct {
		index int64 // of the part, from 1; 0: none yet
		span  Span
	}
}

// New makes the walk of a symbol, the same for the same seed.
func New(seed uint64, symbol ticker.Symbol) *Walk {
	name := fnv.New64a()
	name.Write([]byte(symbol))
	w := &Walk{seed: mix(seed ^ mix(name.Sum64()))}
	start := w.start(symbol)
	w.whole = Span{Open: start, High: 2 * start, Low: start / 2, Close: start}
	return w
}

// start sets the digits, and gives the price around which all happens: of some six digits
// altogether, so that it can move a hundred steps in a second.
func (w *Walk) start(symbol ticker.Symbol) int64 {
	switch symbol {
	case "BTC-USD":
		w.Digits = 2
		return 42_000_00
	case "ETH-USD":
		w.Digits = 3
		return 2_500_000
	case "SOL-USD":
		w.Digits = 4
		return 95_0000
	}
	w.Digits = 3 + int(w.seed%5)
	return 100_000 + int64(w.seed%900_000)
}

// Price is the price at a time.
func (w *Walk) Price(t time.Time) int64 {
	price, _ := w.At(t)
	return price
}

// At is the price at a time, and the span of the second around it, which the price does not
// leave. Within it, the price goes to the one end, to the other, and to where the next
// second begins.
func (w *Walk) At(t time.Time) (int64, Span) {
	const leg = int64(time.Second) / 3
	s := w.part(len(levels)-1, place(t.Unix()))
	corners := [...]int64{s.Open, s.Low, s.High, s.Close}
	if s.Close < s.Open {
		corners[1], corners[2] = s.High, s.Low
	}
	nanos := int64(t.Nanosecond())
	i := min(nanos/leg, 2)
	from, to := corners[i], corners[i+1]
	return from + (to-from)*min(nanos-i*leg, leg)/leg, s
}

// Span is where the price went from one time to another, exactly for whole seconds. What
// is later than the last whole second counts with the price at its end.
func (w *Walk) Span(from, to time.Time) Span {
	price := w.Price(from)
	s := Span{price, price, price, price}
	at, end := from.Unix(), to.Unix()
	for at < end {
		l := coarsest(place(at), end-at)
		s = s.Then(w.part(l, place(at)/levels[l].seconds))
		at += levels[l].seconds
	}
	if to.After(time.Unix(end, 0)) {
		price := w.Price(to)
		s = s.Then(Span{price, price, price, price})
	}
	return s
}

// coarsest is the level with the longest part that begins at a second and ends within
// others that follow.
func coarsest(at, within int64) int {
	for l, level := range levels {
		if at%level.seconds == 0 && level.seconds <= within {
			return l
		}
	}
	return len(levels) - 1
}

// place is a second of the era.
func place(unix int64) int64 { return max(unix, 0) % era }

// part is a part of a level, by its number in all time.
func (w *Walk) part(l int, index int64) Span {
	last := &w.last[l]
	if last.index == index+1 {
		return last.span
	}
	whole, above := w.whole, index/levels[l].parts
	if l > 0 {
		whole = w.part(l-1, above)
	}
	var room [maxParts]Span
	parts := room[:levels[l].parts]
	random := rand.NewPCG(w.seed, mix(uint64(l)<<56^uint64(above)))
	whole.split(parts, (whole.High-whole.Low)*levels[l].reach/1000, random)
	last.index, last.span = index+1, parts[index%levels[l].parts]
	return last.span
}

// mix spreads the bits of a number (the finalizer of splitmix64).
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
