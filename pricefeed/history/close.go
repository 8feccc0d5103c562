package history

import (
	"context"
	"math"
	"runtime"
	"strconv"
	"time"

	"tickerd/bus"
	"tickerd/ticker"
)

// closeAfter is how long a second is over before it is closed without the tick of
// another: a tick may be late.
const closeAfter = time.Second

// breath is after how many candles others may have the processor.
const breath = 64

// close is the history's one loop: it closes what is over, until ctx ends, and then
// what is open.
func (h *History) close(ctx context.Context) {
	clock := time.NewTicker(closeAfter)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			h.collector.close(math.MaxInt64)
			for h.takeOver() {
			}
			return
		case <-clock.C:
			h.collector.close(h.now().Add(-closeAfter).Unix())
			for h.takeOver() {
			}
			h.pass()
		case <-h.collector.wake:
			for h.takeOver() {
			}
		}
	}
}

// pass closes what is over by the clock.
func (h *History) pass() {
	h.closed = h.book.pass(h.now().Add(-closeAfter).Unix(), h.closed[:0])
	h.spread()
}

// takeOver closes the oldest second that is over, and reports whether there was one.
func (h *History) takeOver() bool {
	over, following := h.collector.next()
	if over == nil {
		return false
	}
	if following == math.MaxInt64 {
		following = over.start // the program ends, the minute does not
	}
	h.closed = h.book.take(over, following, h.closed[:0])
	h.spread()
	h.collector.take()
	return true
}

// spread has the rows kept that have closed, and publishes their candles.
func (h *History) spread() {
	symbols := h.book.names()
	for _, c := range h.closed {
		for _, data := range c.row.encode(symbols) {
			h.keeper.add(encodedRow{c.interval, c.row.start, data})
		}
		if c.interval != fiveMinutes {
			h.publish(c, symbols)
		}
	}
	h.book.reuse(h.closed)
}

// publish publishes the candles of a row. Nothing is tried again: they are kept.
func (h *History) publish(c closed, symbols []ticker.Symbol) {
	interval := intervals[c.interval].name
	for n, slot := range c.row.touched {
		h.message = appendClosed(h.message[:0], symbols[slot], interval, c.row.candles[slot])
		if err := h.bus.Publish(bus.CandleOf(interval, string(symbols[slot])), h.message); err != nil {
			h.keeper.trouble.Do(func() { h.log.Error("publish candles", "err", err) })
			return
		}
		if n%breath == breath-1 {
			runtime.Gosched()
		}
	}
}

// appendClosed appends {"symbol":"BTC-USD","interval":"1m","data":[1700000040,42000.12,42010,41990.5,42001]}.
func appendClosed(dst []byte, symbol ticker.Symbol, interval string, c ticker.Candle) []byte {
	dst = strconv.AppendQuote(append(dst, `{"symbol":`...), string(symbol))
	dst = strconv.AppendQuote(append(dst, `,"interval":`...), interval)
	dst = append(dst, `,"data":`...)
	return append(c.AppendJSON(dst), '}')
}
