package walk

import (
	"math/rand/v2"
	"testing"
	"time"
)

// noon is some time that nothing is special about.
var noon = time.Date(2026, 10, 3, 12, 34, 56, 789_000_000, time.UTC)

var lengths = []time.Duration{
	time.Second, time.Minute, 5 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 15 * 24 * time.Hour,
}

// One candle is what the candles of its parts come to, however it is parted.
func TestSpansFit(t *testing.T) {
	w := New(1, "BTC-USD")
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		length := lengths[random.IntN(len(lengths))]
		start := noon.Add(-time.Duration(random.Int64N(int64(5 * 365 * 24 * time.Hour)))).Truncate(time.Second)
		middle := start.Add(time.Duration(random.Int64N(int64(length/time.Second)+1)) * time.Second)
		end := start.Add(length)
		whole := w.Span(start, end)
		if got := w.Span(start, middle).Then(w.Span(middle, end)); got != whole {
			t.Fatalf("%v and %v from %v: %v, as one %v", middle.Sub(start), end.Sub(middle), start, got, whole)
		}
		if whole.Low > min(whole.Open, whole.Close) || whole.High < max(whole.Open, whole.Close) || whole.Low <= 0 {
			t.Fatalf("%v from %v: %v", length, start, whole)
		}
	}
}

// A price is one within the candle of its second, and so of all that this one is part of.
func TestPriceWithinSpan(t *testing.T) {
	w := New(1, "ETH-USD")
	random := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		at := noon.Add(-time.Duration(random.Int64N(int64(24 * time.Hour))))
		second := at.Truncate(time.Second)
		price, within := w.At(at)
		if price < within.Low || price > within.High || within != w.Span(second, second.Add(time.Second)) {
			t.Fatalf("at %v: %d, within %v, which is %v", at, price, within, w.Span(second, second.Add(time.Second)))
		}
	}
	open := w.Span(noon.Truncate(time.Hour), noon)
	if open.Close != w.Price(noon) || open.Close != w.Span(noon, noon).Open {
		t.Errorf("an open candle closes at %d, when the price is %d", open.Close, w.Price(noon))
	}
	last := time.Unix(noon.Unix(), 0)
	if before, after := w.Price(last.Add(-1)), w.Price(last); before-after > 1 || after-before > 1 {
		t.Errorf("%d becomes %d", before, after)
	}
}

// It does not matter what was looked at before, nor by which program.
func TestSameAgain(t *testing.T) {
	a, b := New(7, "XYZ-USD"), New(7, "XYZ-USD")
	for i := range 1000 {
		at := noon.Add(time.Duration(i) * 77 * time.Millisecond)
		b.Span(at.Add(-900*24*time.Hour), at.Add(-time.Hour))
		if x, y := a.Price(at), b.Price(at); x != y {
			t.Fatalf("%d and %d", x, y)
		}
	}
	if other := New(8, "XYZ-USD"); other.Price(noon) == a.Price(noon) && other.Digits == a.Digits {
		t.Error("another seed makes the same prices")
	}
}

// Prices move, on every scale, and not by too much.
func TestRestless(t *testing.T) {
	for _, w := range []*Walk{New(1, "BTC-USD"), New(1, "SOL-USD"), New(1, "ANY-USD")} {
		for _, tt := range []struct {
			length      time.Duration
			least, most int64 // of its range, on average, in millionths of the price
		}{
			{time.Second, 20, 1000},
			{time.Minute, 200, 10_000},
			{24 * time.Hour, 5000, 100_000},
		} {
			var sum int64
			const n = 100
			for i := range n {
				start := noon.Truncate(24 * time.Hour).Add(-time.Duration(i) * tt.length)
				s := w.Span(start, start.Add(tt.length))
				sum += (s.High - s.Low) * 1_000_000 / s.Open
			}
			if mean := sum / n; mean < tt.least || mean > tt.most {
				t.Errorf("in %v a price moves by %d millionths", tt.length, mean)
			}
		}
	}
}

// The era ends, and begins anew; before its beginning nothing moves.
func TestEndOfTime(t *testing.T) {
	w := New(1, "BTC-USD")
	end := time.Unix(era, 0)
	if before, after := w.Price(end.Add(-1)), w.Price(end); before-after > 1 || after-before > 1 {
		t.Errorf("%d becomes %d", before, after)
	}
	if s := w.Span(end.Add(-time.Hour), end.Add(time.Hour)); s.Low <= 0 {
		t.Errorf("%v", s)
	}
	if got := w.Price(time.Unix(-1, 0)); got <= 0 {
		t.Errorf("before all time: %d", got)
	}
}

// BenchmarkPrice is of 2,000 symbols in turn, of which each goes on by a tenth of a second.
func BenchmarkPrice(b *testing.B) {
	walks := make([]*Walk, 2000)
	for i := range walks {
		walks[i] = New(uint64(i), "BTC-USD")
	}
	at := noon
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(walks) == 0 {
			at = at.Add(100 * time.Millisecond)
		}
		walks[i%len(walks)].Price(at)
	}
}

// BenchmarkDay is of a day of minutes.
func BenchmarkDay(b *testing.B) {
	w := New(1, "BTC-USD")
	day := noon.Truncate(24 * time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		for i := range 1440 {
			start := day.Add(time.Duration(i) * time.Minute)
			w.Span(start, start.Add(time.Minute))
		}
	}
}
