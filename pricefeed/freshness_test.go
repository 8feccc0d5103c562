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
	got := w.watch(time.Now(), w.told, nil)
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

func TestFreshnessHoldsPricesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t)
		w.Link(true)
		w.Price(price("A-USD", "1", 10))
		if got := taken(w.board); len(got) != 0 {
			t.Errorf("before anyone was told that it is live: %v", got)
		}
		w.expect("heard", []string{live, down, down}, 0, 1, 2)
		if got := taken(w.board); len(got) != 1 {
			t.Errorf("live: %v", got)
		}
		w.Price(price("A-USD", "2", 10))
		time.Sleep(30 * time.Second)
		w.expect("30 s later", []string{stale, stale, stale}, 0, 1, 2)
		if got := taken(w.board); len(got) != 0 {
			t.Errorf("stale: %v", got)
		}
		w.Market("A-USD", true)
		w.expect("heartbeat", []string{live, stale, stale}, 0)
		if got := taken(w.board); len(got) != 1 {
			t.Errorf("live again: %v", got)
		}
		time.Sleep(30 * time.Second)
		w.expect("30 s later", []string{stale, stale, stale}, 0)
		w.Market("A-USD", true)
		w.expect("heartbeat", []string{live, stale, stale}, 0)
		if got := taken(w.board); len(got) != 0 {
			t.Errorf("nothing new, but published again: %v", got)
		}
	})
}

func TestSimulatorIsNotWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, told := newBoard([]ticker.Symbol{"A-USD"}, 0), make([]string, 1)
		b.Price(price("A-USD", "1", 10))
		time.Sleep(time.Hour)
		if news := b.watch(time.Now(), told, nil); len(news) != 0 || told[0] != "" {
			t.Errorf("told %v", told)
		}
		if got := taken(b); len(got) != 1 {
			t.Errorf("published %v", got)
		}
	})
}

func TestStatuses(t *testing.T) {
	symbols := []ticker.Symbol{"A-USD", "B-USD", "C-USD", "D-USD"}
	states := []string{live, down, stale, down}
	got := statuses("coinbase", symbols, states, []int{0, 1, 2, 3})
	want := []bus.Status{
		{Type: "status", Source: "coinbase", State: down, Symbols: []string{"B-USD", "D-USD"}},
		{Type: "status", Source: "coinbase", State: stale, Symbols: []string{"C-USD"}},
		{Type: "status", Source: "coinbase", State: live, Symbols: []string{"A-USD"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := statuses("coinbase", symbols, states, []int{3}); !reflect.DeepEqual(got, []bus.Status{{Type: "status", Source: "coinbase", State: down, Symbols: []string{"D-USD"}}}) {
		t.Errorf("of one: %v", got)
	}
	if got := statuses("coinbase", symbols, make([]string, 4), []int{0, 1, 2, 3}); got == nil || len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
}

func TestOverall(t *testing.T) {
	for _, tt := range []struct {
		states []string
		want   string
	}{
		{[]string{down, down}, down},
		{[]string{down, stale}, stale},
		{[]string{stale, down}, stale},
		{[]string{down, stale, live}, live},
	} {
		if got := overall(tt.states); got != tt.want {
			t.Errorf("%v: %s", tt.states, got)
		}
	}
}
