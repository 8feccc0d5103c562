package history

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/ticker"
)

// run runs a history on the clock of the world, until stop.
func run(t *testing.T, server *bus.Server) (h *History, stop func()) {
	t.Helper()
	h = New(Defaults(), source, []ticker.Symbol{"BTC-USD", "ETH-USD"}, bustest.Connect(t, server, "history"), discard())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	stop = func() {
		t.Helper()
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
			done <- nil
		case <-time.After(patience):
			t.Fatal("Run goes on")
		}
	}
	t.Cleanup(stop)
	return h, stop
}

// ask requests, of a history that may not have come so far, and returns the answer.
func ask(t *testing.T, conn *bus.Conn, subject string, request any) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		var answer json.RawMessage
		err := conn.Request(ctx, subject, request, &answer)
		if errors.Is(err, bus.ErrNoResponders) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
}

func tick(at time.Time, symbol ticker.Symbol, price ticker.Decimal) ticker.Tick {
	return ticker.Tick{TS: at.UnixMicro(), Data: []ticker.Price{{Symbol: symbol, Price: price, Timestamp: at.Unix()}}}
}

// What was published before an orderly end is there after the next start, the open
// second too.
func TestRun(t *testing.T) {
	server := bustest.New(t)
	listener := bustest.Connect(t, server, "listener")
	closed := make(chan *bus.Msg, 100)
	if _, err := listener.SubscribeChan("ticker.candles.>", closed); err != nil {
		t.Fatal(err)
	}
	if err := listener.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, stop := run(t, server)
	now := time.Now().Truncate(time.Second)
	h.Add(tick(now, "BTC-USD", "42000.10"))
	h.Add(tick(now.Add(time.Second/2), "BTC-USD", "41999"))

	select { // nothing else comes, and yet it closes
	case m := <-closed:
		want := `{"symbol":"BTC-USD","interval":"1s","data":[` + jsonInt(now.Unix()) + `,42000.10,42000.10,41999,41999]}`
		if m.Subject != "ticker.candles.1s.BTC-USD" || string(m.Data) != want {
			t.Errorf("%s %s, want %s", m.Subject, m.Data, want)
		}
	case <-time.After(patience):
		t.Fatal("no candle")
	}
	h.Add(tick(time.Now(), "ETH-USD", "7"))
	request := bus.CandlesRequest{Symbol: "ETH-USD", Interval: "1d", Limit: 1}
	before := ask(t, listener, bus.PriceCandles, request)
	if !strings.HasSuffix(before, ",7,7,7,7]]}") {
		t.Errorf("got %s", before)
	}
	stop()
	_, stop = run(t, server)
	if got := ask(t, listener, bus.PriceCandles, request); got != before {
		t.Errorf("after a restart: got %s, want %s", got, before)
	}
	stats := ask(t, listener, bus.PriceStats, struct{}{})
	for _, want := range []string{`{"data":[{"symbol":"BTC-USD","open":42000.10,"high":42000.10,"low":41999,"last":41999,"change":-1.10,"change_percent":0.00,`, `{"symbol":"ETH-USD","open":7,`} {
		if !strings.Contains(stats, want) {
			t.Errorf("got %s, want %s in it", stats, want)
		}
	}
	stop()
}

func jsonInt(n int64) string {
	text, _ := json.Marshal(n)
	return string(text)
}

func TestBadRequests(t *testing.T) {
	server := bustest.New(t)
	run(t, server)
	conn := bustest.Connect(t, server, "asker")
	good := bus.CandlesRequest{Symbol: "BTC-USD", Interval: "1m", Limit: 500}
	if got, want := ask(t, conn, bus.PriceCandles, good), `{"symbol":"BTC-USD","interval":"1m","data":[]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for reason, request := range map[Error]any{
		ErrRequest:  "no object",
		ErrSymbol:   bus.CandlesRequest{Symbol: "DOGE-USD", Interval: "1m", Limit: 1},
		ErrInterval: bus.CandlesRequest{Symbol: "BTC-USD", Interval: "5m", Limit: 1},
		ErrLimit:    bus.CandlesRequest{Symbol: "BTC-USD", Interval: "1m", Limit: maxLimit + 1},
	} {
		if got, want := ask(t, conn, bus.PriceCandles, request), `{"error":"`+string(reason)+`"}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Who reads while the book takes in what has closed never misses a price.
func TestReadBesideClosing(t *testing.T) {
	s := newShop(t, "BTC-USD")
	const seconds = 3000
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range int64(seconds) {
			at := midnight + n
			s.Add(ticker.Tick{TS: at * 1e6, Data: []ticker.Price{{Symbol: "BTC-USD", Price: price(midnight + 60*n), Timestamp: at}}})
			for s.takeOver() {
			}
		}
	}()
	slot, _ := s.book.find("BTC-USD")
	last := ticker.Decimal("0")
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		r := s.recent(day, slot)
		if len(r.open) == 0 {
			continue
		}
		newest := r.open[len(r.open)-1].Close
		if newest.Compare(last) < 0 {
			t.Fatalf("the last price was %s, and then %s", last, newest)
		}
		last = newest
	}
	if want := price(midnight + 60*(seconds-1)); last != want {
		t.Errorf("the last price is %s, want %s", last, want)
	}
}

// A store that cannot be had yet is waited for.
func TestFillWaits(t *testing.T) {
	h := New(Defaults(), source, nil, nil, discard())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.Fill(ctx, nil) // returns
}

func TestIndex(t *testing.T) {
	x := newIndex(Config{Keep1s: 3 * blockLength * time.Second})
	s := series{second, "BTC-USD"}
	x.add(s, 1)
	if _, _, known := x.get(s); known {
		t.Error("a list that was not read is known")
	}
	_, changes, _ := x.get(s)
	x.add(s, 2)
	x.set(s, []int64{1}, changes)
	if _, _, known := x.get(s); known {
		t.Error("a list is known that was read before a block came")
	}
	_, changes, _ = x.get(s)
	x.set(s, []int64{1, 2}, changes)
	for _, block := range []int64{3, 7, 5, 6, 6} {
		x.add(s, block)
	}
	if got, _, _ := x.get(s); !slices.Equal(got, []int64{1, 2, 3, 5, 6, 7}) {
		t.Errorf("got %v", got)
	}
	for block := range int64(1000) {
		x.add(s, block)
	}
	if got, _, known := x.get(s); known {
		t.Errorf("%d are known, of three", len(got))
	}
}

// While the store does not answer, what waits for it is bounded.
func TestBounds(t *testing.T) {
	s := newShop(t, "BTC-USD")
	s.book.attend(s.collector)
	for n := range maxRows + 10 {
		s.keeper.add(encodedRow{second, int64(n), []byte{rowFormat}})
	}
	if first, _ := s.keeper.first(); len(s.keeper.rows) != maxRows || first.start != 10 {
		t.Errorf("%d rows wait, the first is %d", len(s.keeper.rows), first.start)
	}
	s.keeper.rows = nil
	for n := range int64(maxOver + 10) {
		s.Add(ticker.Tick{TS: (midnight + n) * 1e6, Data: []ticker.Price{{Symbol: "BTC-USD", Price: "1"}}})
	}
	if got := len(s.collector.over); got != maxOver || s.collector.over[0].start != midnight {
		t.Errorf("%d seconds wait, the first is %d", got, s.collector.over[0].start)
	}
	for s.takeOver() {
	}
	for n := range int64(maxTails + 5) {
		s.trade(midnight+(n+2)*blockLength, "BTC-USD", "1")
	}
	if got := len(s.book.shelves[second].tails); got != maxTails {
		t.Errorf("%d tails wait", got)
	}
}

// What nobody takes is bounded, and the newest of it is there.
func TestUnattended(t *testing.T) {
	c := newCollector()
	c.follow(map[ticker.Symbol]int{"BTC-USD": 0})
	const seconds = 3 * maxUnattended
	for n := range int64(seconds) {
		c.add(ticker.Tick{TS: n * 1e6, Data: []ticker.Price{{Symbol: "BTC-USD", Price: "1"}}})
	}
	if got := len(c.over); got > maxUnattended || c.over[got-1].start != seconds-2 {
		t.Errorf("%d seconds wait, the last is %d", got, c.over[got-1].start)
	}
}

// Two nodes hear the same ticks. One of them keeps them; when it ends, orderly or by a
// crash, the other goes on where it ended, with what it has heard meanwhile.
func TestSuccession(t *testing.T) {
	for _, crash := range []bool{false, true} {
		first := newShop(t, "BTC-USD")
		first.book.attend(first.collector)
		other := &shop{TB: t, server: first.server, clock: midnight, symbols: first.symbols, cfg: first.cfg}
		other.History = New(other.cfg, source, other.symbols, bustest.Connect(t, other.server, "history"), discard())
		other.now = func() time.Time { return time.Unix(other.clock, 0) }

		hear := func(at int64, price ticker.Decimal) {
			first.trade(midnight+at, "BTC-USD", price)
			other.clock = midnight + at
			other.Add(ticker.Tick{TS: (midnight + at) * 1e6, Data: []ticker.Price{{Symbol: "BTC-USD", Price: price, Timestamp: midnight + at}}})
		}
		for n := range int64(90) {
			hear(n, ticker.Decimal(strconv.FormatInt(100+n%7, 10)))
			if n < 80 {
				first.put()
			}
		}
		if !crash {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			first.close(ctx)
			first.put()
		}
		want, wantMinutes := first.everything(0, "BTC-USD"), first.everything(1, "BTC-USD")

		if err := other.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		other.book.attend(other.collector)
		other.pass()
		for other.takeOver() {
		}
		if got := other.everything(0, "BTC-USD"); !slices.Equal(got, want) {
			t.Errorf("crash %v: seconds\n%s, want\n%s", crash, got, want)
		}
		if got := other.everything(1, "BTC-USD"); !slices.Equal(got, wantMinutes) {
			t.Errorf("crash %v: minutes\n%s, want\n%s", crash, got, wantMinutes)
		}
	}
}

// A row that cannot be put is put when the store answers again.
func TestStoreFails(t *testing.T) {
	s := newShop(t, "BTC-USD")
	s.trade(midnight, "BTC-USD", "1")
	s.trade(midnight+1, "BTC-USD", "2")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.keeper.putRows(gone); err == nil {
		t.Error("the row was put")
	}
	s.put()
	s.restart()
	s.expect(second, "BTC-USD", text(0, "1,1,1,1"))
}

func TestFillBesideRun(t *testing.T) {
	server := bustest.New(t)
	h, stop := run(t, server)
	asked := make(chan time.Duration, 100)
	ctx, cancel := context.WithCancel(t.Context())
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		h.Fill(ctx, func(_ context.Context, s ticker.Symbol, d time.Duration, from time.Time) ([]ticker.Candle, error) {
			if s != "BTC-USD" || d != time.Hour {
				return nil, nil
			}
			asked <- d
			start := time.Now().Add(-2 * d).Truncate(d).Unix()
			return []ticker.Candle{{Start: start, Open: "1.50", High: "2", Low: "1", Close: "1.75"}}, nil
		})
	}()
	conn := bustest.Connect(t, server, "asker")
	for range 2 { // the second request comes behind the first answer
		select {
		case <-asked:
		case <-time.After(patience):
			t.Fatal("not asked")
		}
	}
	request := bus.CandlesRequest{Symbol: "BTC-USD", Interval: "1h", Limit: 10}
	if got := ask(t, conn, bus.PriceCandles, request); !strings.Contains(got, ",1.50,2,1,1.75]]}") {
		t.Errorf("got %s", got)
	}
	cancel()
	<-filled
	stop()
}
