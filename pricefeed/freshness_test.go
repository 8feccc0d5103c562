package pricefeed

import (
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tickerd/bus"
	"tickerd/ticker"
)

const (
	live  = bus.Live
	stale = bus.Stale
	down  = bus.Down
)

// watched is a board of A-USD, B-USD and C-USD with a stale_after of 30 s, and
// what has been told of it.
type watched struct {
	*board
	t    *testing.T
	told []string
}

func newWatched(t *testing.T) *watched {
	return &watched{newBoard([]ticker.Symbol{"A-USD", "B-USD", "C-USD"}, 30*time.Second), t, make([]string, 3)}
}

// expect watches, and checks the states and which of them are news.
func (w *watched) expect(when string, states []string, news ...int) {
	w.t.Helper()
	var got []int
	if w.watch(time.Now()) {
		got = w.correct(w.told, nil)
	}
	if !slices.Equal(w.told, states) || !slices.Equal(got, news) {
		w.t.Errorf("%s: %v, news %v; want %v, news %v", when, w.told, got, states, news)
	}
}

func TestFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t)
		w.expect("at first", []string{down, down, down}, 0, 1, 2)
		w.expect("still", []string{down, down, down})

		w.Link(true)
		w.expect("connected", []string{down, down, down})
		w.Price(price("A-USD", "1", 10))
		w.Market("B-USD", true)
		w.Market("C-USD", false)
		w.Market("X-USD", true)
		w.expect("heard", []string{live, live, down}, 0, 1)

		time.Sleep(20 * time.Second)
		w.Market("B-USD", true)
		time.Sleep(10*time.Second - 1)
		w.expect("just before", []string{live, live, down})
		time.Sleep(1 * time.Nanosecond)
		w.expect("30 s after the price", []string{stale, live, down}, 0)
		time.Sleep(20 * time.Second)
		w.expect("30 s after the heartbeat", []string{stale, stale, down}, 1)

		w.Market("A-USD", true)
		w.Price(price("C-USD", "1", 10))
		w.expect("heard again", []string{live, stale, live}, 0, 2)
		w.Market("A-USD", false)
		w.expect("delisted", []string{down, stale, live}, 0)
	})
}

func TestFreshnessOverConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t)
		w.Link(true)
		time.Sleep(time.Second)
		w.Market("A-USD", true)
		w.Market("B-USD", true)
		w.expect("heard", []string{live, live, down}, 0, 1, 2)
		time.Sleep(time.Second)

		w.Link(false)
		w.expect("disconnected", []string{down, down, down}, 0, 1)
		time.Sleep(time.Second)
		w.Link(true)
		w.expect("connected, nothing heard", []string{down, down, down})
		time.Sleep(time.Second)
		w.Market("A-USD", true)
		w.expect("one heard", []string{live, down, down}, 0)
		time.Sleep(29 * time.Second)
		w.expect("30 s after the connection", []string{live, stale, stale}, 1, 2)

		// Too short to be seen: nothing is told, but the symbol must be heard anew.
		w.Link(false)
		w.Link(true)
		w.expect("at once", []string{live, stale, stale})
		time.Sleep(30 * time.Second)
		w.expect("30 s later", []string{stale, stale, stale}, 0)
	})
}

func TestGrouped(t *testing.T) {
	g := grouped{}
	for _, s := range []struct {
		state  string
		from   sources
		symbol ticker.Symbol
	}{{live, 0b101, "A-USD"}, {down, 0, "B-USD"}, {live, 0b1, "C-USD"}, {stale, 0, "D-USD"}, {down, 0, "E-USD"}, {live, 0b101, "F-USD"}} {
		g.add(s.state, s.from, s.symbol)
	}
	status := func(state string, sources []string, symbols ...string) bus.Status {
		return bus.Status{Type: "status", Source: "composite", State: state, Symbols: symbols, Sources: sources}
	}
	got := g.statuses("composite", []*origin{{name: "coinbase"}, {name: "kraken"}, {name: "binance"}})
	want := []bus.Status{
		status(down, nil, "B-USD", "E-USD"),
		status(stale, nil, "D-USD"),
		status(live, []string{"coinbase"}, "C-USD"),
		status(live, []string{"coinbase", "binance"}, "A-USD", "F-USD"),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := (grouped{}).statuses("composite", nil); got == nil || len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
}

func TestBest(t *testing.T) {
	for _, tt := range []struct {
		states []string
		want   string
	}{
		{[]string{down, down}, down},
		{[]string{down, stale}, stale},
		{[]string{stale, down}, stale},
		{[]string{down, stale, live}, live},
	} {
		if got := best(tt.states); got != tt.want {
			t.Errorf("%v: %s", tt.states, got)
		}
	}
}
