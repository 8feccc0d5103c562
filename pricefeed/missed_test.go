package pricefeed

import (
	"context"
	"sync"
	"testing"
	"time"

	"tickerd/bus/bustest"
	"tickerd/pricefeed/history"
	"tickerd/ticker"
)

// An asked is a question for the minutes of a symbol.
type asked struct {
	symbol ticker.Symbol
	from   time.Time
}

// fill runs a history, whose exchange has no candles, until the test ends. It returns what
// minutes the exchange is asked for, after those from before the start.
func (x *trio) fill() <-chan asked {
	x.history = history.New(history.Defaults(), SourceComposite, x.symbols, bustest.Connect(x.t, bustest.New(x.t), "history"), discard())
	minutes := make(chan asked, 100)
	ctx, cancel := context.WithCancel(x.t.Context())
	var parts sync.WaitGroup
	parts.Go(func() {
		if err := x.history.Run(ctx); err != nil {
			x.t.Error(err)
		}
	})
	parts.Go(func() {
		x.history.Fill(ctx, func(_ context.Context, s ticker.Symbol, interval time.Duration, from time.Time) ([]ticker.Candle, error) {
			if interval == time.Minute {
				minutes <- asked{s, from}
			}
			return nil, nil
		})
	})
	x.t.Cleanup(func() {
		cancel()
		parts.Wait()
	})
	for range x.symbols {
		expectAsked(x.t, minutes, asked{})
	}
	return minutes
}

// expectAsked waits until that is asked, or with an empty one, until something is.
func expectAsked(t *testing.T, minutes <-chan asked, want asked) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case got := <-minutes:
			if want.symbol == "" || got.symbol == want.symbol && got.from.Equal(want.from) {
				return
			}
		case <-timeout:
			t.Fatalf("%v is not asked for", want)
		}
	}
}

// What was missed while there was no price of a symbol is asked for when there is one
// again: from when it was heard last.
func TestMissed(t *testing.T) {
	x := newTrio(t)
	x.origins[0].past = true
	for _, b := range []*board{x.a, x.b} {
		b.Link(true)
		b.Price(price("A-USD", "100", 10))
		b.Price(price("B-USD", "200", 10))
	}
	x.turn(time.Now())
	minutes := x.fill()

	long, short := time.Now().Add(-20*time.Minute), time.Now().Add(-10*time.Minute)
	x.a.entries[0].heard, x.b.entries[0].heard = long, short
	x.a.entries[1].heard = long
	x.a.Link(false)
	x.turn(time.Now())
	x.b.Link(false)
	x.turn(time.Now())
	x.a.Link(true)
	x.a.Price(price("A-USD", "101", 20))
	x.turn(time.Now())
	expectAsked(t, minutes, asked{"A-USD", short.Truncate(time.Minute)})

	// B-USD has still no price: it is asked for when it has one.
	x.missAll(long, time.Now())
	expectAsked(t, minutes, asked{"A-USD", long.Truncate(time.Minute)})
	select {
	case got := <-minutes:
		if got.symbol == "B-USD" && got.from.Before(short) {
			t.Errorf("asked for %v", got)
		}
	default:
	}
}
