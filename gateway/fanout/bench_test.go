package fanout_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"tickerd/gateway/fanout"
	"tickerd/ticker"
)

// ticks are ticks that differ in their seq only.
type ticks struct {
	msg []byte
	end int // of the seq in msg
}

func newTicks(symbols int) *ticks {
	tick := ticker.Tick{Seq: 1e15, TS: 1700000000123456}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range symbols {
		price := fmt.Sprintf("%d.%02d", rng.IntN(50000), rng.IntN(100))
		tick.Data = append(tick.Data, ticker.Price{Symbol: symbol(i), Price: ticker.Decimal(price), Timestamp: 1700000000 + int64(rng.IntN(4))})
	}
	return &ticks{tick.AppendJSON(nil), len(`{"type":"ticker","seq":1000000000000000`)}
}

// next gives the next tick, good until the one after.
func (k *ticks) next() []byte {
	for i := k.end - 1; ; i-- {
		if k.msg[i] < '9' {
			k.msg[i]++
			return k.msg
		}
		k.msg[i] = '0'
	}
}

// newHub is a hub that has had all before the ticks.
func newHub(t testing.TB) *fanout.Hub {
	t.Helper()
	hub := fanout.NewHub(nil)
	if err := hub.Adopt([]byte(`{"type":"ticker","snapshot":true,"seq":1000000000000000,"ts":1,"data":[]}`), 0); err != nil {
		t.Fatal(err)
	}
	return hub
}

// ring makes messages for a hub that keeps them, without allocating.
type ring struct {
	ticks *ticks
	bufs  [][]byte
	n     int
}

func newRing(symbols int) *ring {
	r := &ring{ticks: newTicks(symbols)}
	for range 12<<20/len(r.ticks.msg) + 2 { // more than a history keeps
		r.bufs = append(r.bufs, slices.Clone(r.ticks.msg))
	}
	return r
}

func (r *ring) next() []byte {
	r.n = (r.n + 1) % len(r.bufs)
	return append(r.bufs[r.n][:0], r.ticks.next()...)
}

// subset is a view of n random symbols.
func subset(rng *rand.Rand, key, n, of int) fanout.View {
	seen := map[ticker.Symbol]bool{}
	for _, i := range rng.Perm(of)[:n] {
		seen[symbol(i)] = true
	}
	return fanout.View{Key: fmt.Sprint(key), Sees: func(s ticker.Symbol) bool { return seen[s] }}
}

// TestTickAllocatesOnlySegments holds that a tick costs the garbage collector
// nothing but now and then a segment.
func TestTickAllocatesOnlySegments(t *testing.T) {
	const streams, symbols = 20, 20
	hub := newHub(t)
	rng := rand.New(rand.NewPCG(1, 1))
	messages := newRing(symbols)
	cursors := make([]fanout.Cursor, streams)
	for i := range cursors {
		cursors[i] = fanout.NewCursor(hub)
		view := subset(rng, i, 1+i, symbols)
		if i%4 == 3 {
			view.Interval = time.Hour // what it will send is noted
		}
		cursors[i].Subscribe(view)
	}
	written := func() (n int64) {
		for i := range cursors {
			n += cursors[i].Stream().Head()
		}
		return n
	}
	tick := func() {
		if err := hub.Tick(messages.next(), 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 500 { // until the segments have their size
		tick()
	}
	const runs = 1000
	before := written()
	n := testing.AllocsPerRun(runs, tick)
	size := float64(written()-before) / runs
	if segments := size / (64 << 10); n > 2*segments+1 { // the segment, and its bytes
		t.Errorf("%v allocations for a tick of %v bytes", n, size)
	}
}

var encodingNames = map[fanout.Encoding]string{fanout.Text: "text", fanout.Deflate: "deflate", fanout.Events: "events"}

func BenchmarkTick(b *testing.B) {
	for _, bench := range []struct {
		symbols, streams, sees int
		encoding               fanout.Encoding
	}{
		{3, 1, 3, fanout.Text},
		{3, 1, 3, fanout.Deflate},
		{3, 1, 3, fanout.Events},
		{3, 1000, 3, fanout.Text},
		{3, 1000, 2, fanout.Text},
		{3, 1000, 2, fanout.Events},
		{2000, 1, 2000, fanout.Text},
		{2000, 1, 2000, fanout.Deflate},
		{2000, 1, 2000, fanout.Events},
		{2000, 1000, 20, fanout.Text},
		{2000, 1000, 20, fanout.Deflate},
		{2000, 1000, 20, fanout.Events},
	} {
		b.Run(fmt.Sprintf("symbols=%d/streams=%d/sees=%d/%s", bench.symbols, bench.streams, bench.sees, encodingNames[bench.encoding]), func(b *testing.B) {
			hub := newHub(b)
			rng := rand.New(rand.NewPCG(1, 1))
			messages := newRing(bench.symbols)
			for v := range bench.streams {
				c := fanout.NewCursor(hub)
				view := subset(rng, v, bench.sees, bench.symbols)
				view.Encoding = bench.encoding
				c.Subscribe(view)
			}
			warm := len(messages.bufs)
			if bench.streams > 1 {
				warm = 100
			}
			for range warm {
				if err := hub.Tick(messages.next(), 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := hub.Tick(messages.next(), 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTickSparse is a tick of 3 symbols among 100,000 streams that see 20 of
// 2,000 each: it comes to 3,000 of them.
func BenchmarkTickSparse(b *testing.B) {
	hub := newHub(b)
	rng := rand.New(rand.NewPCG(1, 1))
	all := newTicks(2000)
	if err := hub.Tick(slices.Clone(all.next()), 0); err != nil {
		b.Fatal(err)
	}
	for v := range 100_000 {
		c := fanout.NewCursor(hub)
		c.Subscribe(subset(rng, v, 20, 2000))
	}
	messages := newRing(3)
	messages.ticks.next()
	b.ReportAllocs()
	for b.Loop() {
		if err := hub.Tick(messages.next(), 0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJoin is a connection that comes to a stream, and goes.
func BenchmarkJoin(b *testing.B) {
	for _, symbols := range []int{3, 2000} {
		for _, encoding := range encodings {
			view := everything
			view.Encoding = encoding
			b.Run(fmt.Sprintf("symbols=%d/%s", symbols, encodingNames[encoding]), func(b *testing.B) {
				hub := newHub(b)
				if err := hub.Tick(newTicks(symbols).next(), 0); err != nil {
					b.Fatal(err)
				}
				first := fanout.NewCursor(hub)
				first.Subscribe(view)
				b.ReportAllocs()
				for b.Loop() {
					c := fanout.NewCursor(hub)
					c.Subscribe(view)
					c.Close()
				}
			})
		}
	}
	b.Run("symbols=2000/alone", func(b *testing.B) {
		hub := newHub(b)
		if err := hub.Tick(newTicks(2000).next(), 0); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			c := fanout.NewCursor(hub)
			c.Subscribe(everything)
			c.Close()
		}
	})
}

// BenchmarkResume is a connection that comes back after 100 ticks.
func BenchmarkResume(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for name, view := range map[string]fanout.View{"everything": everything, "two of three": subset(rng, 1, 2, 3)} {
		b.Run(name, func(b *testing.B) {
			hub := newHub(b)
			messages := newTicks(3)
			for range 200 {
				if err := hub.Tick(slices.Clone(messages.next()), 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				c := fanout.NewCursor(hub)
				c.Resume(view, 1e15+100)
				c.Close()
			}
		})
	}
}

// BenchmarkNext is a cursor that finds the one tick that it has not had.
func BenchmarkNext(b *testing.B) {
	for _, symbols := range []int{3, 2000} {
		for _, encoding := range encodings {
			view := everything
			view.Encoding = encoding
			b.Run(fmt.Sprintf("symbols=%d/%s", symbols, encodingNames[encoding]), func(b *testing.B) {
				hub := newHub(b)
				c := fanout.NewCursor(hub)
				c.Subscribe(view)
				if err := hub.Tick(newTicks(symbols).next(), 0); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if _, count, _ := c.Next(16 << 10); count != 1 {
						b.Fatal(count)
					}
				}
			})
		}
	}
}

// BenchmarkIdleStream tells what a stream with one connection costs when nothing
// has been sent on it, and when one tick has.
func BenchmarkIdleStream(b *testing.B) {
	for _, sent := range []int{0, 1} {
		b.Run(fmt.Sprintf("symbols=2000/sees=20/ticks=%d", sent), func(b *testing.B) {
			const streams = 10_000
			views := make([]fanout.View, streams)
			rng := rand.New(rand.NewPCG(1, 1))
			for i := range views {
				views[i] = subset(rng, i, 20, 2000)
			}
			for b.Loop() {
				hub := newHub(b)
				messages := newTicks(2000)
				if err := hub.Tick(slices.Clone(messages.next()), 0); err != nil {
					b.Fatal(err)
				}
				before := heap()
				cursors := make([]fanout.Cursor, streams)
				for i := range cursors {
					cursors[i] = fanout.NewCursor(hub)
					cursors[i].Subscribe(views[i])
				}
				for range sent {
					if err := hub.Tick(slices.Clone(messages.next()), 0); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(heap()-before)/streams, "B/stream")
				runtime.KeepAlive(cursors)
			}
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
