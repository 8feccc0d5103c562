package history

import (
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/ticker"
)

func TestCandles(t *testing.T) {
	s := newShop(t, "BTC-USD", "ETH-USD")
	s.trade(midnight, "BTC-USD", "100.00")
	s.trade(midnight, "BTC-USD", "101.50")
	s.trade(midnight, "BTC-USD", "99")
	s.trade(midnight+2, "ETH-USD", "7")
	s.trade(midnight+61, "BTC-USD", "102")
	s.trade(midnight+3600, "BTC-USD", "98.0")

	s.expect(second, "BTC-USD", text(0, "100.00,101.50,99,99"), text(61, "102,102,102,102"), text(3600, "98.0,98.0,98.0,98.0"))
	s.expect(minute, "BTC-USD", text(0, "100.00,101.50,99,99"), text(60, "102,102,102,102"), text(3600, "98.0,98.0,98.0,98.0"))
	s.expect(hour, "BTC-USD", text(0, "100.00,102,99,102"), text(3600, "98.0,98.0,98.0,98.0"))
	s.expect(day, "BTC-USD", text(0, "100.00,102,98.0,98.0"))
	s.expect(second, "ETH-USD", text(2, "7,7,7,7"))
	s.expect(day, "ETH-USD", text(0, "7,7,7,7"))
}

// A minute closes with the tick of the next, not a second later.
func TestClosesAtOnce(t *testing.T) {
	s := newShop(t, "BTC-USD")
	s.trade(midnight+59, "BTC-USD", "1")
	s.trade(midnight+60, "BTC-USD", "2")
	if got := s.book.shelves[minute].tails[intervals[minute].block(midnight)]; got == nil || got.columns[0].data == nil {
		t.Error("the minute is open")
	}
}

func TestPages(t *testing.T) {
	s := newShop(t, "BTC-USD")
	for n := range int64(10) {
		s.trade(midnight+n, "BTC-USD", ticker.Decimal(strconv.FormatInt(n+1, 10)))
	}
	for _, tt := range []struct {
		end   int64
		limit int
		want  []string
	}{
		{0, 2, []string{text(8, "9,9,9,9"), text(9, "10,10,10,10")}},
		{midnight + 5, 2, []string{text(3, "4,4,4,4"), text(4, "5,5,5,5")}},
		{midnight + 1, 5, []string{text(0, "1,1,1,1")}},
		{midnight, 5, []string{}},
		{1 << 60, 1, []string{text(9, "10,10,10,10")}},
		{-1 << 60, 1, []string{}},
	} {
		if got := s.page(second, "BTC-USD", tt.end, tt.limit); !slices.Equal(got, tt.want) {
			t.Errorf("%d before %d: got %s, want %s", tt.limit, tt.end, got, tt.want)
		}
	}
	if _, err := s.newest(t.Context(), second, "DOGE-USD", 0, 1); !errors.Is(err, ErrSymbol) {
		t.Errorf("unknown symbol: %v", err)
	}
}

func TestCrash(t *testing.T) {
	s := newShop(t, "BTC-USD")
	s.trade(midnight+3598, "BTC-USD", "5")
	s.trade(midnight+3600, "BTC-USD", "7")
	s.trade(midnight+3661, "BTC-USD", "6")
	s.trade(midnight+3662, "BTC-USD", "9") // in the open second, and lost
	s.put()
	s.restart()
	s.expect(second, "BTC-USD", text(3598, "5,5,5,5"), text(3600, "7,7,7,7"), text(3661, "6,6,6,6"))
	s.expect(minute, "BTC-USD", text(3540, "5,5,5,5"), text(3600, "7,7,7,7"), text(3660, "6,6,6,6"))
	s.expect(hour, "BTC-USD", text(0, "5,5,5,5"), text(3600, "7,7,6,6"))
	s.expect(day, "BTC-USD", text(0, "5,7,5,6"))

	s.trade(midnight+3663, "BTC-USD", "4")
	s.trade(midnight+7200, "BTC-USD", "8")
	s.expect(hour, "BTC-USD", text(0, "5,5,5,5"), text(3600, "7,7,4,4"), text(7200, "8,8,8,8"))
	s.expect(day, "BTC-USD", text(0, "5,8,4,8"))
}

// The day goes over many blocks of seconds, some of minutes, and none of hours; at any
// moment what is on disk and in memory is all there is.
func TestBlocks(t *testing.T) {
	s := newShop(t, "BTC-USD", "ETH-USD")
	s.cfg.Keep1s = maxKeep
	s.restart()
	want := map[ticker.Symbol]model{"BTC-USD": newModel(), "ETH-USD": newModel()}
	for n := range int64(3000) {
		for symbol, m := range want {
			price := ticker.Decimal(strconv.FormatInt(1000+n*7919%1013, 10))
			s.trade(midnight+n*40, symbol, price)
			m.add(s.clock, price)
		}
		if n%100 == 50 {
			s.put()
			s.turnAll()
		}
		if n%1000 == 400 {
			s.put()
			s.trade(s.clock+1, "BTC-USD", "1000") // closes what would be lost
			want["BTC-USD"].add(s.clock, "1000")
			s.put()
			s.restart()
			want["BTC-USD"].forget(s.clock)
			s.trade(s.clock, "BTC-USD", "1000")
			want["BTC-USD"].add(s.clock, "1000")
		}
	}
	s.put()
	s.turnAll()
	for symbol, m := range want {
		for i := range intervals {
			if got, want := s.everything(i, symbol), m.all(i); !slices.Equal(got, want) {
				t.Errorf("%s %s: %d candles, want %d; the first that differs: %s", symbol, intervals[i].name, len(got), len(want), firstDifference(got, want))
			}
		}
	}
	if first, _, err := s.store.rows.Next(t.Context(), s.store.rowSubject(second), 1); err != nil || first < 2000 {
		t.Errorf("the first row is %d (%v): they were not trimmed", first, err)
	}
}

// A model of one symbol takes every price into every interval.
type model [len(intervals)]map[int64]*ticker.Candle

func newModel() (m model) {
	for i := range m {
		m[i] = map[int64]*ticker.Candle{}
	}
	return m
}

func (m model) add(at int64, price ticker.Decimal) {
	for i, candles := range m {
		start := intervals[i].floor(at)
		if candles[start] == nil {
			candles[start] = &ticker.Candle{Start: start}
		}
		candles[start].Add(price)
	}
}

// forget is for what was lost with the open second: that it changed nothing of longer
// intervals is the test's affair.
func (m model) forget(at int64) { delete(m[second], at) }

func (m model) all(i int) []string {
	var candles []ticker.Candle
	for _, start := range slices.Sorted(maps.Keys(m[i])) {
		candles = append(candles, *m[i][start])
	}
	return written(candles)
}

// Whatever the clock does, a tick is in the candle of its ts.
func TestRandomTimes(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := newShop(t, "BTC-USD")
		s.cfg.Keep1s, s.cfg.Keep1m = maxKeep, maxKeep
		s.restart()
		m := newModel()
		at, latest := midnight, midnight
		for range 400 {
			switch random.IntN(20) {
			case 0:
				at -= random.Int64N(3)
			case 1:
				at -= random.Int64N(100_000)
			case 2:
				at += random.Int64N(100_000)
			case 3:
				s.put()
			case 4:
				s.turnAll()
			default:
				at += random.Int64N(40)
			}
			if len(s.book.shelves[second].tails) == maxTails {
				s.put()
				s.turnAll()
			}
			price := ticker.Decimal(strconv.FormatInt(1000+random.Int64N(1000), 10) + []string{"", ".5", ".50", ".125"}[random.IntN(4)])
			s.trade(at, "BTC-USD", price)
			m.add(at, price)
			latest = max(latest, at)
		}
		s.clock = latest
		for i := range intervals {
			if got, want := s.everything(i, "BTC-USD"), m.all(i); !slices.Equal(got, want) {
				t.Fatalf("seed %d, %s: %d candles, want %d; the first that differs: %s", seed, intervals[i].name, len(got), len(want), firstDifference(got, want))
			}
		}
	}
}

// A clock that was ahead by years for a moment hides nothing when it is right again.
func TestClockAhead(t *testing.T) {
	s := newShop(t, "BTC-USD")
	trade := func(at int64, price ticker.Decimal) {
		s.trade(at, "BTC-USD", price)
		s.turnAll()
	}
	trade(midnight, "1")
	trade(midnight+blockLength, "2")
	trade(midnight+2*blockLength, "3")
	past := []string{text(0, "1,1,1,1"), text(blockLength, "2,2,2,2"), text(2*blockLength, "3,3,3,3")}
	s.expect(second, "BTC-USD", past...)
	trade(midnight+2*365*86400, "4")
	trade(midnight+3*blockLength, "5")
	trade(midnight+4*blockLength, "6") // the other year has become a block
	s.expect(second, "BTC-USD", append(past, text(3*blockLength, "5,5,5,5"), text(4*blockLength, "6,6,6,6"))...)
}

func TestKeep(t *testing.T) {
	s := newShop(t, "BTC-USD")
	s.cfg.Keep1s = minKeep * intervals[second].duration()
	s.cfg.MaxCandles = minKeep
	s.restart()
	s.trade(midnight, "BTC-USD", "1")
	s.trade(midnight+59, "BTC-USD", "2")
	s.trade(midnight+61, "BTC-USD", "3")
	s.expect(second, "BTC-USD", text(59, "2,2,2,2"), text(61, "3,3,3,3"))
	s.trade(midnight+60*60+30, "BTC-USD", "4")
	s.expect(minute, "BTC-USD", text(60, "3,3,3,3"), text(3600, "4,4,4,4"))
}

// Another source's prices are another history.
func TestSources(t *testing.T) {
	s := newShop(t, "BTC-USD")
	s.trade(midnight, "BTC-USD", "1")
	s.trade(midnight+1, "BTC-USD", "2")
	s.put()
	other := New(s.cfg, "simulator", s.symbols, s.bus, discard())
	other.now = s.now
	if err := other.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := other.newest(t.Context(), second, "BTC-USD", 0, 10); err != nil || len(got) > 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestSymbolsComeAndGo(t *testing.T) {
	s := newShop(t, "BTC-USD")
	s.trade(midnight, "BTC-USD", "1")
	s.SetSymbols([]ticker.Symbol{"ETH-USD"})
	s.trade(midnight, "BTC-USD", "2")
	s.trade(midnight, "ETH-USD", "3")
	s.SetSymbols([]ticker.Symbol{"ETH-USD", "BTC-USD"})
	s.trade(midnight+1, "BTC-USD", "4")
	s.expect(second, "BTC-USD", text(0, "1,1,1,1"), text(1, "4,4,4,4"))
	s.expect(second, "ETH-USD", text(0, "3,3,3,3"))
	s.put()
	s.symbols = []ticker.Symbol{"ETH-USD"}
	s.restart()
	s.expect(second, "BTC-USD", text(0, "1,1,1,1"))
}

// What cannot be read costs no more than itself.
func TestDamage(t *testing.T) {
	s := newShop(t, "BTC-USD")
	s.trade(midnight, "BTC-USD", "1")
	s.trade(midnight+1, "BTC-USD", "2")
	s.put()
	for _, damaged := range [][]byte{{}, {rowFormat}, {rowFormat, 2, 3}, {99}, []byte("not a row")} {
		if _, err := s.store.putRow(t.Context(), second, damaged); err != nil {
			t.Fatal(err)
		}
	}
	s.trade(midnight+2, "BTC-USD", "3")
	s.put()
	block := s.store.blockSubject(second, "BTC-USD", intervals[second].block(midnight))
	if _, err := s.store.blocks[second].Put(t.Context(), block, []byte("not a block")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.holes.Put(t.Context(), s.store.holesSubject("BTC-USD"), []byte("[")); err != nil {
		t.Fatal(err)
	}
	s.restart()
	want := []string{text(0, "1,1,1,1"), text(1, "2,2,2,2")}
	s.expect(second, "BTC-USD", want...)
	s.trade(midnight+blockLength, "BTC-USD", "4")
	s.trade(midnight+blockLength+1, "BTC-USD", "5")
	s.put()
	s.turnAll()
	s.expect(second, "BTC-USD", append(want, text(blockLength, "4,4,4,4"), text(blockLength+1, "5,5,5,5"))...)
	if _, err := newFiller(s.History, nil).market(t.Context(), "BTC-USD"); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
	for key, spoil := range map[string]func(*Config){
		"keep_1s":     func(c *Config) { c.Keep1s = 0 },
		"keep_1m":     func(c *Config) { c.Keep1m = -1 },
		"keep_1h":     func(c *Config) { c.Keep1h = 2 * maxKeep },
		"keep_1d":     func(c *Config) { c.Keep1d = daily },
		"max_candles": func(c *Config) { c.MaxCandles = 1 },
	} {
		c := Defaults()
		spoil(&c)
		var bad *bus.KeyError
		if err := c.Validate(); !errors.As(err, &bad) || bad.Key != key {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// However many candles are allowed, it is a time.
func TestMaxCandles(t *testing.T) {
	c := Defaults()
	for most, want := range map[int64]time.Duration{100: 100 * daily, 200_000: c.Keep1d, math.MaxInt64: c.Keep1d} {
		c.MaxCandles = most
		if got := c.keep(day); got != want {
			t.Errorf("%d: %v, want %v", most, got, want)
		}
	}
}

func firstDifference(got, want []string) string {
	for n := range min(len(got), len(want)) {
		if got[n] != want[n] {
			return got[n] + ", want " + want[n]
		}
	}
	return "none"
}
