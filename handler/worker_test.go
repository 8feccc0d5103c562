package handler_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/bus/bustest"
)

func TestJoin(t *testing.T) {
	w := newWorld(t, options{})
	no, yes := false, true
	for _, c := range []struct {
		name   string
		change func(*bus.Join)
		want   []string
	}{
		{"no wish", func(*bus.Join) {}, []string{
			`{"payload":{"type":"welcome","user_id":"user:demo","conn_id":"%s","symbols":["*"],"interval_ms":0,"expires_in":3600},"subscribe":["*"],"interval_ms":0}`,
		}},
		{"a wish", func(j *bus.Join) { j.Symbols, j.IntervalMS = []string{"btc-usd", "ETH-*", "BTC-USD"}, 100 }, []string{
			`{"payload":{"type":"welcome","user_id":"user:demo","conn_id":"%s","symbols":["ETH-*","BTC-USD"],"interval_ms":100,"expires_in":3600},"subscribe":["ETH-*","BTC-USD"],"interval_ms":100}`,
		}},
		{"resumed", func(j *bus.Join) { j.Resumed = &yes }, []string{
			`{"payload":{"type":"welcome","user_id":"user:demo","conn_id":"%s","symbols":["*"],"interval_ms":0,"expires_in":3600,"resumed":true},"subscribe":["*"],"interval_ms":0}`,
		}},
		{"not resumed", func(j *bus.Join) { j.Resumed = &no }, []string{
			`{"payload":{"type":"welcome","user_id":"user:demo","conn_id":"%s","symbols":["*"],"interval_ms":0,"expires_in":3600,"resumed":false},"subscribe":["*"],"interval_ms":0}`,
		}},
		{"expired", func(j *bus.Join) { j.ExpiresAt = now().Unix() - 5 }, []string{
			`{"payload":{"type":"welcome","user_id":"user:demo","conn_id":"%s","symbols":["*"],"interval_ms":0,"expires_in":0},"subscribe":["*"],"interval_ms":0}`,
		}},
		{"malformed wish", func(j *bus.Join) { j.Symbols = []string{"BTC-USD", "nonsense"} }, []string{
			`{"payload":{"type":"welcome","user_id":"user:demo","conn_id":"%s","symbols":[],"interval_ms":0,"expires_in":3600},"subscribe":[],"interval_ms":0}`,
			`{"payload":{"type":"error","code":"bad_symbol","message":"malformed pattern: [\"nonsense\"]"}}`,
		}},
		{"interval too long", func(j *bus.Join) { j.IntervalMS = 60_001 }, []string{
			`{"payload":{"type":"welcome","user_id":"user:demo","conn_id":"%s","symbols":[],"interval_ms":0,"expires_in":3600},"subscribe":[],"interval_ms":0}`,
			`{"payload":{"type":"error","code":"bad_interval","message":"interval_ms is not an integer from 0 to 60000"}}`,
		}},
		{"the longest interval, and a number", func(j *bus.Join) { j.IntervalMS, j.Number = 60_000, 1<<31-1 }, []string{
			`{"payload":{"type":"welcome","user_id":"user:demo","conn_id":"%s","symbols":["*"],"interval_ms":60000,"expires_in":3600},"subscribe":["*"],"interval_ms":60000,"join":2147483647}`,
		}},
		{"forbidden", func(j *bus.Join) { j.Role = "nobody" }, []string{
			`{"close":{"code":4501,"reason":"policy does not allow it"}}`,
		}},
		{"forbidden by one route", func(j *bus.Join) { j.Policies, j.Route = []string{"events"}, "/ws/ticker" }, []string{
			`{"close":{"code":4501,"reason":"policy does not allow it"}}`,
		}},
		{"not by another", func(j *bus.Join) { j.Policies, j.Route = []string{"events"}, "/sse/ticker" }, []string{
			`{"payload":{"type":"welcome","user_id":"user:demo","conn_id":"%s","symbols":["*"],"interval_ms":0,"expires_in":3600},"subscribe":["*"],"interval_ms":0}`,
		}},
		{"rejoin", func(j *bus.Join) { j.Rejoin, j.Symbols = true, []string{"*", "!ETH-*"} }, []string{`{}`}},
		{"rejoin forbidden", func(j *bus.Join) { j.Rejoin, j.Policies = true, []string{"no_xrp"} }, []string{
			`{"close":{"code":4501,"reason":"policy does not allow it"}}`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := newJoin(bus.NewID())
			c.change(&j)
			w.publish(bus.JoinOf(j.ConnID), j)
			for _, want := range c.want {
				want = strings.ReplaceAll(want, "%s", j.ConnID)
				if got := string(w.next().Data); got != want {
					t.Errorf("\ngot  %s\nwant %s", got, want)
				}
			}
		})
	}
}

// After a handler's death another takes the connection as it was.
func TestRejoinKeepsRules(t *testing.T) {
	w := newWorld(t, options{})
	for held, want := range map[string][]string{"* !ETH-*": {"*", "!ETH-*", "ETH-USD"}, "": {"ETH-USD"}} {
		j := newJoin(bus.NewID())
		j.Rejoin, j.Symbols, j.IntervalMS = true, strings.Fields(held), 250
		w.join(j)
		a := w.say(j.ConnID, `{"type":"subscribe","symbols":["ETH-USD"]}`)
		if got := payloadOf(t, a).Symbols; !slices.Equal(got, want) {
			t.Errorf("%s: got %q", held, got)
		}
		if !strings.Contains(string(a.Payload), `"interval_ms":250`) {
			t.Errorf("%s: the interval is lost: %s", held, a.Payload)
		}
	}
}

// The gateway sends on as soon as a connection is claimed: whoever claimed it is
// there already.
func TestMessageRightBehindClaim(t *testing.T) {
	w := newWorld(t, options{})
	const conns = 2000
	go func() {
		for i := range conns {
			if err := w.bus.AskJSON(bus.JoinOf(fmt.Sprint(i)), bus.Address(bustest.Node, fmt.Sprint(i)), newJoin(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		}
	}()
	pongs := 0
	for pongs < conns {
		m := w.next()
		if subject, none := bus.NoResponders(m); none {
			t.Fatalf("%s: nobody there", subject)
		}
		if strings.Contains(string(m.Data), "pong") {
			pongs++
			continue
		}
		w.publish(bus.MessageOf(bus.AddressID(m.Subject)), []byte(`{"type":"ping"}`))
	}
}

// No message is lost, and none of a connection overtakes another, when many
// clients send many at once.
func TestBurst(t *testing.T) {
	w := newWorld(t, options{})
	const conns, burst = 1000, 40
	for i := range conns {
		w.join(newJoin(fmt.Sprint(i)))
	}
	go func() {
		for n := range burst {
			message := fmt.Appendf(nil, `{"type":"ping","id":%d}`, n)
			for i := range conns {
				if err := w.bus.Ask(bus.MessageOf(fmt.Sprint(i)), bus.Address(bustest.Node, fmt.Sprint(i)), message); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	had := make(map[string]int, conns)
	for range conns * burst {
		m := w.next()
		id := bus.AddressID(m.Subject)
		if want := fmt.Sprintf(`"id":%d,`, had[id]); !strings.Contains(string(m.Data), want) {
			t.Fatalf("%s: got %s, want %s", id, m.Data, want)
		}
		had[id]++
	}
}

// wantGone fails unless nobody holds the connection. Another is asked first: what
// it answers comes behind the handler's letting go, if there is one worker.
func (w *world) wantGone(id string) {
	w.t.Helper()
	w.join(newJoin(bus.NewID()))
	w.publish(bus.MessageOf(id), []byte(`{"type":"ping"}`))
	m := w.next()
	if subject, none := bus.NoResponders(m); !none || subject != bus.MessageOf(id) {
		w.t.Fatalf("got %s, want no responders for %s", m.Data, id)
	}
}

func TestLeave(t *testing.T) {
	w := newWorld(t, options{workers: 1})
	w.join(newJoin("a"))
	w.join(newJoin("b"))
	w.wantPong("a")
	w.publish(bus.LeaveOf("a"), bus.Leave{ConnID: "a"})
	w.wantGone("a")
	w.wantPong("b")
}

// Who has come and gone costs nothing any more.
func TestMemoryReturns(t *testing.T) {
	w := newWorld(t, options{})
	const conns = 3000
	round := func() (held, after uint64) {
		for i := range conns {
			w.join(newJoin(fmt.Sprint(i)))
		}
		held = w.heap()
		for i := range conns {
			w.publish(bus.LeaveOf(fmt.Sprint(i)), bus.Leave{})
		}
		w.wantHeld(0)
		return held, w.heap()
	}
	_, before := round()
	held, after := round()
	t.Logf("%d bytes a connection", (held-before)/conns)
	if held < before+500*conns {
		t.Errorf("%d bytes with %d connections, %d without: this measures nothing", held, conns, before)
	}
	if after > before+(held-before)/4 {
		t.Errorf("%d bytes before, %d with, %d after", before, held, after)
	}
}

// heap is the memory in use when nothing is on its way.
func (w *world) heap() uint64 {
	w.t.Helper()
	w.flush(w.inside)
	w.flush(w.bus)
	runtime.GC()
	runtime.GC() // what pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A connection that is announced anew is held once, whichever worker gets it.
func TestJoinTwice(t *testing.T) {
	w := newWorld(t, options{workers: 3})
	for i := range 50 {
		id := fmt.Sprint(i)
		w.join(newJoin(id))
		w.join(newJoin(id))
		w.wantPong(id)
		w.wantPong(id) // and not the answer of a second holder to the first
	}
	w.wantHeld(50)
}

// wantHeld waits until so many connections are held.
func (w *world) wantHeld(n float64) {
	w.t.Helper()
	for end := time.Now().Add(timeout); w.metric("tickerd_handler_connections") != n; {
		if time.Now().After(end) {
			w.t.Fatalf("%v connections held, want %v", w.metric("tickerd_handler_connections"), n)
		}
	}
}

// What makes no sense is logged, and nothing else comes of it.
func TestRubbishOnTheBus(t *testing.T) {
	w := newWorld(t, options{workers: 1})
	w.join(newJoin("a"))
	other := newJoin("other")
	badRules := newJoin("c")
	badRules.Rejoin, badRules.Symbols = true, []string{"*", "!"}
	badInterval := newJoin("c")
	badInterval.Rejoin, badInterval.IntervalMS = true, -1
	badNumber := newJoin("c")
	badNumber.Number = 1 << 31
	for _, c := range []struct {
		subject string
		payload any
		logged  string
	}{
		{bus.JoinOf("b"), []byte("rubbish"), "conn.b.join"},
		{bus.JoinOf("b"), other, `connection \"other\"`},
		{bus.JoinOf("b"), []byte(`{}`), `connection \"\"`},
		{bus.JoinOf("b"), []byte(`{"conn_id":5}`), "Go struct field"},
		{bus.JoinOf("c"), badRules, "conn.c.join"},
		{bus.JoinOf("c"), badInterval, "interval_ms -1"},
		{bus.JoinOf("c"), badNumber, "number 2147483648"},
		{bus.JoinOf("a"), []byte("rubbish"), "conn.a.join"}, // held: it stays
		{bus.JoinOf("a"), other, "conn.a.join"},
		{"conn.a.hello", []byte("rubbish"), ""},
	} {
		before := len(w.log.String())
		w.publish(c.subject, c.payload)
		w.wantPong("a")
		if logged := w.log.String()[before:]; !strings.Contains(logged, c.logged) {
			t.Errorf("%s %s: logged %q", c.subject, c.payload, logged)
		}
	}
	for _, subject := range []string{bus.JoinOf("b"), bus.MessageOf("a")} {
		before := len(w.log.String())
		if err := w.bus.PublishJSON(subject, newJoin("b")); err != nil {
			t.Fatal(err)
		}
		w.wantPong("a")
		if logged := w.log.String()[before:]; !strings.Contains(logged, "no address") {
			t.Errorf("%s without a reply: logged %q", subject, logged)
		}
	}
	w.wantHeld(1)
}

// tripwire is a verifier with a fault.
type tripwire struct{}

func (tripwire) Verify(string) (auth.Token, error) { panic("a fault of ours") }

func TestPanicEndsOneConnection(t *testing.T) {
	w := newWorld(t, options{workers: 1, verifier: tripwire{}})
	w.join(newJoin("a"))
	w.join(newJoin("b"))
	a := w.say("a", `{"type":"refresh","token":"x","id":1}`)
	if a.Close == nil || a.Close.Code != 1011 || a.Payload != nil {
		t.Fatalf("got %+v", a)
	}
	// What a has still to say is not heard; b does not notice.
	w.publish(bus.MessageOf("a"), []byte(`{"type":"ping"}`))
	w.wantPong("b")
	logged := w.log.String()
	for _, want := range []string{"conn.a.message", "a fault of ours", "tripwire.Verify"} {
		if !strings.Contains(logged, want) {
			t.Errorf("not logged: %s\n%s", want, logged)
		}
	}
	if got := w.metric("tickerd_handler_panics_total"); got != 1 {
		t.Errorf("%v panics counted", got)
	}
	w.publish(bus.LeaveOf("a"), bus.Leave{ConnID: "a"})
	w.wantGone("a")
}

// Handlers share the connections. One that ends has answered all it was sent, and
// what it did not get comes back to the gateway: nothing is lost in between.
func TestHandover(t *testing.T) {
	w := newWorld(t, options{})
	_, stopSecond := w.run(options{})
	const conns = 200
	for i := range conns {
		w.join(newJoin(fmt.Sprint(i)))
	}
	if n := w.metric("tickerd_handler_connections"); n == 0 || n == conns {
		t.Errorf("the first of two handlers has %v of %d connections", n, conns)
	}
	sent := make(chan int, 1)
	window := make(chan struct{}, 1<<14) // so many are on their way
	stopped := make(chan struct{})
	go func() {
		n, last := 0, -1
		for n != last {
			select {
			case <-stopped:
				last, stopped = n+conns, nil // once more around
			case window <- struct{}{}:
				id := fmt.Sprint(n % conns)
				if err := w.bus.Ask(bus.MessageOf(id), bus.Address(bustest.Node, id), []byte(`{"type":"ping"}`)); err != nil {
					t.Error(err)
				}
				n++
			}
		}
		sent <- n
	}()
	total, unanswered := -1, 0
	for n := 0; n != total; {
		select {
		case m := <-w.answers:
			if _, none := bus.NoResponders(m); none {
				unanswered++
			}
			if n++; n == 10*conns { // it is under way
				go func() { stopSecond(); close(stopped) }()
			}
			<-window
		case total = <-sent:
		case <-time.After(timeout):
			t.Fatalf("%d answers, and no more", n)
		}
	}
	if unanswered == 0 {
		t.Error("the second handler has ended, but was never missed")
	}
	// Whose messages come back the gateway announces anew.
	for i := range conns {
		id := fmt.Sprint(i)
		w.publish(bus.MessageOf(id), []byte(`{"type":"ping"}`))
		if _, none := bus.NoResponders(w.next()); none {
			j := newJoin(id)
			j.Rejoin, j.Symbols = true, []string{"*"}
			w.join(j)
			w.wantPong(id)
		}
	}
	w.wantHeld(conns)
}

func TestStopLetsGo(t *testing.T) {
	w := newWorld(t, options{})
	w.join(newJoin("a"))
	w.stop()
	if n := w.metric("tickerd_handler_connections"); n != 0 {
		t.Errorf("%v connections held after the end", n)
	}
	for _, subject := range []string{bus.MessageOf("a"), bus.JoinOf("b")} {
		w.publish(subject, newJoin("b"))
		if got, none := bus.NoResponders(w.next()); !none || got != subject {
			t.Errorf("%s is still answered", subject)
		}
	}
}
