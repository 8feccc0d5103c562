package pricefeed

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/ticker"
)

// A trio is a feed of A-USD and B-USD from three sources, which the test speaks for.
// Nobody calls turn but the test.
type trio struct {
	*Feed
	*wire
	a, b, c *board
}

func newTrio(t *testing.T) *trio {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices, bus.StatusNews)
	cfg := Defaults()
	cfg.Source = SourceComposite
	cfg.Symbols = []string{"A-USD", "B-USD"}
	f, err := New(cfg, Parts{Bus: bustest.Connect(t, s, "pricefeed"), Node: s.Node(), Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	f.origins = nil
	for _, name := range []string{"a", "b", "c"} {
		f.origins = append(f.origins, newOrigin(name, f.symbols, time.Minute, nil))
	}
	f.rows = make([][]said, 3)
	lease, err := f.bus.AcquireLease(t.Context(), f.node)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.hold(lease); err != nil {
		t.Fatal(err)
	}
	x := &trio{f, w, f.origins[0].board, f.origins[1].board, f.origins[2].board}
	x.said("a down A-USD,B-USD", "b down A-USD,B-USD", "c down A-USD,B-USD", "composite down A-USD,B-USD")
	return x
}

// said wants exactly these, after a turn or what came before: a tick is "A-USD=1", a
// status "source state symbols [sources]".
func (x *trio) said(want ...string) {
	x.t.Helper()
	if err := x.bus.Flush(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	x.flush()
	var got []string
	for range len(x.msgs) {
		m := <-x.msgs
		if m.Subject == bus.Prices {
			got = append(got, pricesIn(parseTick(x.t, m.Data)))
			continue
		}
		got = append(got, statusIn(x.t, m))
	}
	if !slices.Equal(got, want) {
		x.t.Errorf("got %q, want %q", got, want)
	}
}

func (x *trio) turned(want ...string) {
	x.t.Helper()
	x.turn(time.Now())
	x.said(want...)
}

func pricesIn(tick ticker.Tick) string {
	var list []string
	for _, p := range tick.Data {
		list = append(list, string(p.Symbol)+"="+string(p.Price))
	}
	return strings.Join(list, ",")
}

func statusIn(t *testing.T, m *bus.Msg) string {
	t.Helper()
	s := parseStatus(t, m)
	if whole := s.Source == SourceComposite; whole != (s.PartOf == "") {
		t.Errorf("status %s", m.Data)
	}
	text := s.Source + " " + s.State + " " + strings.Join(s.Symbols, ",")
	if s.Sources != nil {
		text += " " + strings.Join(s.Sources, ",")
	}
	if s.Gone {
		text += " gone"
	}
	return text
}

func TestComposite(t *testing.T) {
	x := newTrio(t)
	x.turned()
	if err := x.Ready(); err == nil || err.Error() != "price feed: composite is down" {
		t.Errorf("ready: %v", err)
	}

	x.a.Link(true)
	x.turned()
	x.a.Price(price("A-USD", "100", 10))
	x.turned("a live A-USD", "composite live A-USD a", "A-USD=100")
	x.b.Link(true)
	x.b.Price(price("A-USD", "103", 10))
	x.turned("b live A-USD", "composite live A-USD a,b", "A-USD=101.5")
	x.c.Link(true)
	x.c.Price(price("A-USD", "101", 9))
	x.c.Price(price("B-USD", "7", 9))
	x.turned("c live A-USD,B-USD", "composite live B-USD c", "composite live A-USD a,b,c", "A-USD=101,B-USD=7")
	if err := x.Ready(); err != nil {
		t.Error(err)
	}

	// What does not move the median is no news.
	x.b.Price(price("A-USD", "104", 10))
	x.turned()

	// One is far off.
	x.b.Price(price("A-USD", "1040", 10))
	x.turned("composite live A-USD a,c", "A-USD=100.5")
	x.b.Price(price("A-USD", "102", 10))
	x.turned("composite live A-USD a,b,c", "A-USD=101")

	// One after the other falls away.
	x.c.Link(false)
	x.turned("c down A-USD,B-USD", "composite down B-USD", "composite live A-USD a,b")
	x.a.Market("A-USD", false)
	x.turned("a down A-USD", "composite live A-USD b", "A-USD=102")
	x.b.Link(false)
	x.turned("b down A-USD", "composite down A-USD")
	if err := x.Ready(); err == nil {
		t.Error("ready without a source")
	}
	x.turned()

	// And comes back.
	x.b.Link(true)
	x.b.Market("A-USD", true)
	x.turned("b live A-USD", "composite live A-USD b")
	x.b.Price(price("A-USD", "50", 11))
	x.turned("A-USD=50")
	x.a.Price(price("A-USD", "100", 11))
	x.turned("a live A-USD", "composite stale A-USD")
	x.a.Price(price("A-USD", "51", 12))
	x.turned("composite live A-USD a,b", "A-USD=50.5")

	if got := x.origins[1].outliers.Load(); got != 2 {
		t.Errorf("b was left out %d times", got)
	}
}

// What is current is what was told.
func TestCompositeCurrent(t *testing.T) {
	x := newTrio(t)
	x.a.Link(true)
	x.a.Price(price("A-USD", "100", 10))
	x.turned("a live A-USD", "composite live A-USD a", "A-USD=100")
	var got []string
	for _, s := range x.current() {
		got = append(got, s.Source+" "+s.State+" "+strings.Join(s.Symbols, ",")+" "+strings.Join(s.Sources, ","))
	}
	want := []string{"a down B-USD ", "a live A-USD ", "b down A-USD,B-USD ", "c down A-USD,B-USD ", "composite down B-USD ", "composite live A-USD a"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Another list of symbols takes effect without anything else being touched.
func TestSubscribe(t *testing.T) {
	x := newTrio(t)
	x.a.Link(true)
	x.a.Price(price("A-USD", "100", 10))
	x.a.Price(price("B-USD", "200", 10))
	x.turned("a live A-USD,B-USD", "composite live A-USD,B-USD a", "A-USD=100,B-USD=200")
	x.list([]ticker.Symbol{"C-USD", "B-USD"})
	x.turned("composite down A-USD gone", "a down A-USD gone", "b down A-USD gone", "c down A-USD gone",
		"a down C-USD", "b down C-USD", "c down C-USD", "composite down C-USD")
	x.a.Price(price("A-USD", "101", 10))
	x.a.Price(price("B-USD", "201", 10))
	x.a.Price(price("C-USD", "301", 10))
	x.turned("a live C-USD", "composite live C-USD a", "C-USD=301,B-USD=201")
	if got := string(x.snapshot()); !strings.Contains(got, "C-USD") || strings.Contains(got, "A-USD") {
		t.Errorf("snapshot %s", got)
	}

	// Who asks is told what is gone, until it is there again.
	gone := func() (symbols []string) {
		for _, s := range x.current() {
			if s.Gone && s.Source == SourceComposite {
				symbols = append(symbols, s.Symbols...)
			}
		}
		return symbols
	}
	x.list([]ticker.Symbol{"C-USD"})
	if got := gone(); !slices.Equal(got, []string{"A-USD", "B-USD"}) {
		t.Errorf("gone are %v", got)
	}
	x.list([]ticker.Symbol{"C-USD", "B-USD"})
	if got := gone(); !slices.Equal(got, []string{"A-USD"}) {
		t.Errorf("gone are %v", got)
	}
}

// However many symbols there are, and however long their names and prices, what is
// answered fits into messages of NATS.
func TestLongestAnswers(t *testing.T) {
	x := newTrio(t)
	var symbols []ticker.Symbol
	for i := range maxSymbols {
		symbols = append(symbols, ticker.Symbol(fmt.Sprintf("%032d-%032d", i, i)))
	}
	x.list(symbols)
	const digits = "123456789012345.123456789012345678" // with more it is no price
	for _, b := range []*board{x.a, x.b, x.c} {
		b.Link(true)
		for _, s := range symbols {
			b.Price(price(s, digits, math.MaxInt64))
		}
	}
	x.turn(time.Now())
	answers := &wire{t, x.conn, make(chan *bus.Msg, 100)}
	if _, err := x.conn.SubscribeChan("answers", answers.msgs); err != nil {
		t.Fatal(err)
	}
	answers.flush()
	x.answer(&bus.Msg{Subject: bus.PriceSnapshot, Reply: "answers"})
	if got := len(parseTick(t, answers.next().Data).Data); got != maxSymbols {
		t.Errorf("a snapshot of %d symbols", got)
	}
	x.answer(&bus.Msg{Subject: bus.PriceStatus, Reply: "answers"})
	for count := 0; count < 4*maxSymbols; {
		var list []bus.Status
		if err := json.Unmarshal(answers.next().Data, &list); err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.State == bus.Live {
				count += len(s.Symbols)
			}
		}
	}
}

// A tick that would be too long is several, each with its number.
func TestTickIsSplit(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices)
	cfg := Defaults()
	cfg.Source = SourceCoinbase
	cfg.Symbols = nil
	for i := range maxSymbols {
		cfg.Symbols = append(cfg.Symbols, strings.Repeat("X", 20)+string(longest(i))+"-"+strings.Repeat("Y", 30))
	}
	f, err := New(cfg, Parts{Bus: bustest.Connect(t, s, "pricefeed"), Node: s.Node(), Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := f.bus.AcquireLease(t.Context(), f.node)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.hold(lease); err != nil {
		t.Fatal(err)
	}
	board := f.origins[0].board
	board.Link(true)
	for _, s := range f.symbols {
		board.Price(price(s, "0."+ticker.Decimal(strings.Repeat("1", 18)), 1<<40))
	}
	f.turn(time.Now())
	var all []ticker.Symbol
	var last ticker.Tick
	for len(all) < len(f.symbols) {
		m := w.next()
		if len(m.Data) > maxTick {
			t.Errorf("%d bytes", len(m.Data))
		}
		tick := parseTick(t, m.Data)
		if last.Seq != 0 && (tick.Seq != last.Seq+1 || tick.TS <= last.TS) {
			t.Errorf("seq %d, ts %d after %d, %d", tick.Seq, tick.TS, last.Seq, last.TS)
		}
		last = tick
		for _, p := range tick.Data {
			all = append(all, p.Symbol)
		}
	}
	if f.counters.ticks.Load() < 2 || !slices.Equal(all, f.symbols) {
		t.Errorf("%d ticks with %d symbols", f.counters.ticks.Load(), len(all))
	}
	f.turn(time.Now())
	if f.counters.prices.Load() != uint64(len(f.symbols)) {
		t.Error("prices are published twice")
	}
}

// longest writes a number in letters, always as long.
func longest(i int) []byte {
	return []byte{'A' + byte(i/676), 'A' + byte(i/26%26), 'A' + byte(i%26)}
}
