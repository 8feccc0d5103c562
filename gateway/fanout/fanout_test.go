package fanout_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
	"tickerd/ticker"
)

// message is what a client makes of a frame.
type message struct {
	Type     string
	Snapshot bool
	Seq      uint64
	TS       int64
	Data     []struct {
		Symbol    string
		Price     json.Number
		Timestamp int64
	}
}

// parse takes frames apart.
func parse(t *testing.T, frames []byte) (list []message) {
	t.Helper()
	for len(frames) > 0 {
		n, ok := frame.Len(frames)
		if !ok || n > len(frames) {
			t.Fatalf("torn frame: %d of %d bytes", len(frames), n)
		}
		payload := frames[:n]
		for header := 2; header <= 10; header++ {
			if payload[header] == '{' {
				payload = payload[header:]
				break
			}
		}
		var m message
		if err := json.Unmarshal(payload, &m); err != nil {
			t.Fatalf("%v in %q", err, payload)
		}
		list = append(list, m)
		frames = frames[n:]
	}
	return list
}

// exchange makes ticks, and remembers the truth after each.
type exchange struct {
	rng    *rand.Rand
	hub    *fanout.Hub
	seq    uint64
	prices map[string]string
	truth  map[uint64]map[string]string // by seq
	news   map[uint64][]string          // the symbols that each tick changed
}

func newExchange(rng *rand.Rand, hub *fanout.Hub) *exchange {
	return &exchange{
		rng: rng, hub: hub, prices: map[string]string{},
		truth: map[uint64]map[string]string{0: {}}, news: map[uint64][]string{},
	}
}

func symbol(i int) ticker.Symbol { return ticker.Symbol(fmt.Sprintf("S%d-USD", i)) }

func (e *exchange) tick(t *testing.T) {
	t.Helper()
	e.seq += 1 + uint64(e.rng.IntN(3))
	tick := ticker.Tick{Seq: e.seq, TS: int64(e.seq) * 1000}
	for i := range 8 {
		if e.rng.IntN(4) > 0 {
			continue
		}
		price := fmt.Sprintf("%d.%02d", e.rng.IntN(1000)+1, e.rng.IntN(100))
		tick.Data = append(tick.Data, ticker.Price{Symbol: symbol(i), Price: ticker.Decimal(price), Timestamp: 1})
		e.prices[string(symbol(i))] = price
		e.news[e.seq] = append(e.news[e.seq], string(symbol(i)))
	}
	if tick.Data == nil {
		e.seq-- // nothing changed, nothing is published
		return
	}
	now := map[string]string{}
	maps.Copy(now, e.prices)
	e.truth[e.seq] = now
	if err := e.hub.Tick(tick.AppendJSON(nil), 1); err != nil {
		t.Fatal(err)
	}
}

// client is a connection that checks everything it is sent.
type client struct {
	cursor  fanout.Cursor
	rules   ticker.Rules
	every   time.Duration
	prices  map[string]string
	seq     uint64
	skipped int
}

func (c *client) view() fanout.View {
	rules := c.rules
	return fanout.View{Key: strings.Join(rules, ","), Sees: rules.Match, Interval: c.every}
}

// take checks frames against the truth: after each, the client's prices are
// those of its seq, and no tick that changed one was left out.
func (c *client) take(t *testing.T, e *exchange, frames []byte) {
	t.Helper()
	for _, m := range parse(t, frames) {
		if m.Type != "ticker" {
			continue
		}
		if m.Snapshot {
			c.prices = map[string]string{}
		} else {
			if m.Seq <= c.seq {
				t.Fatalf("seq %d after %d", m.Seq, c.seq)
			}
			if c.every == 0 {
				c.checkNoneLeftOut(t, e, m.Seq)
			}
		}
		c.seq = m.Seq
		for _, d := range m.Data {
			if !c.rules.Match(ticker.Symbol(d.Symbol)) {
				t.Fatalf("got %s with %v", d.Symbol, c.rules)
			}
			c.prices[d.Symbol] = d.Price.String()
		}
		for s, p := range e.truth[m.Seq] {
			if c.rules.Match(ticker.Symbol(s)) && c.prices[s] != p {
				t.Fatalf("%s is %q at seq %d, want %q (%v)", s, c.prices[s], m.Seq, p, c.rules)
			}
		}
	}
}

func (c *client) checkNoneLeftOut(t *testing.T, e *exchange, seq uint64) {
	t.Helper()
	for s := c.seq + 1; s < seq; s++ {
		if slices.ContainsFunc(e.news[s], func(n string) bool { return c.rules.Match(ticker.Symbol(n)) }) {
			t.Fatalf("tick %d was left out between %d and %d (%v)", s, c.seq, seq, c.rules)
		}
	}
}

// read takes what is there, in pieces of most bytes.
func (c *client) read(t *testing.T, e *exchange, most int) {
	t.Helper()
	for {
		frames, count, kept := c.cursor.Next(most)
		if !kept {
			c.skipped++
			c.take(t, e, c.cursor.Snapshot(nil))
			continue
		}
		if count == 0 {
			return
		}
		if got := len(parse(t, frames)); got != count {
			t.Fatalf("%d frames, said to be %d", got, count)
		}
		c.cursor.Advance(len(frames))
		c.take(t, e, frames)
	}
}

func randomRules(rng *rand.Rand) ticker.Rules {
	var r ticker.Rules
	if rng.IntN(2) == 0 {
		r = r.Subscribe("*")
	}
	for range rng.IntN(4) {
		if s := string(symbol(rng.IntN(8))); rng.IntN(3) == 0 {
			r = r.Unsubscribe(s)
		} else {
			r = r.Subscribe(s)
		}
	}
	return r
}

// TestContract is the promise itself: whatever clients subscribe to, at whichever
// pace they read, their prices are right after every message, and nothing is left
// out between two messages without "snapshot".
func TestContract(t *testing.T) {
	intervals := []time.Duration{0, 0, 30 * time.Millisecond, 250 * time.Millisecond}
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			hub := fanout.NewHub()
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = hub.Run(ctx) })
			e := newExchange(rng, hub)
			clients := make([]*client, 12)
			for i := range clients {
				clients[i] = &client{cursor: fanout.NewCursor(hub), rules: randomRules(rng), every: intervals[rng.IntN(len(intervals))]}
				c := clients[i]
				c.take(t, e, c.cursor.Subscribe(c.view(), nil))
			}
			skipped := 0
			for range 1500 {
				for range rng.IntN(3) {
					e.tick(t)
				}
				time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
				synctest.Wait()
				c := clients[rng.IntN(1+rng.IntN(len(clients)))] // the last ones are slow
				switch rng.IntN(12) {
				case 0:
					c.rules = randomRules(rng)
					c.take(t, e, c.cursor.Subscribe(c.view(), nil))
				case 1:
					c.rules = c.rules.Unsubscribe(string(symbol(rng.IntN(8))))
					c.take(t, e, c.cursor.Switch(c.view(), nil))
				case 2:
					c.every = intervals[rng.IntN(len(intervals))]
					c.take(t, e, c.cursor.Subscribe(c.view(), nil))
				case 3: // comes back after a while, with what it has
					c.read(t, e, 1)
					c.cursor.Close()
					if c.every == 0 && hub.CanResume(c.seq) {
						c.take(t, e, c.cursor.Resume(c.view(), c.seq, nil))
					} else {
						c.take(t, e, c.cursor.Subscribe(c.view(), nil))
					}
				default:
					c.read(t, e, 1+rng.IntN(4000))
				}
				skipped += c.skipped
			}
			if skipped == 0 {
				t.Error("no client fell behind: the test does not reach that")
			}
			for _, c := range clients {
				c.cursor.Close()
			}
			cancel()
			running.Wait()
		})
	}
}

func TestTickIsPassedOnByteForByte(t *testing.T) {
	hub := fanout.NewHub()
	c := fanout.NewCursor(hub)
	c.Subscribe(fanout.View{Key: "*", Sees: func(ticker.Symbol) bool { return true }}, nil)
	const odd = `{"seq":7, "data":[ {"timestamp":1,"symbol":"A-B","price":1.50,"more":{}}],"ts":5,"type":"ticker"}`
	if err := hub.Tick([]byte(odd), 0); err != nil {
		t.Fatal(err)
	}
	frames, _, _ := c.Next(1)
	if want := frame.AppendText(nil, []byte(odd)); string(frames) != string(want) {
		t.Errorf("got %q, want %q", frames, want)
	}
}

func TestTicksRefused(t *testing.T) {
	tick := func(seq uint64) []byte {
		return ticker.Tick{Seq: seq, TS: 1, Data: []ticker.Price{{Symbol: "A-B", Price: "1"}}}.AppendJSON(nil)
	}
	hub := fanout.NewHub()
	for _, step := range []struct {
		msg  []byte
		term uint64
		want error
	}{
		{tick(5), 3, nil},
		{tick(6), 2, fanout.ErrOldTerm},
		{tick(5), 3, fanout.ErrOldSeq},
		{tick(4), 4, fanout.ErrOldSeq},
		{[]byte("rubbish"), 4, ticker.ErrTick},
		{tick(6), 4, nil},
		{tick(7), 3, fanout.ErrOldTerm},
	} {
		if err := hub.Tick(step.msg, step.term); !is(err, step.want) {
			t.Errorf("tick %.40s of term %d: %v, want %v", step.msg, step.term, err, step.want)
		}
	}
}

func is(err, want error) bool {
	if err == nil || want == nil {
		return err == want
	}
	return strings.Contains(err.Error(), want.Error())
}

func TestStatus(t *testing.T) {
	hub := fanout.NewHub()
	c := fanout.NewCursor(hub)
	c.Subscribe(fanout.View{Key: "", Sees: func(ticker.Symbol) bool { return false }}, nil)
	const down = `{"type":"status","source":"coinbase","state":"down","symbols":["A-B","C-D"]}`
	const back = `{"type":"status","source":"coinbase","state":"live","symbols":["A-B"]}`
	for _, msg := range []string{down, back} {
		if err := hub.Status([]byte(msg)); err != nil {
			t.Fatal(err)
		}
	}
	frames, count, _ := c.Next(1 << 10)
	if want := string(frame.AppendText(nil, []byte(down))) + string(frame.AppendText(nil, []byte(back))); string(frames) != want || count != 2 {
		t.Errorf("got %q", frames)
	}
	const left = `{"type":"status","source":"coinbase","state":"down","symbols":["C-D"]}`
	late := fanout.NewCursor(hub)
	if got := late.Subscribe(fanout.View{Key: "", Sees: func(ticker.Symbol) bool { return false }}, nil); !bytes.HasSuffix(got, frame.AppendText(nil, []byte(left))) {
		t.Errorf("who comes later is told %q", got)
	}
	for _, bad := range []string{"", "{}", `{"type":"status"}`, `{"type":"ticker","source":"x"}`} {
		if err := hub.Status([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestStatusIsNeverLost holds that a price is not taken for live, or for stale,
// because its reader was too slow or changed its view when that was told.
func TestStatusIsNeverLost(t *testing.T) {
	const stale = `{"type":"status","source":"coinbase","state":"stale","symbols":["A-B"]}`
	const live = `{"type":"status","source":"coinbase","state":"live","symbols":["A-B"]}`
	everything := fanout.View{Key: "*", Sees: func(ticker.Symbol) bool { return true }}
	slow := everything
	slow.Key, slow.Interval = "slow", time.Second
	for name, next := range map[string]func(*fanout.Cursor) []byte{
		"snapshot instead of the backlog": func(c *fanout.Cursor) []byte {
			if _, _, kept := c.Next(1); kept {
				t.Error("the cursor is not behind")
			}
			return c.Snapshot(nil)
		},
		"subscribe": func(c *fanout.Cursor) []byte { return c.Subscribe(slow, nil) },
		"switch":    func(c *fanout.Cursor) []byte { return c.Switch(slow, nil) },
	} {
		synctest.Test(t, func(t *testing.T) {
			hub := fanout.NewHub()
			c := fanout.NewCursor(hub)
			c.Subscribe(everything, nil)
			seq := uint64(0)
			for _, news := range []string{stale, live} {
				if err := hub.Status([]byte(news)); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					seq++
					msg := ticker.Tick{Seq: seq, TS: 1, Data: []ticker.Price{{Symbol: "A-B", Price: "1"}}}.AppendJSON(nil)
					if err := hub.Tick(msg, 0); err != nil {
						t.Fatal(err)
					}
					time.Sleep(2 * time.Second)
				}
				if got := next(&c); !bytes.HasSuffix(got, frame.AppendText(nil, []byte(news))) {
					t.Errorf("%s: got %q, want %s at its end", name, got, news)
				}
				c.Subscribe(everything, nil)
			}
		})
	}
}

// TestMemoryOfLog holds that what lags is not kept: neither the log nor a cursor
// that never reads keeps more than the window.
func TestMemoryOfLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := fanout.NewHub()
		c := fanout.NewCursor(hub)
		c.Subscribe(fanout.View{Key: "*", Sees: func(ticker.Symbol) bool { return true }}, nil)
		behind := 0
		for seq := range uint64(3000) {
			msg := ticker.Tick{Seq: seq + 1, TS: 1, Data: []ticker.Price{{Symbol: "A-B", Price: "1"}}}.AppendJSON(nil)
			if err := hub.Tick(msg, 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
			if _, _, kept := c.Next(1); !kept {
				behind++
			}
		}
		if behind < 2800 {
			t.Errorf("a cursor that never moved was behind %d times of 3000", behind)
		}
	})
}

func BenchmarkTick(b *testing.B) {
	for _, symbols := range []int{3, 2000} {
		for _, views := range []int{1, 1000} {
			b.Run(fmt.Sprintf("symbols=%d/views=%d", symbols, views), func(b *testing.B) {
				hub := fanout.NewHub()
				for v := range views {
					c := fanout.NewCursor(hub)
					only := symbol(v % symbols)
					c.Subscribe(fanout.View{Key: fmt.Sprint(v), Sees: func(s ticker.Symbol) bool { return v == 0 || s == only }}, nil)
				}
				tick := ticker.Tick{TS: 1}
				for i := range symbols {
					tick.Data = append(tick.Data, ticker.Price{Symbol: symbol(i), Price: "42000.12", Timestamp: 1700000000})
				}
				b.ReportAllocs()
				for b.Loop() {
					tick.Seq++
					if err := hub.Tick(tick.AppendJSON(nil), 0); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
