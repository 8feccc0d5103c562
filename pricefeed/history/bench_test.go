package history

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/ticker"
)

func manySymbols(n int) []ticker.Symbol {
	symbols := make([]ticker.Symbol, n)
	for i := range symbols {
		symbols[i] = ticker.Symbol(fmt.Sprintf("COIN%d-USD", i))
	}
	return symbols
}

// ticksOf are 100 ticks of as many changes as a tick has when there are 20,000 a second.
func ticksOf(symbols []ticker.Symbol) []ticker.Tick {
	ticks := make([]ticker.Tick, 100)
	changes := min(200, len(symbols))
	for n := range ticks {
		for i := range changes {
			symbol := symbols[(n*changes+i)%len(symbols)]
			price := ticker.Decimal(strconv.Itoa(42000+(n*7919+i)%100) + ".12")
			ticks[n].Data = append(ticks[n].Data, ticker.Price{Symbol: symbol, Price: price})
		}
	}
	return ticks
}

// A tick of 200 changes of 2,000 symbols, 100 of them a second.
func BenchmarkAdd(b *testing.B) {
	h := New(Defaults(), source, manySymbols(2000), nil, discard())
	ticks := ticksOf(*h.symbols.Load())
	at := midnight * 1e6
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		t := ticks[n%len(ticks)]
		n++
		at += 10_000
		t.TS = at
		h.Add(t)
		if over, _ := h.collector.next(); over != nil {
			h.collector.take()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*len(ticks[0].Data)), "ns/change")
}

// A second of 2,000 candles: into the book, encoded, and published.
func BenchmarkClose(b *testing.B) {
	s := newShop(b, manySymbols(2000)...)
	ticks := ticksOf(s.symbols)
	at := midnight
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for _, t := range ticks[:10] {
			t.TS = at * 1e6
			s.Add(t)
		}
		at++
		s.collector.close(at)
		s.keeper.rows = s.keeper.rows[:0]
		b.StartTimer()
		s.takeOver()
	}
}

// keepMany fills blocks of seconds, of as many symbols as there are, with candles before
// midnight.
func (s *shop) keepMany(candles int64) {
	s.Helper()
	in := intervals[second]
	for n, symbol := range s.symbols {
		price := int64(4_200_000 + n)
		for begin := midnight - candles; begin < midnight; {
			block := in.block(begin)
			var list []ticker.Candle
			for ; begin < min(midnight, in.begin(block+1)); begin++ {
				price += (begin*7919)%101 - 50
				list = append(list, ticker.Candle{Start: begin, Open: cents(price), High: cents(price + 31), Low: cents(price - 17), Close: cents(price + 5)})
			}
			if err := s.store.putBlock(s.Context(), second, symbol, block, list); err != nil {
				s.Fatal(err)
			}
		}
	}
}

func cents(n int64) ticker.Decimal { return ticker.Decimal(ticker.AppendUnits(nil, n, 2)) }

// A page of 1,500 candles that are all on disk.
func BenchmarkPage(b *testing.B) {
	s := newShop(b, "BTC-USD")
	s.keepMany(10_000)
	request, _ := json.Marshal(bus.CandlesRequest{Symbol: "BTC-USD", Interval: "1s", Limit: 1500})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.candles(b.Context(), request); err != nil {
			b.Fatal(err)
		}
	}
}

// A million candles, read back over the bus in pages of 1,500.
func BenchmarkMillion(b *testing.B) {
	s := newShop(b, manySymbols(20)...)
	const each = 50_000
	s.cfg.Keep1s = 2 * each * time.Second
	s.restart()
	s.keepMany(each)
	requests := make(chan *bus.Msg, 1)
	if _, err := s.bus.SubscribeQueueChan(bus.PriceCandles, queue, requests); err != nil {
		b.Fatal(err)
	}
	go s.answer(b.Context(), requests)
	conn := bustest.Connect(b, s.server, "asker")
	pages := 0
	for b.Loop() {
		candles := 0
		for _, symbol := range s.symbols {
			for end := midnight; end > midnight-each; end -= 1500 {
				var page struct{ Data []json.RawMessage }
				request := bus.CandlesRequest{Symbol: string(symbol), Interval: "1s", Limit: 1500, End: end}
				if err := conn.Request(b.Context(), bus.PriceCandles, request, &page); err != nil {
					b.Fatal(err)
				}
				candles += len(page.Data)
				pages++
			}
		}
		if candles < 1_000_000 {
			b.Fatalf("%d candles", candles)
		}
	}
	b.ReportMetric(float64(pages)/b.Elapsed().Seconds(), "pages/s")
}

// The figures of 2,000 symbols: all of them, and what is made every second.
func BenchmarkFigures(b *testing.B) {
	for _, all := range []bool{true, false} {
		b.Run(fmt.Sprintf("all=%t", all), func(b *testing.B) {
			s := newShop(b, manySymbols(2000)...)
			for n := range int64(289) {
				for _, t := range ticksOf(s.symbols)[:10] {
					t.TS = (midnight + n*300) * 1e6
					s.Add(t)
				}
				s.clock = midnight + n*300
				for s.takeOver() {
				}
				s.keeper.rows = s.keeper.rows[:0]
			}
			b.ReportAllocs()
			for b.Loop() {
				s.figures.second = 0
				if all {
					s.figures.past = nil
				}
				if _, err := s.figures.page(b.Context(), s.History, 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(s.figures.text)), "B")
		})
	}
}

// A start with 2,000 symbols, when the most rows are there.
func BenchmarkStart(b *testing.B) {
	s := newShop(b, manySymbols(2000)...)
	ticks := ticksOf(s.symbols)[:10]
	bytes := 0
	for i := range intervals {
		r := new(row)
		start := intervals[i].begin(intervals[i].block(midnight))
		for n := range int64(blockLength - 1) {
			r.reset(start + n*intervals[i].length)
			for k, t := range ticks {
				for j, p := range t.Data {
					r.at(k*200 + j).Add(p.Price)
				}
			}
			data := r.encode(s.symbols)[0]
			bytes += len(data)
			if _, err := s.store.putRow(b.Context(), i, data); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		s.restart()
	}
	b.ReportMetric(float64(bytes)/1e6, "MB")
}
