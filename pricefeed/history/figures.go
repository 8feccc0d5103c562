package history

import (
	"bytes"
	"context"
	"math"
	"math/big"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"time"

	"tickerd/ticker"
)

// window is how far back the figures of 24 hours reach, from the start of the present
// five minutes.
const window = int64(daily / time.Second)

// figures are what became of every symbol in the last 24 hours. They are made when
// they are asked for, at most once a second; and of what has closed, once in five
// minutes.
type figures struct {
	mu     sync.Mutex
	second int64                           // that text is of; 0: none
	text   []byte                          // each symbol's, with a comma behind it
	ends   []int                           // of these in text
	since  int64                           // the start of the five minutes before which past is
	past   map[ticker.Symbol]ticker.Candle // of all that closed before, each with the start of the first
}

// forget has a symbol's made anew.
func (f *figures) forget(s ticker.Symbol) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.second = 0
	delete(f.past, s)
}

// reset has everything made anew.
func (f *figures) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.second, f.past = 0, nil
}

// maxPage is how long the figures of a page become, in bytes, far below the 1 MiB of a
// message of NATS.
const maxPage = 768 << 10

// page answers a request for the figures of the symbols from one on, as many as fit. Its
// memory is not used again.
func (f *figures) page(ctx context.Context, h *History, from int) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := h.now().Unix(); now != f.second {
		if err := f.make(ctx, h); err != nil {
			return nil, err
		}
		f.second = now
	}
	from = min(max(from, 0), len(f.ends))
	next := from + sort.SearchInts(f.ends[from:], f.begin(from)+maxPage)
	text := bytes.TrimSuffix(f.text[f.begin(from):f.begin(next)], []byte(","))
	page := append(append([]byte(`{"data":[`), text...), ']')
	if next < len(f.ends) {
		page = strconv.AppendInt(append(page, `,"next":`...), int64(next), 10)
	}
	return append(page, '}'), nil
}

// begin is where the figures of a symbol stand in text.
func (f *figures) begin(symbol int) int {
	if symbol == 0 {
		return 0
	}
	return f.ends[symbol-1]
}

// make makes the text.
func (f *figures) make(ctx context.Context, h *History) error {
	if since := h.book.opened(fiveMinutes); since != f.since || f.past == nil {
		f.past, f.since = map[ticker.Symbol]ticker.Candle{}, since
	}
	f.second, f.text, f.ends = 0, f.text[:0], f.ends[:0]
	for _, symbol := range *h.symbols.Load() {
		whole, err := f.lastDay(ctx, h, symbol)
		if err != nil {
			return err
		}
		if !whole.Empty() {
			f.text = append(appendFigures(f.text, symbol, whole), ',')
		}
		f.ends = append(f.ends, len(f.text))
		runtime.Gosched()
	}
	return nil
}

// lastDay is the candle of a symbol's last 24 hours.
func (f *figures) lastDay(ctx context.Context, h *History, symbol ticker.Symbol) (whole ticker.Candle, err error) {
	slot, _ := h.book.find(symbol)
	r := h.recent(fiveMinutes, slot)
	whole, known := f.past[symbol]
	if !known {
		candles, err := h.read(ctx, fiveMinutes, symbol, r, f.since-window, f.since, maxCandles)
		if err != nil {
			return whole, err
		}
		whole = join(candles)
		f.past[symbol] = whole
	}
	present := r.open
	if n := len(present); n > 0 && present[n-1].Start != f.since { // others are open meanwhile
		if present, err = h.read(ctx, fiveMinutes, symbol, r, f.since, math.MaxInt64, maxCandles); err != nil {
			return whole, err
		}
	}
	if whole.Empty() {
		return join(present), nil
	}
	whole.Merge(join(present))
	return whole, nil
}

// join makes one candle of many. It starts with the first.
func join(candles []ticker.Candle) (whole ticker.Candle) {
	if len(candles) > 0 {
		whole.Start = candles[0].Start
	}
	for _, c := range candles {
		whole.Merge(c)
	}
	return whole
}

// appendFigures appends
// {"symbol":"BTC-USD","open":41000,"high":42100,"low":40900.5,"last":42000.12,"change":1000.12,"change_percent":2.44,"since":1699913600}.
func appendFigures(dst []byte, symbol ticker.Symbol, c ticker.Candle) []byte {
	dst = append(append(dst, `{"symbol":"`...), symbol...)
	dst = append(append(dst, `","open":`...), c.Open...)
	dst = append(append(dst, `,"high":`...), c.High...)
	dst = append(append(dst, `,"low":`...), c.Low...)
	dst = append(append(dst, `,"last":`...), c.Close...)
	dst = append(append(dst, `,"change":`...), c.Close.Minus(c.Open)...)
	dst = append(append(dst, `,"change_percent":`...), percent(c.Open, c.Close)...)
	dst = strconv.AppendInt(append(dst, `,"since":`...), c.Start, 10)
	return append(dst, '}')
}

// percent is how much a price has changed, in two decimals, half of the last rounded
// away from zero.
func percent(from, to ticker.Decimal) string {
	before, ok := new(big.Rat).SetString(string(from))
	after, ok2 := new(big.Rat).SetString(string(to))
	if !ok || !ok2 || before.Sign() == 0 {
		return "0.00"
	}
	change := after.Sub(after, before)
	change.Quo(change, before).Mul(change, big.NewRat(100, 1))
	text := change.FloatString(2)
	if text == "-0.00" {
		return "0.00"
	}
	return text
}
