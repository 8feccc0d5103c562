package history

import (
	"context"
	"math"
	"math/big"
	"runtime"
	"slices"
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
	second int64 // that pages are of
	pages  [][]byte
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
	f.second, f.pages, f.past = 0, nil, nil
}

// pageSymbols is how many symbols' figures surely fit into a message of NATS, which is
// 1 MiB.
const pageSymbols = 1000

// page answers a request for a page. Its memory is not used again.
func (f *figures) page(ctx context.Context, h *History, page int) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := h.now().Unix(); now != f.second || f.pages == nil {
		if err := f.make(ctx, h); err != nil {
			return nil, err
		}
		f.second = now
	}
	if page < 0 || page >= len(f.pages) {
		return []byte(`{"data":[]}`), nil
	}
	return f.pages[page], nil
}

// make makes the pages.
func (f *figures) make(ctx context.Context, h *History) error {
	if since := h.book.opened(fiveMinutes); since != f.since || f.past == nil {
		f.past, f.since = map[ticker.Symbol]ticker.Candle{}, since
	}
	f.pages = nil
	var pages [][]byte
	for symbols := range slices.Chunk(*h.symbols.Load(), pageSymbols) {
		text, err := f.text(ctx, h, symbols)
		if err != nil {
			return err
		}
		pages = append(pages, text)
	}
	for i, text := range pages {
		if i < len(pages)-1 {
			text = append(text, `,"more":true`...)
		}
		pages[i] = append(text, '}')
	}
	f.pages = pages
	return nil
}

// text is the page of symbols, but for its end.
func (f *figures) text(ctx context.Context, h *History, symbols []ticker.Symbol) ([]byte, error) {
	text := append(make([]byte, 0, len(symbols)*likelyFigures), `{"data":[`...)
	comma := false
	for _, symbol := range symbols {
		whole, err := f.lastDay(ctx, h, symbol)
		if err != nil {
			return nil, err
		}
		if whole.Empty() {
			continue
		}
		if comma {
			text = append(text, ',')
		}
		text, comma = appendFigures(text, symbol, whole), true
		runtime.Gosched()
	}
	return append(text, ']'), nil
}

// likelyFigures is the length of a symbol's.
const likelyFigures = 160

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
