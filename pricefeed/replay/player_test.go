package replay

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

const interval = 10 * time.Millisecond

// at is a tick of BTC-USD that was recorded so long after the first, and whose price is
// its number.
func at(n int, after time.Duration) string {
	ts := 1700000000_000000 + after.Microseconds()
	p := ticker.Price{Symbol: "BTC-USD", Price: ticker.Decimal(fmt.Sprint(n + 1)), Timestamp: ts / 1e6}
	return string(ticker.Tick{Seq: uint64(n), TS: ts, Data: []ticker.Price{p}}.AppendJSON(nil)) + "\n"
}

// recordingOf is a file of the ticks that were recorded so long after the first.
func recordingOf(t *testing.T, after ...time.Duration) string {
	t.Helper()
	var text strings.Builder
	for n, d := range after {
		text.WriteString(at(n, d))
	}
	return write(t, text.String())
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recording")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sink keeps every price.
type sink struct {
	exchange.Sink // what it does not expect

	prices []ticker.Price
	links  []bool
}

func (s *sink) Price(p ticker.Price) { s.prices = append(s.prices, p) }
func (s *sink) Link(up bool)         { s.links = append(s.links, up) }

// A theatre is a player in a bubble, with one who takes its steps.
type theatre struct {
	*Player
	t     *testing.T
	begin time.Time // of the first step
	now   time.Time
	sink  sink
	ended chan error // of Run
	stop  context.CancelFunc
}

// open begins to play; the first step comes some time later.
func open(t *testing.T, cfg Config, symbols ...ticker.Symbol) *theatre {
	t.Helper()
	if symbols == nil {
		symbols = []ticker.Symbol{"BTC-USD"}
	}
	p, err := NewPlayer(cfg, symbols, interval)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	now := time.Now().Add(1234567 * time.Microsecond)
	th := &theatre{Player: p, t: t, begin: now, now: now, ended: make(chan error, 1), stop: cancel}
	go func() { th.ended <- p.Run(ctx) }()
	t.Cleanup(cancel)
	return th
}

// step is a Step, when all is there that is read ahead, and time goes on.
func (th *theatre) step() []ticker.Price {
	synctest.Wait()
	th.sink.prices = nil
	th.Step(th.now, &th.sink)
	th.now = th.now.Add(interval)
	return th.sink.prices
}

// over reports whether the link is down again.
func (th *theatre) over() bool { return len(th.sink.links) == 2 }

// A showing is when a tick was played, since the first step.
type showing struct {
	after time.Duration
	price ticker.Price
}

// steps takes so many steps and gives all that was played in a step of its own; what
// was merged with a newer one is not in it.
func (th *theatre) steps(count int) (all []showing) {
	for range count {
		after := th.now.Sub(th.begin)
		if prices := th.step(); len(prices) > 0 {
			all = append(all, showing{after, prices[len(prices)-1]})
		}
	}
	return all
}

// end ends Run.
func (th *theatre) end() {
	th.t.Helper()
	th.stop()
	if err := <-th.ended; err != nil {
		th.t.Error(err)
	}
}

// At speed 1, ticks that come when they will, but on average no oftener than steps, are
// played one by one, and none is later than the jitter has it be.
func TestEveryTickIsPlayedByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			const count = 2000
			due := make([]time.Duration, count)
			for n := range due {
				due[n] = time.Duration(n)*interval + time.Duration(random.Int64N(int64(interval))).Truncate(time.Microsecond)
			}
			first := due[0]
			for n := range due {
				due[n] -= first
			}
			th := open(t, Config{File: recordingOf(t, due...), Speed: 1})
			all := th.steps(count + 10)
			if len(all) != count {
				t.Fatalf("%d of %d ticks are played by themselves", len(all), count)
			}
			for n, s := range all {
				if want := ticker.Decimal(fmt.Sprint(n + 1)); s.price.Price != want {
					t.Fatalf("tick %s is played, want %s", s.price.Price, want)
				}
				if late := s.after - due[n]; late < 0 || late >= 2*interval {
					t.Fatalf("tick %d was due at %v, and is played at %v", n, due[n], s.after)
				}
				recorded := (1700000000_000000 + due[n].Microseconds()) / 1e6
				if want := recorded - 1700000000 + th.begin.Unix(); s.price.Timestamp != want {
					t.Fatalf("tick %d has timestamp %d, want %d", n, s.price.Timestamp, want)
				}
			}
			th.end()
		}
	})
}

// At any speed each step has played, in order, what was due long enough before it, and
// nothing before its time.
func TestSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		for _, speed := range []float64{0.1, 0.5, 1, 3.7, 10, 100, 1000} {
			due := make([]time.Duration, 5000)
			for n := range due[1:] {
				due[n+1] = due[n] + time.Duration(random.ExpFloat64()*float64(7*time.Millisecond)).Truncate(time.Microsecond)
			}
			th := open(t, Config{File: recordingOf(t, due...), Speed: speed})
			next := 0 // to be played
			last := th.begin.Unix()
			for !th.over() {
				after := th.now.Sub(th.begin)
				for _, p := range th.step() {
					if want := ticker.Decimal(fmt.Sprint(next + 1)); p.Price != want {
						t.Fatalf("speed %v: tick %s is played, want %s", speed, p.Price, want)
					}
					if early := time.Duration(float64(due[next])/speed) - after; early > time.Microsecond {
						t.Fatalf("speed %v: tick %d is played %v too early", speed, next, early)
					}
					if p.Timestamp < last || p.Timestamp > th.now.Unix() {
						t.Fatalf("speed %v: timestamp %d after %d", speed, p.Timestamp, last)
					}
					last = p.Timestamp
					next++
				}
				if next < len(due) && after-time.Duration(float64(due[next])/speed) > th.maxLag+time.Microsecond {
					t.Fatalf("speed %v: tick %d was due at %v, and is not played at %v", speed, next, due[next], after)
				}
			}
			if next != len(due) {
				t.Errorf("speed %v: %d ticks are played", speed, next)
			}
			th.end()
		}
	})
}

// Ticks that come at once are played one by one, unless that would take too long.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for burst, want := range map[int]int{50: 50, 1000: 102} {
			var due []time.Duration
			for n := range burst {
				due = append(due, time.Duration(n)*time.Microsecond)
			}
			due = append(due, 10*time.Second)
			th := open(t, Config{File: recordingOf(t, due...), Speed: 1})
			all := th.steps(1010)
			if len(all) != want+1 {
				t.Errorf("%d of %d ticks that come at once are played by themselves, want %d", len(all)-1, burst, want)
			}
			if last := all[want-1]; last.after > longestLag+interval || last.price.Price != ticker.Decimal(fmt.Sprint(burst)) {
				t.Errorf("the last of %d is %s at %v", burst, last.price.Price, last.after)
			}
			if last := all[want].after; last != 10*time.Second {
				t.Errorf("the next is at %v", last)
			}
			th.end()
		}
	})
}

func TestRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const long = 3 * time.Second
		th := open(t, Config{File: recordingOf(t, 0, 500*time.Millisecond, long), Speed: 1, Loop: true})
		all := th.steps(int(10 * (long + seam) / interval))
		th.end()
		if len(all) != 30 {
			t.Fatalf("%d ticks are played in ten rounds", len(all))
		}
		for n, s := range all {
			round := time.Duration(n/3) * (long + seam)
			if want := round + []time.Duration{0, 500 * time.Millisecond, long}[n%3]; s.after != want {
				t.Errorf("tick %d is played at %v, want %v", n, s.after, want)
			}
			if age := th.begin.Add(s.after).Unix() - s.price.Timestamp; age < 0 || age > 1 {
				t.Errorf("the price of tick %d is %d s old", n, age)
			}
		}
	})
}

func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := open(t, Config{File: recordingOf(t, 0, interval), Speed: 1})
		for n, want := range []ticker.Decimal{"1", "2", "", ""} {
			prices := th.step()
			if len(prices) != len(want) || len(want) == 1 && prices[0].Price != want {
				t.Errorf("step %d: %v", n, prices)
			}
			if got := th.sink.links; !slices.Equal(got, []bool{true, false}[:min(n+1, 2)]) {
				t.Errorf("step %d: the link is %v", n, got)
			}
		}
		select {
		case err := <-th.ended:
			t.Errorf("Run returns %v", err)
		default:
		}
		th.end()
	})
}

// Times that go back, and pauses that nobody would sit through.
func TestTimesThatLeap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := open(t, Config{File: recordingOf(t, time.Hour, 0, time.Second, 5*time.Hour, 5*time.Hour+time.Second), Speed: 1})
		all := th.steps(7000)
		th.end()
		var got []time.Duration
		for _, s := range all {
			got = append(got, s.after)
			if age := th.begin.Add(s.after).Unix() - s.price.Timestamp; age < 0 || age > 1 {
				t.Errorf("at %v the price is %d s old", s.after, age)
			}
		}
		if want := []time.Duration{0, interval, time.Second, 61 * time.Second, 62 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// An old price stays old, and no price becomes older than it was told to be.
func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := `{"type":"ticker","seq":%d,"ts":%d,"data":[{"symbol":"BTC-USD","price":1,"timestamp":%d}]}` + "\n"
		for speed, want := range map[float64][]int64{1: {-100, -30, -30, 1}, 10: {-10, -3, -3, 0}} {
			th := open(t, Config{File: write(t, fmt.Sprintf(strings.Repeat(line, 4),
				1, 1700000000_000000, 1700000000-100,
				2, 1700000000_010000, 1700000000-30,
				3, 1700000000_020000, 1700000000-3000,
				4, 1700000000_030000, 1700000000+1,
			)), Speed: speed})
			var got []int64
			for range 10 {
				for _, p := range th.step() {
					got = append(got, p.Timestamp-th.begin.Unix())
				}
			}
			th.end()
			if !slices.Equal(got, want) {
				t.Errorf("speed %v: got %v, want %v", speed, got, want)
			}
		}
	})
}

// While no steps are taken, or when the clock is set, the replay stands still.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var due []time.Duration
		for n := range 1000 {
			due = append(due, time.Duration(n)*interval)
		}
		th := open(t, Config{File: recordingOf(t, due...), Speed: 1})
		played := 0
		for _, leap := range []time.Duration{time.Hour, -time.Hour, 2 * time.Second, -30 * 24 * time.Hour, 0} {
			for _, s := range th.steps(100) {
				played++
				if want := ticker.Decimal(fmt.Sprint(played)); s.price.Price != want {
					t.Fatalf("tick %s is played, want %s", s.price.Price, want)
				}
			}
			th.now = th.now.Add(leap)
		}
		if played != 500-4 { // the first step behind a leap is where the last one was
			t.Errorf("%d ticks are played in 500 steps", played)
		}
		th.end()
	})
}

// What is not wanted is not played, and what is wanted must be there.
func TestSymbols(t *testing.T) {
	file := write(t, snapshot+tick+nothing)
	synctest.Test(t, func(t *testing.T) {
		th := open(t, Config{File: file, Speed: 1}, "ETH-USD")
		prices := th.step()
		th.step()
		if len(prices) != 1 || prices[0].Symbol != "ETH-USD" || !th.over() {
			t.Errorf("got %v", prices)
		}
		th.end()
	})
	for want, symbols := range map[string][]ticker.Symbol{
		": no price of ADA-USD, but of BTC-USD, ETH-USD":          {"BTC-USD", "ADA-USD"},
		": no price of SOL-USD, BTC-EUR, but of BTC-USD, ETH-USD": {"SOL-USD", "BTC-EUR"},
	} {
		if _, err := NewPlayer(Config{File: file, Speed: 1}, symbols, interval); err == nil || err.Error() != file+want {
			t.Errorf("%v: %v", symbols, err)
		}
	}
}

func TestListIsShort(t *testing.T) {
	var symbols []ticker.Symbol
	for n := range 12 {
		symbols = append(symbols, ticker.Symbol(fmt.Sprintf("C%d-USD", n)))
	}
	if got := list(symbols[:10]); strings.Count(got, ", ") != 9 || strings.Contains(got, "more") {
		t.Errorf("got %s", got)
	}
	if got, want := list(symbols), "C0-USD, C1-USD, C2-USD, C3-USD, C4-USD, C5-USD, C6-USD, C7-USD, C8-USD, C9-USD and 2 more"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestNewPlayerRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"empty":     {"", ": no prices"},
		"no prices": {nothing, ": no prices"},
		"garbage":   {snapshot + "x\n", ":2: malformed tick: "},
	} {
		file := write(t, tt.text)
		if _, err := NewPlayer(Config{File: file, Speed: 1}, []ticker.Symbol{"BTC-USD"}, interval); err == nil || !strings.HasPrefix(err.Error(), file+tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewPlayer(Config{File: filepath.Join(t.TempDir(), "none"), Speed: 1}, nil, interval); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}

// A fault far behind the beginning is found when it is come to; what was before it is
// played.
func TestFaultFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const good = beginning + 1000
		file := write(t, strings.Join(simulated(good), "")+"x\n")
		th := open(t, Config{File: file, Speed: 1000, Loop: true}, "BTC-USD", "SOL-USD")
		count := 0
		for !th.over() {
			count += len(th.step())
		}
		if err := <-th.ended; err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("%s:%d: malformed tick", file, good+1)) {
			t.Errorf("got %v", err)
		}
		if count != 2*good {
			t.Errorf("%d prices are played", count)
		}
	})
}

// The file is another one when it begins again.
func TestFileChanges(t *testing.T) {
	for want, change := range map[string]func(path string) error{
		"no such file": os.Remove,
		"no prices":    func(path string) error { return os.WriteFile(path, []byte(nothing), 0o600) },
	} {
		synctest.Test(t, func(t *testing.T) {
			file := recordingOf(t, 0, time.Hour)
			th := open(t, Config{File: file, Speed: 1, Loop: true})
			synctest.Wait() // some rounds are read ahead
			if err := change(file); err != nil {
				t.Fatal(err)
			}
			for !th.over() {
				th.step()
			}
			if err := <-th.ended; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Nothing is waited for.
func TestStepBeforeRun(t *testing.T) {
	p, err := NewPlayer(Defaults(), []ticker.Symbol{"BTC-USD"}, interval)
	if err != nil {
		t.Fatal(err)
	}
	p.Step(time.Now(), nil) // has nothing to tell
}

// The recording that ships is played as it is, round after round.
func TestPlayShipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := readAll(t, shipped)
		th := open(t, Defaults(), "BTC-USD", "ETH-USD", "SOL-USD")
		count := 0
		for count < 3*len(want) {
			prices := th.step()
			if len(prices) == 0 {
				continue
			}
			for n, p := range prices {
				w := want[count%len(want)].Data
				if len(prices) != len(w) || p.Symbol != w[n].Symbol || p.Price != w[n].Price {
					t.Fatalf("tick %d: %v, want %v", count, prices, w)
				}
			}
			count++
		}
		if rounds := th.now.Sub(th.begin); rounds < 1797*time.Second || rounds > 1803*time.Second {
			t.Errorf("three rounds take %v", rounds)
		}
		th.end()
	})
}

// A tick at speed 1000: a step has a thousand of these.
func BenchmarkPlay(b *testing.B) {
	path := filepath.Join(b.TempDir(), "recording")
	if err := os.WriteFile(path, compressed(b, simulated(100_000)), 0o600); err != nil {
		b.Fatal(err)
	}
	symbols := []ticker.Symbol{"BTC-USD", "ETH-USD", "SOL-USD"}
	p, err := NewPlayer(Config{File: path, Speed: 1000, Loop: true}, symbols, interval)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	b.ReportAllocs()
	b.ResetTimer()
	var total counted
	now := time.Now()
	for int(total) < 3*b.N {
		before := total
		p.Step(now, &total)
		if total > before {
			now = now.Add(interval)
		} else {
			runtime.Gosched() // nothing is read ahead
		}
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// A step at speed 1, with a tick of three symbols.
func BenchmarkStep(b *testing.B) {
	p := &Player{cfg: Config{Speed: 1}, maxLag: time.Second, told: map[ticker.Symbol]int64{}}
	var t ticker.Tick
	r, err := newReader("recording", io.NopCloser(strings.NewReader(simulated(1)[0])))
	if err != nil {
		b.Fatal(err)
	}
	defer r.close()
	if err := r.next(&t); err != nil {
		b.Fatal(err)
	}
	next := []moment{{0, t.TS, t.Data}}
	var total counted
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		p.next = next
		p.Step(now, &total)
		next[0].at += interval.Microseconds()
		now = now.Add(interval)
	}
	if int(total) != 3*b.N {
		b.Errorf("%d prices in %d steps", total, b.N)
	}
}

// counted is a sink that counts prices.
type counted int

func (c *counted) Price(ticker.Price)         { *c++ }
func (c *counted) Link(bool)                  {}
func (c *counted) Heard()                     {}
func (c *counted) Market(ticker.Symbol, bool) {}
