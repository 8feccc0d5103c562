package history

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/ticker"
)

const (
	patience = 20 * time.Second
	source   = "exchange"

	// midnight is one that begins a block of no interval.
	midnight = int64(1_700_006_400)
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// A shop is a history whose parts are moved by hand: nothing happens beside the test.
type shop struct {
	testing.TB
	server  *bus.Server
	clock   int64 // unix seconds
	symbols []ticker.Symbol
	cfg     Config
	*History
}

func newShop(t testing.TB, symbols ...ticker.Symbol) *shop {
	s := &shop{TB: t, server: bustest.New(t), clock: midnight, symbols: symbols, cfg: Defaults()}
	s.restart()
	return s
}

// restart begins anew with what is in the streams, as after a crash.
func (s *shop) restart() {
	s.Helper()
	s.History = New(s.cfg, source, s.symbols, bustest.Connect(s, s.server, "history"), discard())
	s.now = func() time.Time { return time.Unix(s.clock, 0) }
	s.began = s.now()
	if err := s.load(s.Context()); err != nil {
		s.Fatal(err)
	}
	s.pass()
}

// trade is a tick at a time.
func (s *shop) trade(at int64, symbol ticker.Symbol, price ticker.Decimal) {
	s.clock = at
	s.Add(ticker.Tick{TS: at * 1e6, Data: []ticker.Price{{Symbol: symbol, Price: price, Timestamp: at}}})
	for s.takeOver() {
	}
}

// put puts the rows that have closed.
func (s *shop) put() {
	s.Helper()
	if err := s.keeper.putRows(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// turnAll makes all blocks that are ripe, and trims the rows.
func (s *shop) turnAll() {
	s.Helper()
	for ripe, trim := true, true; ripe || trim; {
		if err := s.keeper.turn(s.Context()); err != nil {
			s.Fatal(err)
		}
		_, ripe = s.book.ripe()
		trim = slices.ContainsFunc(s.book.shelves[:], func(shelf shelf) bool { return shelf.trim && shelf.oldest() > 0 })
	}
}

// page is the newest candles, written.
func (s *shop) page(i int, symbol ticker.Symbol, end int64, limit int) []string {
	s.Helper()
	candles, err := s.newest(s.Context(), i, symbol, end, limit)
	if err != nil {
		s.Fatal(err)
	}
	return written(candles)
}

// everything is all candles, however old.
func (s *shop) everything(i int, symbol ticker.Symbol) []string {
	s.Helper()
	slot, _ := s.book.find(symbol)
	candles, err := s.read(s.Context(), i, symbol, s.recent(i, slot), 0, s.clock+1, maxCandles)
	if err != nil {
		s.Fatal(err)
	}
	return written(candles)
}

func written(candles []ticker.Candle) []string {
	texts := []string{}
	for _, c := range candles {
		texts = append(texts, string(c.AppendJSON(nil)))
	}
	return texts
}

func (s *shop) expect(i int, symbol ticker.Symbol, want ...string) {
	s.Helper()
	if got := s.page(i, symbol, 0, 1500); !slices.Equal(got, want) {
		s.Errorf("%s of %s: got %s, want %s", intervals[i].name, symbol, got, want)
	}
}

// text is a candle that begins so many seconds behind midnight.
func text(after int64, prices string) string { return fmt.Sprintf("[%d,%s]", midnight+after, prices) }
