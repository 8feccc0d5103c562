package fanout_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"tickerd/bus"
	"tickerd/gateway/event/eventtest"
	"tickerd/gateway/fanout"
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
		Price     json.RawMessage
		Timestamp int64
	}

	State   string
	Symbols []string

	size       int // of its frame
	encoding   fanout.Encoding
	compressed bool
}

// parse takes frames apart, as a client does it. Which they are is told by the first
// byte.
func parse(t *testing.T, frames []byte) (list []message) {
	t.Helper()
	if len(frames) > 0 && frames[0] < 0x80 {
		return parseEvents(t, frames)
	}
	for src := bytes.NewReader(frames); src.Len() > 0; {
		before := src.Len()
		header, err := ws.ReadHeader(src)
		if err != nil || header.Length > int64(src.Len()) {
			t.Fatalf("torn frame: %v", err)
		}
		if !header.Fin || header.OpCode != ws.OpText || header.Masked {
			t.Fatalf("header %+v", header)
		}
		payload := make([]byte, header.Length)
		if _, err := io.ReadFull(src, payload); err != nil {
			t.Fatal(err)
		}
		m := message{size: before - src.Len(), compressed: header.Rsv1()}
		if m.compressed {
			if payload, err = wsflate.DefaultHelper.Decompress(payload); err != nil {
				t.Fatalf("inflate: %v", err)
			}
		}
		if err := json.Unmarshal(payload, &m); err != nil {
			t.Fatalf("%v in %q", err, payload)
		}
		list = append(list, m)
	}
	return list
}

// parseEvents is parse of Server-Sent Events.
func parseEvents(t *testing.T, events []byte) (list []message) {
	t.Helper()
	const end = "\n\n"
	for one := range strings.SplitAfterSeq(string(events), end) {
		if one == "" {
			break
		}
		r := eventtest.NewReader(strings.NewReader(one))
		e, err := r.Next()
		if err != nil {
			t.Fatalf("%v in %q", err, one)
		}
		m := message{size: len(one), encoding: fanout.Events}
		if err := json.Unmarshal([]byte(e.Data), &m); err != nil {
			t.Fatalf("%v in %q", err, one)
		}
		id := ""
		if m.Type == "ticker" {
			id = fmt.Sprint(m.Seq)
		}
		if e.Name != m.Type || e.ID != id {
			t.Fatalf("event %q, id %q: %s", e.Name, e.ID, e.Data)
		}
		list = append(list, m)
	}
	return list
}

const universe = 8 // symbols

func symbol(i int) ticker.Symbol { return ticker.Symbol(fmt.Sprintf("S%d-USD", i)) }

// exchange makes ticks and statuses, and remembers the truth after each.
type exchange struct {
	rng    *rand.Rand
	seq    uint64
	prices map[string]string
	truth  map[uint64]map[string]string // by seq
	news   map[uint64][]string          // the symbols that each tick changed
	states map[string]string            // of the symbols that are not live
}

func newExchange(rng *rand.Rand) *exchange {
	return &exchange{
		rng: rng, prices: map[string]string{}, states: map[string]string{},
		truth: map[uint64]map[string]string{0: {}}, news: map[uint64][]string{},
	}
}

// tick makes a tick, nil when nothing has changed.
func (e *exchange) tick() []byte {
	tick := ticker.Tick{Seq: e.seq + 1, TS: time.Now().UnixMicro()}
	for i := range universe {
		if e.rng.IntN(4) > 0 {
			continue
		}
		price := fmt.Sprintf("%d.%02d", e.rng.IntN(1000)+1, e.rng.IntN(100))
		tick.Data = append(tick.Data, ticker.Price{Symbol: symbol(i), Price: ticker.Decimal(price), Timestamp: 1})
		e.prices[string(symbol(i))] = price
		e.news[tick.Seq] = append(e.news[tick.Seq], string(symbol(i)))
	}
	if tick.Data == nil {
		return nil
	}
	e.seq = tick.Seq
	e.truth[e.seq] = maps.Clone(e.prices)
	return tick.AppendJSON(nil)
}

// snapshot is the publisher's, of the last tick.
func (e *exchange) snapshot() []byte {
	msg := ticker.AppendHead(nil, e.seq, time.Now().UnixMicro(), true)
	for i, name := range slices.Sorted(maps.Keys(e.prices)) {
		if i > 0 {
			msg = append(msg, ',')
		}
		msg = ticker.Price{Symbol: ticker.Symbol(name), Price: ticker.Decimal(e.prices[name]), Timestamp: 1}.AppendJSON(msg)
	}
	return append(msg, ticker.Tail...)
}

// status makes a status.
func (e *exchange) status() []byte {
	news := bus.Status{Type: "status", Source: "exchange", State: []string{bus.Live, bus.Stale, bus.Down}[e.rng.IntN(3)]}
	for range 1 + e.rng.IntN(3) {
		s := string(symbol(e.rng.IntN(universe)))
		if slices.Contains(news.Symbols, s) {
			continue
		}
		news.Symbols = append(news.Symbols, s)
		e.states[s] = news.State
		if news.State == bus.Live {
			delete(e.states, s)
		}
	}
	msg, err := json.Marshal(news)
	if err != nil {
		panic(err)
	}
	return msg
}

// client is a connection that checks everything it is sent.
type client struct {
	cursor   fanout.Cursor
	rules    ticker.Rules
	allowed  ticker.Rules
	every    time.Duration
	encoding fanout.Encoding

	prices map[string]string
	states map[string]string // of the symbols that are not live
	seq    uint64

	skipped, inflated, statuses int
}

func newClient(hub *fanout.Hub, rng *rand.Rand) *client {
	return &client{
		cursor:   fanout.NewCursor(hub),
		rules:    randomRules(rng),
		allowed:  randomRules(rng),
		every:    intervals[rng.IntN(len(intervals))],
		encoding: encodings[rng.IntN(len(encodings))],
		states:   map[string]string{},
	}
}

var intervals = []time.Duration{0, 0, 30 * time.Millisecond, 250 * time.Millisecond}

var encodings = []fanout.Encoding{fanout.Text, fanout.Deflate, fanout.Events}

func (c *client) view() fanout.View {
	rules, allowed := c.rules, c.allowed
	return fanout.View{
		Key: strings.Join(rules, ",") + "|" + strings.Join(allowed, ","), Sees: rules.Match, May: allowed.Match,
		Interval: c.every, Encoding: c.encoding,
	}
}

// take checks frames against the truth: after each, the client's prices are
// those of its seq, and no tick that changed one was left out.
func (c *client) take(t *testing.T, e *exchange, frames []byte) {
	t.Helper()
	for _, m := range parse(t, frames) {
		if m.compressed {
			c.inflated++
		}
		if m.compressed && (c.encoding != fanout.Deflate || m.Type == "status") {
			t.Fatalf("%s is compressed", m.Type)
		}
		if (m.encoding == fanout.Events) != (c.encoding == fanout.Events) {
			t.Fatalf("%s is encoded for somebody else", m.Type)
		}
		if m.Type == "status" {
			c.learn(t, m)
			continue
		}
		switch {
		case m.Snapshot && m.Seq < c.seq || !m.Snapshot && m.Seq <= c.seq:
			t.Fatalf("seq %d after %d", m.Seq, c.seq)
		case m.Snapshot:
			c.prices = map[string]string{}
		case c.every == 0:
			c.checkNoneLeftOut(t, e, m.Seq)
		}
		c.seq = m.Seq
		c.checkPrices(t, e, m)
	}
}

// learn takes a status.
func (c *client) learn(t *testing.T, m message) {
	t.Helper()
	c.statuses++
	for _, s := range m.Symbols {
		if !c.allowed.Match(ticker.Symbol(s)) {
			t.Fatalf("told of %s", s)
		}
		c.states[s] = m.State
		if m.State == bus.Live {
			delete(c.states, s)
		}
	}
}

func (c *client) checkPrices(t *testing.T, e *exchange, m message) {
	t.Helper()
	for _, d := range m.Data {
		if !c.rules.Match(ticker.Symbol(d.Symbol)) {
			t.Fatalf("got %s with %v", d.Symbol, c.rules)
		}
		c.prices[d.Symbol] = string(d.Price)
	}
	for s, p := range e.truth[m.Seq] {
		if c.rules.Match(ticker.Symbol(s)) && c.prices[s] != p {
			t.Fatalf("%s is %q at seq %d, want %q (%v)", s, c.prices[s], m.Seq, p, c.rules)
		}
	}
}

func (c *client) checkNoneLeftOut(t *testing.T, e *exchange, seq uint64) {
	t.Helper()
	for s := c.seq + 1; s < seq; s++ {
		if c.wants(e.news[s]) {
			t.Fatalf("tick %d was left out between %d and %d (%v)", s, c.seq, seq, c.rules)
		}
	}
}

func (c *client) wants(symbols []string) bool {
	return slices.ContainsFunc(symbols, func(s string) bool { return c.rules.Match(ticker.Symbol(s)) })
}

// checkDone holds, when everything was sent and read, that nothing is missing.
func (c *client) checkDone(t *testing.T, e *exchange) {
	t.Helper()
	c.checkNoneLeftOut(t, e, e.seq+1)
	want := maps.Clone(e.states)
	maps.DeleteFunc(want, func(s, _ string) bool { return !c.allowed.Match(ticker.Symbol(s)) })
	if !maps.Equal(c.states, want) {
		t.Fatalf("takes %v for not live, which are %v", c.states, want)
	}
}

// read takes what is there, in pieces of most bytes. Of some pieces not all is
// sent.
func (c *client) read(t *testing.T, e *exchange, rng *rand.Rand, most int) {
	t.Helper()
	for {
		frames, count, kept := c.cursor.Next(most)
		if !kept {
			c.skipped++
			c.take(t, e, c.cursor.Snapshot())
			continue
		}
		if count == 0 {
			return
		}
		list := parse(t, frames)
		if len(list) != count || count > 1 && len(frames) > most {
			t.Fatalf("%d frames, said to be %d, in %d bytes of %d", len(list), count, len(frames), most)
		}
		sent := 0
		for _, m := range list[:1+rng.IntN(count)] {
			sent += m.size
		}
		c.cursor.Advance(len(frames))
		c.cursor.Advance(sent - len(frames))
		c.take(t, e, frames[:sent])
	}
}

// act does something that connections do.
func (c *client) act(t *testing.T, e *exchange, hub *fanout.Hub, rng *rand.Rand) {
	t.Helper()
	switch rng.IntN(12) {
	case 0:
		c.rules = randomRules(rng)
		c.take(t, e, c.cursor.Subscribe(c.view()))
	case 1:
		c.rules = c.rules.Unsubscribe(string(symbol(rng.IntN(universe))))
		c.take(t, e, c.cursor.Switch(c.view()))
	case 2:
		c.every = intervals[rng.IntN(len(intervals))]
		c.take(t, e, c.cursor.Subscribe(c.view()))
	case 3: // comes back after a while, with what it has
		c.read(t, e, rng, 1)
		c.cursor.Close()
		clear(c.states)
		c.encoding = encodings[rng.IntN(len(encodings))]
		if c.every == 0 && hub.CanResume(c.seq) {
			c.take(t, e, c.cursor.Resume(c.view(), c.seq))
		} else {
			c.take(t, e, c.cursor.Subscribe(c.view()))
		}
	default:
		c.read(t, e, rng, 1+rng.IntN(4000))
	}
}

func randomRules(rng *rand.Rand) ticker.Rules {
	var r ticker.Rules
	if rng.IntN(2) == 0 {
		r = r.Subscribe("*")
	}
	for range rng.IntN(4) {
		if s := string(symbol(rng.IntN(universe))); rng.IntN(3) == 0 {
			r = r.Unsubscribe(s)
		} else {
			r = r.Subscribe(s)
		}
	}
	return r
}
