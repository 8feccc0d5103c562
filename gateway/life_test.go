package gateway_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/gateway"
)

// A join says all that a handler needs to know, and is answered at the
// connection's address.
func TestJoin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	raw := w.signFor(bus.ExchangeResult{KeyID: "k", UserID: "ann", Role: auth.RoleUser, Allowed: []string{"BTC-*"}})
	token, err := w.verifier.Verify(raw)
	if err != nil {
		t.Fatal(err)
	}
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for _, c := range []struct {
			query []string
			want  string // of the fields that the query decides
		}{
			{nil, `"symbols":["*"],"interval_ms":0`},
			{[]string{"symbols", ""}, `"symbols":["*"],"interval_ms":0`},
			{[]string{"symbols", "btc-usd,BTC-*"}, `"symbols":["BTC-USD","BTC-*"],"interval_ms":0`},
			{[]string{"interval", "1.5s"}, `"symbols":["*"],"interval_ms":1500`},
			{[]string{"since", "7"}, `"symbols":["*"],"interval_ms":0,"resumed":false`},
			{[]string{"since", "7", "interval", "1s", "symbols", "*"}, `"symbols":["*"],"interval_ms":1000,"resumed":false`},
		} {
			r := upgrade(raw)
			if c.query != nil {
				r = r.query(c.query...)
			}
			client := w.dialBy(by).upgraded(r)
			held := hand.take()
			want := fmt.Sprintf(`{"conn_id":%q,"number":1,"user_id":"user:ann","role":"user","policies":["user_policy"],"allowed":["BTC-*"],`+
				`"remote_addr":"127.0.0.1","node":%q,"route":"/ws/ticker","auth_time":%d,"expires_at":%d,%s}`,
				held.join.ConnID, bustest.Node, token.IssuedAt, token.ExpiresAt, c.want)
			if held.raw != want {
				t.Errorf("got  %s\nwant %s", held.raw, want)
			}
			if id := held.join.ConnID; len(id) != 22 || held.address != bus.Address(bustest.Node, id) {
				t.Errorf("connection %s is answered at %s", id, held.address)
			}
			held.welcome()
			client.welcome()
			client.bye()
		}
	})
}

// A leave tells what there was: text messages both ways, and the time.
func TestLeaveCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(bus.StatusNews, `{"type":"status","source":"coinbase","state":"stale","symbols":["BTC-USD"]}`)
	witness := w.begin(upgrade(w.demo()))
	if m := witness.next(); m.Type != "status" {
		t.Fatalf("got %s", m.raw)
	}
	for range 5 {
		witness.want(w.tick("BTC-USD=1"))
	}
	began := time.Now()
	c := w.open(upgrade(w.demo()).query("since", "2"))
	received := 0
	read := func(want string) message {
		t.Helper()
		m := c.next()
		if received++; m.Type != want {
			t.Fatalf("got %s, want %s", m.raw, want)
		}
		return m
	}
	c.id = read("welcome").ConnID
	w.mustLeave(c.id)
	for range 3 { // the ticks since
		read("ticker")
	}
	read("status")
	w.tick("BTC-USD=2")
	read("ticker")
	c.send(frameOf(ws.OpPing, "no message") + frameOf(ws.OpPong, "nor this"))
	c.wantFrame(ws.OpPong, "no message")
	c.say(`{"type":"ping"}`, `nonsense`, `{"type":"subscribe","symbols":["*"]}`)
	read("pong")
	read("error")
	read("subscribed")
	if !read("ticker").Snapshot {
		t.Error("no snapshot")
	}
	read("status")
	c.bye()
	l := w.leave(c.id)
	if l.MessagesIn != 3 || l.MessagesOut != int64(received) {
		t.Errorf("%d in and %d out, want 3 and %d", l.MessagesIn, l.MessagesOut, received)
	}
	if lasted := time.Since(began).Milliseconds(); l.ConnectedMS < 0 || l.ConnectedMS > lasted {
		t.Errorf("connected for %d ms, of %d", l.ConnectedMS, lasted)
	}
	if l.UserID != "user:demo" {
		t.Errorf("got %+v", l)
	}
}

// What the client sends before a handler has claimed its connection is not lost,
// and stays in order.
func TestMessagesAreHeldUntilTheClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		r := upgrade(w.demo())
		r.behind = text("1") + text("2")
		c := w.dialBy(by).upgraded(r)
		held := hand.take()
		c.say("3", "4")
		c.send(frameOf(ws.OpPing, "read"))
		c.wantFrame(ws.OpPong, "read") // and so is all that was sent before
		w.flush()
		if n := len(held.msgs); n > 0 {
			t.Fatalf("%d messages before the claim", n)
		}
		held.welcome()
		c.welcome()
		c.say("5")
		for _, want := range []string{"1", "2", "3", "4", "5"} {
			held.wantMessage(want)
		}
		c.snapshot()
		c.bye()
		held.wantLeft(1000, "")
	})
}

// A connection that ends before it is claimed leaves behind the claim, so that
// its handler hears of it; and its handler hears what was said first.
func TestLeaveComesBehindTheClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	for name, end := range map[string]struct {
		by     func(*client)
		code   int
		reason string
	}{
		"close":  {func(c *client) { c.bye() }, 1000, ""},
		"reset":  {func(c *client) { c.reset() }, 1006, "connection lost"},
		"breach": {func(c *client) { c.send("\xff"); c.ended() }, 1002, "reserved bit is set"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			c := w.open(upgrade(w.demo()))
			held := hand.take()
			c.say("said before")
			c.send(frameOf(ws.OpPing, "read"))
			c.wantFrame(ws.OpPong, "read")
			end.by(c)
			w.settle()
			if w.hasLeft(held.join.ConnID) || len(held.msgs) > 0 {
				t.Fatal("something was said before the claim")
			}
			held.welcome()
			held.wantMessage("said before")
			held.wantLeft(end.code, end.reason)
		})
	}
}

// A handler that is gone is replaced without the client noticing: no message is
// lost, none comes twice, and the stream goes on.
func TestRejoin(t *testing.T) {
	t.Parallel()
	w := calm(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	c := w.open(upgrade(w.demo()).query("symbols", "BTC-*"))
	held := hand.take()
	held.answer(`{"payload":{"type":"welcome","conn_id":%q},"subscribe":["BTC-*"]}`, held.join.ConnID)
	c.welcome()
	c.snapshot()
	c.say("a")
	held.wantMessage("a")
	held.answer(`{"payload":"subscribed","subscribe":["*"],"unsubscribe":["ETH-*"],"interval_ms":0}`)
	c.want("subscribed")
	c.snapshot()

	held.die()
	c.say("b", "c")
	again := hand.take()
	if again.join.ConnID != held.join.ConnID || !again.join.Rejoin || strings.Join(again.join.Symbols, " ") != "* !ETH-*" || again.join.Resumed != nil {
		t.Errorf("joined anew with %s", again.raw)
	}
	c.say("d")
	c.send(frameOf(ws.OpPing, "alive"))
	c.wantFrame(ws.OpPong, "alive")
	c.want(w.tick("BTC-USD=1"))
	if n := len(again.msgs); n > 0 {
		t.Errorf("%d messages before the claim", n)
	}
	again.answer(`{}`)
	for _, want := range []string{"b", "c", "d"} {
		again.wantMessage(want)
	}
	w.tick("ETH-USD=1")
	c.want(w.tick("XRP-USD=1"))
	again.answer(`{"payload":"b done"}`)
	c.want("b done")
	c.say("e")
	again.wantMessage("e")
	c.bye()
	again.wantLeft(1000, "")
	if n := len(held.msgs); n > 0 {
		t.Errorf("the first handler has got %d messages more", n)
	}
}

// However often handlers go, and whatever is on its way then, the messages that
// they get are those that the client has sent, each once and in order.
func TestRejoinLosesNothing(t *testing.T) {
	t.Parallel()
	w := calm(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	c := w.open(upgrade(w.demo()))
	held := hand.take()
	held.answer(`{"payload":{"type":"welcome","conn_id":%q}}`, held.join.ConnID)
	c.welcome()
	const rounds, each = 30, 20
	sending := make(chan struct{})
	go func() {
		defer close(sending)
		for i := range rounds * each {
			if _, err := c.Write([]byte(text(fmt.Sprint(i)))); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	next := 0
	take := func(m *bus.Msg) {
		t.Helper()
		if string(m.Data) != fmt.Sprint(next) {
			t.Fatalf("got %s, want %d", m.Data, next)
		}
		next++
	}
	for range rounds - 1 {
		for range min(each/2, rounds*each-next) {
			take(w.receive(held.msgs))
		}
		// What was on its way when it let go is still handled, as handlers do.
		if err := held.sub.Drain(); err != nil {
			t.Fatal(err)
		}
		w.flush()
		for len(held.msgs) > 0 {
			take(<-held.msgs)
		}
		if next == rounds*each {
			break
		}
		held = hand.take()
		if !held.join.Rejoin {
			t.Fatalf("joined anew with %s", held.raw)
		}
		held.answer(`{}`)
	}
	for next < rounds*each {
		take(w.receive(held.msgs))
	}
	w.await("sender", sending)
	c.bye()
}

// The same where handlers answer: however often they are replaced, every message
// is answered, and once. (What a handler says that has let go already may come
// behind what the next one says.)
func TestHandlersComeAndGo(t *testing.T) {
	t.Parallel()
	w := calm(t)
	c := w.begin(upgrade(w.demo()))
	const messages = 2000
	var others sync.WaitGroup
	defer others.Wait()
	done := make(chan struct{})
	defer close(done)
	onTheWay := make(chan struct{}, 4)
	others.Go(func() {
		for i := range messages {
			select {
			case onTheWay <- struct{}{}:
			case <-done:
				return
			}
			if _, err := c.Write([]byte(text(fmt.Sprintf(`{"type":"ping","id":%d}`, i)))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	others.Go(func() {
		for stop := w.stopHandler; ; {
			next := w.startHandler(2)
			stop()
			select {
			case <-done:
				return
			default:
				stop = next
			}
		}
	})
	answered := map[string]bool{}
	for len(answered) < messages {
		m := c.next()
		if m.Type != "pong" || answered[string(m.ID)] {
			t.Fatalf("after %d answers: got %s", len(answered), m.raw)
		}
		answered[string(m.ID)] = true
		<-onTheWay
	}
	c.bye()
}

// A handler that lets go of a connection may still answer what it was asked
// before: what it says counts, and takes effect.
func TestLateAnswerTakesEffect(t *testing.T) {
	t.Parallel()
	w := calm(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	c, held := hand.quiet(first)
	w.tick("BTC-USD=1")
	c.say("subscribe, please")
	held.wantMessage("subscribe, please")
	held.die()
	c.say("and more")
	again := hand.take()
	held.answer(`{"payload":"subscribed","subscribe":["BTC-USD"]}`)
	c.want("subscribed")
	if m := c.snapshot(); m.prices() != "BTC-USD=1" {
		t.Errorf("got %s", m.raw)
	}
	again.answer(`{}`)
	again.wantMessage("and more")
	c.bye()
}

// The real handler may be replaced, too.
func TestHandlerRestarts(t *testing.T) {
	t.Parallel()
	w := calm(t)
	c := w.begin(upgrade(w.demo()).query("symbols", "BTC-*,ETH-USD"))
	c.say(`{"type":"ping","id":1}`)
	if m := c.next(); string(m.ID) != "1" {
		t.Fatalf("got %s", m.raw)
	}
	w.stopHandler()
	c.say(`{"type":"ping","id":2}`)
	c.send(frameOf(ws.OpPing, "alive"))
	c.wantFrame(ws.OpPong, "alive")
	c.want(w.tick("BTC-USD=1"))
	w.startHandler(1)
	if m := c.next(); string(m.ID) != "2" {
		t.Fatalf("got %s", m.raw)
	}
	c.say(`{"type":"unsubscribe","symbols":["BTC-*"]}`)
	if m := c.next(); m.Type != "unsubscribed" || strings.Join(m.Symbols, " ") != "ETH-USD" {
		t.Errorf("got %s", m.raw)
	}
	w.tick("BTC-USD=2")
	c.want(w.tick("ETH-USD=2"))
	c.bye()
}

// A payload is any JSON value; a string stands for its text.
func TestAnswerPayload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	c, held := w.hand().quiet(first)
	for payload, want := range map[string]string{
		`{"type":"x","n":1.50}`:                 `{"type":"x","n":1.50}`,
		`{ "b" : 1, "a" : [ ] }`:                `{ "b" : 1, "a" : [ ] }`,
		`[1,2,3]`:                               `[1,2,3]`,
		`12.50`:                                 `12.50`,
		`false`:                                 `false`,
		`"text"`:                                `text`,
		`"{\"type\":\"x\"}"`:                    `{"type":"x"}`,
		`"\u00e9\ud83d\ude00\n"`:                "é😀\n",
		`"a lone \ud800 is no é"`:               "a lone \ufffd is no é",
		`""`:                                    ``,
		`"` + strings.Repeat("é", 40_000) + `"`: strings.Repeat("é", 40_000),
	} {
		held.answer(`{"payload":%s}`, payload)
		c.wantFrame(ws.OpText, want)
	}
	// Nothing to say, and nothing that could be said.
	for _, answer := range []string{
		`{"payload":null}`, `{}`, ``, `null`, `nonsense`, `[]`, `"x"`, `5`, `{"payload":}`, "{\"payload\":[\"\xff\"]}",
		`{"payload":"lost","subscribe":["no symbol"]}`, `{"payload":"lost","unsubscribe":["*-*-*"]}`, `{"payload":"lost","interval_ms":"soon"}`,
		`{"payload":"lost","close":true}`, `{"payload":"lost","renewal":[]}`, `{"payload":"lost","subscribe":"*"}`,
	} {
		held.answer("%s", answer)
	}
	held.answer(`{"payload":"still here"}`)
	c.want("still here")
	w.tick("BTC-USD=1")
	held.answer(`{"payload":"and subscribed to nothing"}`)
	c.want("and subscribed to nothing")
	c.bye()
}

// An answer that makes no sense is no claim.
func TestGarbageIsNoClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	w.publish(bus.StatusNews, `{"type":"status","source":"coinbase","state":"down","symbols":["BTC-USD"]}`)
	hand := w.hand()
	for _, garbage := range []string{
		`nonsense`, `[]`, "{\"payload\":[\"\xff\"]}", `{"payload":"lost","subscribe":["no symbol"]}`, `{"payload":"lost","unsubscribe":["no symbol"]}`,
	} {
		t.Run(garbage, func(t *testing.T) {
			w := w.in(t)
			c := w.open(upgrade(w.demo()).query("symbols", "ETH-USD"))
			held := hand.take()
			held.answer("%s", garbage)
			held.answer(`{"payload":{"type":"welcome","conn_id":%q},"subscribe":["BTC-USD"]}`, held.join.ConnID)
			c.welcome()
			c.snapshot()
			if m := c.next(); m.Type != "status" {
				t.Errorf("got %s, want the status that follows the first snapshot", m.raw)
			}
			w.tick("ETH-USD=1")
			c.want(w.tick("BTC-USD=1"))
			held.die()
			c.say("hello")
			again := hand.take()
			if !again.join.Rejoin || strings.Join(again.join.Symbols, " ") != "BTC-USD" {
				t.Errorf("joined anew with %s", again.raw)
			}
			again.answer(`{}`)
			again.wantMessage("hello")
			c.bye()
		})
	}
}

// What an answer changes takes effect in its place among the messages.
func TestAnswerEffects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	c, held := w.hand().quiet(first)
	w.tick("BTC-USD=1", "ETH-USD=1", "XRP-USD=1")

	held.answer(`{"subscribe":["BTC-USD"]}`)
	if m := c.snapshot(); m.prices() != "BTC-USD=1" || m.Seq != 1 {
		t.Errorf("got %s", m.raw)
	}
	held.answer(`{"payload":"more","subscribe":["ETH-*"]}`)
	c.want("more")
	if m := c.snapshot(); m.prices() != "BTC-USD=1 ETH-USD=1" {
		t.Errorf("got %s", m.raw)
	}
	held.answer(`{"payload":"the same again","subscribe":[]}`)
	c.want("the same again")
	if m := c.snapshot(); m.prices() != "BTC-USD=1 ETH-USD=1" {
		t.Errorf("got %s", m.raw)
	}
	held.answer(`{"payload":"less","unsubscribe":["BTC-USD"]}`)
	c.want("less")
	w.tick("BTC-USD=2")
	c.want(w.tick("ETH-USD=2"))
	held.answer(`{"payload":"nothing","unsubscribe":["*"]}`)
	c.want("nothing")
	w.tick("ETH-USD=3")
	held.answer(`{"payload":"all","subscribe":["*"]}`)
	c.want("all")
	if m := c.snapshot(); m.prices() != "BTC-USD=2 ETH-USD=3 XRP-USD=1" {
		t.Errorf("got %s", m.raw)
	}
	held.answer(`{"payload":"last words","close":{"code":4321,"reason":"enough"}}`)
	held.answer(`{"payload":"too late"}`)
	c.want("last words")
	c.wantEnd(4321, "enough")
}

// A close without a code that may be sent ends the connection all the same.
func TestAnswerCloses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	for ask, want := range map[string]ws.StatusCode{
		`{"code":1011,"reason":"x"}`:                                1011,
		`{"code":4501,"reason":"x"}`:                                4501,
		`{"reason":"x"}`:                                            1000,
		`{"code":99,"reason":"x"}`:                                  1000,
		`{"code":5000,"reason":"x"}`:                                1000,
		`{"code":-1,"reason":"x"}`:                                  1000,
		`{"code":4000,"reason":"` + strings.Repeat("é", 100) + `"}`: 4000,
	} {
		c, held := hand.quiet(first)
		held.answer(`{"close":%s}`, ask)
		if code, reason := c.ended(); code != want || reason == "" || len(reason) > 123 {
			t.Errorf("%.40s: closed with %d %q", ask, code, reason)
		}
		if l := w.leave(c.id); l.Code != int(want) {
			t.Errorf("%.40s: leave %+v", ask, l)
		}
	}
	// As the answer to the join, it says why nobody is welcome.
	c := w.open(upgrade(w.demo()))
	held := hand.take()
	held.answer(`{"close":{"code":4501,"reason":"policy does not allow it"}}`)
	c.id = held.join.ConnID
	c.wantEnd(4501, "policy does not allow it")
	held.wantLeft(4501, "policy does not allow it")
}

// Two handlers that answer a join do no harm: the first has claimed it, and what
// the other says is an answer like any other.
func TestSecondClaimer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	c, held := w.hand().quiet(first)
	held.answer(`{"payload":"me too"}`)
	held.answer(`{}`)
	c.want("me too")
	c.say("hello")
	held.wantMessage("hello")
	c.bye()
	held.wantLeft(1000, "")
	if n := len(held.msgs); n > 0 {
		t.Errorf("%d messages more", n)
	}
}

// An answer to a connection that is not there, or not there any more, is nobody's.
func TestAnswerToNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	c, held := hand.quiet(first)
	for _, address := range []string{
		bus.Address(bustest.Node, bus.NewID()), bus.Address(bustest.Node, "x"), bus.Address("other", held.join.ConnID),
	} {
		w.publish(address, `{"payload":"for whom?","close":{"code":4000}}`)
	}
	held.answer(`{"payload":"for you"}`)
	c.want("for you")
	c.bye()
	held.wantLeft(1000, "")
	held.answer(`{"payload":"too late","subscribe":["*"]}`)
	c, _ = hand.quiet(first)
	c.bye()
}

// Nobody's life on the bus touches another's.
func TestManyLives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 50
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = w.open(upgrade(w.sign(fmt.Sprintf("user%d", i), auth.RoleUser)))
	}
	ids := map[string]bool{}
	for i, c := range clients {
		if m := c.welcome(); m.UserID != fmt.Sprintf("user:user%d", i) || ids[m.ConnID] {
			t.Errorf("got %s", m.raw)
		}
		ids[c.id] = true
		c.snapshot()
		c.say(fmt.Sprintf(`{"type":"ping","id":%d}`, i))
	}
	for i, c := range clients {
		if m := c.next(); string(m.ID) != fmt.Sprint(i) {
			t.Errorf("got %s", m.raw)
		}
		if i%2 == 0 {
			c.bye()
		} else {
			c.reset()
		}
	}
	for i, c := range clients {
		if l := w.leave(c.id); l.UserID != fmt.Sprintf("user:user%d", i) {
			t.Errorf("got %+v", l)
		}
	}
}

// A leave is what package bus says it is.
func TestLeaveEncoding(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	c, held := w.hand().quiet(first)
	c.bye()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(w.receive(held.msgs).Data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"conn_id", "user_id", "reason", "code", "connected_ms", "messages_in", "messages_out"} {
		if fields[name] == nil {
			t.Errorf("no %s", name)
		}
		delete(fields, name)
	}
	if len(fields) > 0 {
		t.Errorf("besides: %v", fields)
	}
}

// A fence that is none of ours changes nothing.
func TestForeignFences(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.begin(upgrade(w.demo()))
	for _, fence := range []string{"999999", "-1", "0", "lost", "rubbish"} {
		c.say(`{"type":"ping"}`) // which is under way for some time yet
		if m := c.next(); m.Type != "pong" {
			t.Fatalf("got %s", m.raw)
		}
		m := &bus.Msg{Subject: bus.Address(bustest.Node, c.id), Header: map[string][]string{bus.HeaderFence: {fence}}}
		if err := w.bus.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
		w.flush()
	}
	c.say(`{"type":"ping"}`)
	if m := c.next(); m.Type != "pong" {
		t.Errorf("got %s", m.raw)
	}
	c.bye()
}

// Who has left does not join again.
func TestNoJoinAfterLeave(t *testing.T) {
	t.Parallel()
	g := newWorld(t).unstarted("127.0.0.1:0")
	if letters := gateway.JoinAfterLeave(g); letters > 0 {
		t.Errorf("%d letters", letters)
	}
}

// A handler that takes a connection over knows what a late answer of the one before
// has changed.
func TestLateAnswerIsKnownToTheNextHandler(t *testing.T) {
	t.Parallel()
	w := calm(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	c, held := hand.quiet(first)
	c.say(`{"type":"subscribe","symbols":["ETH-USD"],"id":1}`)
	held.wantMessage(`{"type":"subscribe","symbols":["ETH-USD"],"id":1}`)
	held.die()
	hand.stop()
	w.startHandler(1)
	c.say(`{"type":"ping","id":2}`)
	c.until("pong")
	held.answer(`{"payload":{"type":"subscribed","id":1,"symbols":["ETH-USD"],"interval_ms":0},"subscribe":["ETH-USD"],"join":1}`)
	c.until("subscribed")
	c.snapshot()
	c.say(`{"type":"subscribe","symbols":["BTC-USD"],"id":3}`)
	c.want(`{"type":"subscribed","id":3,"symbols":["ETH-USD","BTC-USD"],"interval_ms":0}`)
}

// A late answer asks for another join, but not while one is under way: whoever took that
// one would hold the connection, too, and not hear of the other.
func TestOneJoinAtATime(t *testing.T) {
	t.Parallel()
	w := calm(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	c, held := hand.quiet(first)
	c.say("subscribe, please")
	held.wantMessage("subscribe, please")
	held.die()
	c.say("and more")
	second := hand.given()
	held.answer(`{"payload":"subscribed","subscribe":["ETH-USD"],"join":1}`)
	c.want("subscribed")
	c.snapshot()
	w.settle()
	second.listen()
	second.answer(`{"join":2}`)
	third := hand.take()
	if m := w.receive(second.msgs); !bus.IsJoin(m.Subject) {
		t.Fatalf("got %s %s, want the next join", m.Subject, m.Data)
	}
	if got := strings.Join(third.join.Symbols, " "); got != "ETH-USD" || third.join.Number != 3 {
		t.Errorf("joined anew with %s", third.raw)
	}
	second.die()
	third.answer(`{"join":3}`)
	third.wantMessage("and more")
	c.bye()
	third.wantLeft(1000, "")
}

// Who resumes is sent no tick in which nothing changed, as nobody is.
func TestResumeWithoutEmptyTicks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.begin(upgrade(w.demo()))
	c.want(w.tick("BTC-USD=1"))
	w.tick()
	last := w.tick("BTC-USD=2")
	c.want(last)
	again := w.connect(upgrade(w.demo()).query("since", "1"))
	again.want(last)
}
