package history

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"tickerd/ticker"
)

// An archive is an exchange that has traded since from, but for a rest: its price is the
// minute, counted from midnight.
type archive struct {
	from int64
	most int // candles of a request
	rest hole

	mu      sync.Mutex
	refuses int // so many requests
	asked   map[string]int
}

func (a *archive) ask(_ context.Context, _ ticker.Symbol, d time.Duration, from time.Time) ([]ticker.Candle, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuses > 0 {
		a.refuses--
		return nil, errors.New("too many requests")
	}
	a.asked[d.String()]++
	length := int64(d.Seconds())
	var candles []ticker.Candle
	for n := range int64(a.most) {
		start := max(from.Unix(), a.from) + n*length
		if rests := start >= a.rest.From && start+length <= a.rest.To; !rests && start < midnight+86400 {
			candles = append(candles, a.candle(start, length))
		}
	}
	return candles, nil
}

func (a *archive) candle(start, length int64) ticker.Candle {
	low, high := price(start), price(start+length-60)
	return ticker.Candle{Start: start, Open: low, High: high, Low: low, Close: high}
}

func price(at int64) ticker.Decimal {
	return ticker.Decimal(strconv.FormatInt(1_000_000+(at-midnight)/60, 10))
}

// fillUp fills until there is nothing to fill.
func (s *shop) fillUp(a *archive) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.keeper.run(ctx)
	}()
	f := newFiller(s.History, a.ask)
	for {
		asked, failed := f.round(ctx)
		if asked == 0 && !failed {
			break
		}
		for _, m := range f.markets {
			m.due = time.Time{}
		}
	}
	cancel()
	<-done
}

func TestFill(t *testing.T) {
	s := newShop(t, "BTC-USD")
	a := &archive{from: midnight - 2*86400, most: 300, asked: map[string]int{}}
	s.clock = midnight + 7230
	s.pass()
	s.trade(s.clock, "BTC-USD", "500")
	s.fillUp(a)
	for i, want := range map[int]int{minute: 2*1440 + 120, hour: 48 + 2, day: 2} {
		closed := s.everything(i, "BTC-USD")
		closed = closed[:len(closed)-1]
		if len(closed) != want {
			t.Errorf("%s: %d candles, want %d", intervals[i].name, len(closed), want)
		}
		for n, got := range closed {
			start := a.from + int64(n)*intervals[i].length
			if want := string(a.candle(start, intervals[i].length).AppendJSON(nil)); got != want {
				t.Fatalf("%s: got %s, want %s", intervals[i].name, got, want)
			}
		}
	}
	// The open candles are made of what was filled, and of ours.
	s.expectLast(minute, text(7200, "500,500,500,500"))
	s.expectLast(day, text(0, "1000000,1000119,500,500"))
	asked := a.asked["1m0s"]
	s.restart()
	s.fillUp(a)
	if got := a.asked["1m0s"]; got != asked {
		t.Errorf("%d requests more, for what is there", got-asked)
	}
}

func (s *shop) expectLast(i int, want string) {
	s.Helper()
	got := s.everything(i, "BTC-USD")
	if got[len(got)-1] != want {
		s.Errorf("open %s: got %s, want %s", intervals[i].name, got[len(got)-1], want)
	}
}

// A candle of ours is there before an exchange's; it is widened where the exchange has
// seen more of its interval.
func TestFillKeepsOurs(t *testing.T) {
	s := newShop(t, "BTC-USD")
	a := &archive{from: midnight - 86400, most: 300, asked: map[string]int{}}
	s.trade(midnight, "BTC-USD", "500")
	s.fillUp(a)
	s.trade(midnight+60, "BTC-USD", "501")
	s.trade(midnight+61, "BTC-USD", "502")
	s.put()
	s.restart() // what was lost is the second 61
	s.clock = midnight + 300
	s.fillUp(a)
	want := []string{text(0, "500,500,500,500"), text(60, "1000001,1000001,501,501"), text(120, "1000002,1000002,1000002,1000002")}
	if got := s.everything(minute, "BTC-USD")[1440:][:3]; !slices.Equal(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The minute in which the program ended is asked, though it has begun another since.
func TestFillWidensTheLastMinute(t *testing.T) {
	s := newShop(t, "BTC-USD")
	a := &archive{from: midnight - 86400, most: 300, asked: map[string]int{}}
	s.fillUp(a)
	s.trade(midnight+60, "BTC-USD", "501")
	s.trade(midnight+61, "BTC-USD", "502")
	s.put()
	s.clock = midnight + 300
	s.restart()
	s.fillUp(a)
	want := []string{text(60, "1000001,1000001,501,501"), text(120, "1000002,1000002,1000002,1000002")}
	if got := s.everything(minute, "BTC-USD")[1440:][:2]; !slices.Equal(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What was missed while the program ran is asked for, each interval when it is over.
func TestFillWhatWasMissed(t *testing.T) {
	s := newShop(t, "BTC-USD")
	a := &archive{from: midnight - 86400, most: 300, asked: map[string]int{}}
	s.clock += 10
	s.fillUp(a)
	s.trade(midnight+10, "BTC-USD", "500")
	s.trade(midnight+70, "BTC-USD", "501")
	s.trade(midnight+200, "BTC-USD", "502")
	s.trade(midnight+201, "BTC-USD", "502")
	asked := a.asked["1m0s"]
	s.Missed("BTC-USD", time.Unix(midnight+80, 0), time.Unix(midnight+190, 0))
	s.fillUp(a)
	s.expectMinutes(text(0, "1000000,1000000,500,500"), text(60, "1000001,1000001,501,501"), text(120, "1000002,1000002,1000002,1000002"), text(180, "502,502,502,502"))
	s.put()
	s.restart() // it is known which minute is still to be asked for
	s.trade(midnight+250, "BTC-USD", "503")
	s.trade(midnight+300, "BTC-USD", "504")
	s.fillUp(a)
	s.expectMinutes(text(0, "1000000,1000000,500,500"), text(60, "1000001,1000001,501,501"), text(120, "1000002,1000002,1000002,1000002"),
		text(180, "1000003,1000003,502,502"), text(240, "503,503,503,503"))
	if got := a.asked["1m0s"] - asked; got != 2 {
		t.Errorf("asked for minutes %d times", got)
	}
	s.trade(midnight+3600, "BTC-USD", "505")
	s.clock += int64(settle / time.Second)
	s.fillUp(a)
	if got, want := s.everything(hour, "BTC-USD")[24], text(0, "1000000,1000059,500,504"); got != want {
		t.Errorf("the hour: got %s, want %s", got, want)
	}
}

// expectMinutes wants these to be the first of the day.
func (s *shop) expectMinutes(want ...string) {
	s.Helper()
	if got := s.everything(minute, "BTC-USD")[1440:]; !slices.Equal(got[:len(want)], want) {
		s.Errorf("got %s, want %s", got, want)
	}
}

// Where nothing was traded for longer than a page is, there may be more before.
func TestFillBeyondARest(t *testing.T) {
	s := newShop(t, "BTC-USD")
	a := &archive{from: midnight - 2*86400, most: 300, rest: hole{midnight - 12*3600, midnight}, asked: map[string]int{}}
	s.clock = midnight
	s.fillUp(a)
	if got := len(s.everything(minute, "BTC-USD")); got != 36*60 {
		t.Errorf("%d minutes, want those of 36 hours", got)
	}
	if pages := a.asked["1m0s"]; pages > 1+36*60/pageLength+2 {
		t.Errorf("asked for %d pages", pages)
	}
}

func TestFillFails(t *testing.T) {
	s := newShop(t, "BTC-USD")
	a := &archive{from: midnight - 86400, most: 300, refuses: 1, asked: map[string]int{}}
	s.clock = midnight + int64(settle/time.Second)
	s.fillUp(a)
	if got := s.everything(hour, "BTC-USD"); len(got) != 24 {
		t.Errorf("%d hours, want 24", len(got))
	}
}

// What is still to be filled is known after a crash.
func TestFillGoesOn(t *testing.T) {
	s := newShop(t, "BTC-USD")
	a := &archive{from: midnight - 86400, most: 300, asked: map[string]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.keeper.run(ctx)
	}()
	f := newFiller(s.History, a.ask)
	if asked, failed := f.round(ctx); asked != 4 || failed {
		t.Errorf("asked %d times, failed %t", asked, failed)
	}
	cancel()
	<-done
	if got := len(s.everything(minute, "BTC-USD")); got != 300 {
		t.Errorf("%d minutes, want 300", got)
	}
	s.restart()
	s.trade(midnight+60, "BTC-USD", "1")
	s.clock += int64(settle / time.Second)
	s.fillUp(a)
	if got := len(s.everything(minute, "BTC-USD")); got != 1440+2 {
		t.Errorf("%d minutes, want a day of them and two", got)
	}
}

func TestSound(t *testing.T) {
	c := ticker.Candle{Start: 60, Open: "2", High: "3", Low: "1", Close: "2"}
	spoilt := []func(*ticker.Candle){
		func(c *ticker.Candle) { c.Start = 61 },
		func(c *ticker.Candle) { c.Start = 0 },
		func(c *ticker.Candle) { c.Start = 120 },
		func(c *ticker.Candle) { c.High = "1" },
		func(c *ticker.Candle) { c.Low = "4" },
		func(c *ticker.Candle) { c.Low = "0" },
		func(c *ticker.Candle) { c.Close = "" },
		func(c *ticker.Candle) { c.Open = "2x" },
	}
	given := []ticker.Candle{c, c}
	for _, spoil := range spoilt {
		bad := c
		spoil(&bad)
		given = append(given, bad)
	}
	if got := sound(given, intervals[minute], 60, 120); len(got) != 1 || got[0] != c {
		t.Errorf("got %v", got)
	}
}

func TestHoles(t *testing.T) {
	h := holes{}
	expect := func(want ...hole) {
		t.Helper()
		if got := h["1m"]; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	h.add(minute, hole{200, 300})
	h.add(minute, hole{0, 100})
	h.add(minute, hole{250, 350})
	h.add(minute, hole{400, 400})
	expect(hole{0, 100}, hole{200, 350})
	for before, want := range map[int64]hole{1000: {200, 350}, 300: {200, 300}, 200: {0, 100}, 0: {}} {
		if got, found := h.newest(minute, before); got != want || found != (want != hole{}) {
			t.Errorf("the newest before %d is %v", before, got)
		}
	}
	h.filled(minute, 220, 300)
	expect(hole{0, 100}, hole{200, 220}, hole{300, 350})
	h.add(minute, hole{100, 320})
	expect(hole{0, 350})
	h.filled(minute, -60, 360)
	expect()
	for n := range int64(2 * maxHoles) {
		h.add(minute, hole{10 * n, 10*n + 5})
	}
	if got := h["1m"]; len(got) != maxHoles || got[0].From != 10*maxHoles {
		t.Errorf("%d holes are remembered, from %d", len(got), got[0].From)
	}
}
