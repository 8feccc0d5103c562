package gateway_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/bus/bustest"
)

const clusterUnreachable = `{"error":"cluster unreachable"}`

// wantUnreachable fails unless a request is refused because of the cluster.
func (w *world) wantUnreachable(t *testing.T, r request) {
	t.Helper()
	got := w.ask(second, r)
	wantReply(t, got, http.StatusServiceUnavailable, clusterUnreachable)
	if got.header.Get("Retry-After") == "" {
		t.Errorf("%s %s: no Retry-After", r.method, r.target)
	}
}

// While the cluster cannot be reached nobody is let in, by whatever door; who is in
// stays.
func TestReach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, _ := w.key(auth.NewKey{User: "ann", Role: auth.RoleUser})
	var cutOff atomic.Bool
	other := w.another(func(p *parts) {
		p.Reach = func() error {
			if cutOff.Load() {
				return errors.New("1 of 3 nodes heard")
			}
			return nil
		}
	})
	other.tick("BTC-USD=1")
	c := other.begin(upgrade(w.demo()))
	good := []request{exchange(key), get("/api/v1/prices?token=" + w.demo()), get("/api/v1/prices/BTC-USD?token=" + w.demo())}
	for _, r := range good {
		if got := other.ask(first, r); got.status != http.StatusOK {
			t.Errorf("%s: %+v", r.target, got)
		}
	}
	cutOff.Store(true)
	for _, r := range append(good,
		upgrade(w.demo()), upgrade(""), sse(w.demo()), post("nonsense"), get("/auth/token"),
		get("/api/v1/candles"), get("/api/v1/stats"), request{method: "DELETE", target: "/ws/ticker", proto: "HTTP/1.1", header: []string{"Host: x"}},
	) {
		other.wantUnreachable(t, r)
	}
	wantReply(t, other.ask(first, upgrade(w.demo())), http.StatusServiceUnavailable, clusterUnreachable)
	if got := other.ask(first, upgrade(w.demo()).without("Host")); got.status != http.StatusBadRequest {
		t.Errorf("malformed: %+v", got)
	}
	preflight := request{method: "OPTIONS", target: "/auth/token", proto: "HTTP/1.1", header: []string{
		"Host: x", "Origin: http://a.example", "Access-Control-Request-Method: POST",
	}}
	if got := other.ask(first, preflight); got.status != http.StatusNoContent {
		t.Errorf("preflight: %+v", got)
	}
	if got := other.ask(first, get("/healthz")); got.status != http.StatusOK {
		t.Errorf("health: %+v", got)
	}
	c.want(other.tick("BTC-USD=2"))
	c.say(`{"type":"ping"}`)
	if m := c.next(); m.Type != "pong" {
		t.Errorf("got %s", m.raw)
	}
	cutOff.Store(false)
	other.begin(upgrade(w.demo())).bye()
	c.bye()
}

// What was revoked is known by others: a verifier that does not know it yet cannot reach
// them.
func TestReachOfTheVerifier(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fresh := auth.NewVerifier(w.signer, discard)
	alone := w.another(func(p *parts) { p.Verifier = fresh })
	wantReply(t, alone.ask(first, upgrade(w.demo())), http.StatusServiceUnavailable, `{"error":"not ready"}`)
	clustered := w.another(func(p *parts) { p.Verifier, p.Reach = fresh, func() error { return nil } })
	clustered.wantUnreachable(t, upgrade(w.demo()))
}

// Who has the keys of others cannot do without them; who has his own says that they
// fail.
func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, _ := w.key(auth.NewKey{User: "ann", Role: auth.RoleUser})
	var cutOff atomic.Bool
	reach := func() error {
		if cutOff.Load() {
			return errors.New("cut off")
		}
		return nil
	}
	borrower := w.another(func(p *parts) { p.Borrows, p.Reach = true, reach })
	owner := w.another(func(p *parts) { p.Reach = reach })
	for _, w := range []*world{borrower, owner} {
		tokenIn(t, w.ask(first, exchange(key)))
	}
	w.stopAuth()
	const unavailable = `{"error":"database unavailable"}`
	borrower.wantUnreachable(t, exchange(key))
	wantReply(t, owner.ask(first, exchange(key)), http.StatusInternalServerError, unavailable)
	w.publisherAnswers(bus.Exchange, 0, func() []byte {
		cutOff.Store(true) // meanwhile
		return []byte(`{"error":"unavailable"}`)
	})
	for _, w := range []*world{borrower, owner} {
		cutOff.Store(false)
		w.wantUnreachable(t, exchange(key))
	}
}

// wantPrimed fails unless there is a price to begin with.
func (w *world) wantPrimed() {
	w.Helper()
	w.await("the first price", w.gateway.Primed())
}

// A gateway that starts late is told what there is.
func TestStartsLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	prices := `{"type":"ticker","snapshot":true,"seq":700,"ts":700,"data":[{"symbol":"BTC-USD","price":7,"timestamp":1},{"symbol":"ETH-USD","price":8,"timestamp":1}]}`
	const down = `{"type":"status","source":"kraken","state":"down","symbols":["ETH-USD"]}`
	w.publisherAnswers(bus.PriceSnapshot, 3, func() []byte { return []byte(prices) })
	w.publisherAnswers(bus.PriceStatus, 3, func() []byte { return []byte(`[` + down + `]`) })
	other := w.neighbour("late")
	other.wantPrimed()
	if term, seq, lag := other.gateway.Newest(); term != 3 || seq != 700 || lag != 0 {
		t.Errorf("term %d, seq %d, lag %v", term, seq, lag)
	}
	var c *client
	other.spin("the status", func() bool {
		c = other.connect(upgrade(w.demo()))
		c.want(prices)
		c.say(`{"type":"ping"}`)
		if m := c.next(); m.Type == "status" {
			if m.raw != down {
				t.Errorf("got %s", m.raw)
			}
			return c.next().Type == "pong"
		}
		c.bye()
		return false
	})
	next := tickOf(701, "BTC-USD=9")
	w.publishTick(tickOf(700, "BTC-USD=0"), 3) // the snapshot has overtaken it
	w.publishTick(next, 3)
	c.want(next)
	c.bye()
}

// A tick that is missing, and what comes behind it, is asked of the publisher. Another
// that is no more is not believed.
func TestTickIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.begin(upgrade(w.demo()))
	c.want(w.tick("BTC-USD=1", "ETH-USD=1"))
	var asked atomic.Int32
	const full = `{"type":"ticker","snapshot":true,"seq":4,"ts":4,"data":[{"symbol":"BTC-USD","price":3,"timestamp":1},{"symbol":"ETH-USD","price":2,"timestamp":1}]}`
	w.publisherAnswers(bus.PriceSnapshot, 1, func() []byte {
		if asked.Add(1) == 1 {
			return []byte(strings.Replace(full, `"seq":4`, `"seq":0`, 1))
		}
		return []byte(full)
	})
	w.publishTick(tickOf(3, "BTC-USD=3"), 1)
	c.want(full)
	w.seq = 4
	c.want(w.tick("BTC-USD=5"))
	resume := w.open(upgrade(w.demo()).query("since", "1"))
	if m := resume.welcome(); *m.Resumed || !resume.snapshot().Snapshot {
		t.Errorf("resumed over a gap: %s", m.raw)
	}
	resume = w.open(upgrade(w.demo()).query("since", "4"))
	if m := resume.welcome(); !*m.Resumed || resume.next().Seq != 5 {
		t.Errorf("not resumed behind a gap: %s", m.raw)
	}
	// The publisher says which tick was its last.
	if err := w.bus.PublishJSON(bus.PublisherAlive, bus.Alive{Term: 1, Seq: 6}); err != nil {
		t.Fatal(err)
	}
	w.spin("it is asked", func() bool { return asked.Load() >= 3 })
}

// Where nobody can tell what was missed, it goes on with what is known.
func TestNobodyKnowsWhatIsMissing(t *testing.T) {
	for name, silent := range map[string]bool{"nobody answers": true, "nobody is there": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				if silent {
					if _, err := w.bus.Subscribe(bus.PriceSnapshot, func(*bus.Msg) {}); err != nil {
						t.Fatal(err)
					}
				}
				c := w.begin(upgrade(w.demo()))
				c.want(w.tick("BTC-USD=1", "ETH-USD=1"))
				time.Sleep(3 * time.Second)
				began := time.Now()
				w.publishTick(tickOf(3, "BTC-USD=3"), 1)
				w.publishTick(tickOf(4, "BTC-USD=4"), 1)
				if m := c.snapshot(); m.Seq != 4 || m.prices() != "BTC-USD=4 ETH-USD=1" {
					t.Errorf("got %s", m.raw)
				}
				if took := time.Since(began); took > 1500*time.Millisecond {
					t.Errorf("after %v", took)
				}
				w.seq = 4
				c.want(w.tick("ETH-USD=5"))
				c.bye()
			})
		})
	}
}

// allPrices is a status of all prices.
func allPrices(state string, symbols ...string) string {
	return fmt.Sprintf(`{"type":"status","source":"cluster","state":%q,"symbols":[%s]}`, state, `"`+strings.Join(symbols, `","`)+`"`)
}

// Of a publisher that is heard no more everybody is told, and when it is heard again.
func TestSilence(t *testing.T) {
	inBubble(t, func(w *world) {
		time.Sleep(time.Minute) // who never spoke is not missed
		c := w.begin(upgrade(w.demo()))
		c.want(w.tick("BTC-USD=1", "ETH-USD=1"))
		for range 80 { // who lives need have nothing to say
			time.Sleep(250 * time.Millisecond)
			if err := w.bus.PublishJSON(bus.PublisherAlive, bus.Alive{Term: 1, Seq: 1}); err != nil {
				t.Fatal(err)
			}
		}
		w.flush()
		began := time.Now()
		stale, live := allPrices("stale", "BTC-USD", "ETH-USD"), allPrices("live", "BTC-USD", "ETH-USD")
		c.want(stale)
		if after := time.Since(began); after < 4*time.Second || after > 6*time.Second {
			t.Errorf("after %v", after)
		}
		late := w.begin(upgrade(w.demo()))
		late.want(stale)
		if err := w.bus.PublishJSON(bus.PublisherAlive, bus.Alive{Term: 0, Seq: 1}); err != nil { // one whose term is over
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		tick := w.tick("BTC-USD=2")
		for _, c := range []*client{c, late} {
			c.want(tick, live)
			c.bye()
		}
	}, func(o *options) { o.silent = true })
}

// Who is out of touch with the others does not know whether its prices are live. When it
// is in touch again, it asks for what it has missed before it says that they are.
func TestTouch(t *testing.T) {
	inBubble(t, func(w *world) {
		w.gateway.Touch(true)
		c := w.begin(upgrade(w.demo()))
		c.want(w.tick("BTC-USD=1"))
		w.gateway.Touch(false)
		c.want(allPrices("stale", "BTC-USD"))
		c.want(w.tick("BTC-USD=2")) // it may be so
		const full = `{"type":"ticker","snapshot":true,"seq":9,"ts":9,"data":[{"symbol":"BTC-USD","price":9,"timestamp":1}]}`
		w.publisherAnswers(bus.PriceSnapshot, 2, func() []byte { return []byte(full) })
		time.Sleep(10 * time.Second)
		w.term.Store(2)
		w.gateway.Touch(true)
		c.want(full, allPrices("live", "BTC-USD"))
		c.bye()
	})
}

// Of a symbol that is gone by the time that prices are live again nothing is left: nobody
// who comes later is told that it is stale.
func TestSilenceAndGone(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()))
		c.want(w.tick("BTC-USD=1", "ETH-USD=1"))
		c.want(allPrices("stale", "BTC-USD", "ETH-USD"))
		const gone = `{"type":"status","source":"kraken","state":"down","symbols":["ETH-USD"],"gone":true}`
		w.publish(bus.StatusNews, gone)
		c.want(gone)
		c.want(w.tick("BTC-USD=2"), allPrices("live", "BTC-USD", "ETH-USD"))
		late := w.begin(upgrade(w.demo()))
		late.want(w.tick("BTC-USD=3"))
		for _, c := range []*client{c, late} {
			c.bye()
		}
	}, func(o *options) { o.silent = true })
}

// A client that lost one node goes on at another, where that holds what it has missed.
func TestResumeElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.neighbour("b")
	tick := func(n int) string {
		msg := w.tick(fmt.Sprintf("BTC-USD=%d", n))
		other.spin("tick", func() bool { return other.gateway.Took(uint64(n)) })
		return msg
	}
	c := w.begin(upgrade(w.demo()))
	var ticks []string
	for n := 1; n <= 5; n++ {
		ticks = append(ticks, tick(n))
	}
	c.want(ticks[:3]...)
	c.reset()
	for since, resumed := range map[int]bool{3: true, 5: true, 6: false} {
		c := other.open(upgrade(w.demo()).query("since", fmt.Sprint(since)))
		if m := c.welcome(); *m.Resumed != resumed {
			t.Errorf("since %d: %s", since, m.raw)
		}
		if resumed {
			c.want(ticks[since:]...)
		} else if m := c.snapshot(); m.Seq != 5 {
			t.Errorf("since %d: %s", since, m.raw)
		}
		c.bye()
	}
}

// A limit for a user counts his connections on all nodes; those of a node that is gone
// count no more.
func TestConnectionsPerUserOverNodes(t *testing.T) {
	t.Parallel()
	limited := func(o *options) { o.gateway.MaxConnectionsPerUser = 3 }
	w := newWorld(t, limited)
	b := w.neighbour("b", limited)
	ann, bob := upgrade(w.sign("ann", auth.RoleUser)), upgrade(w.sign("bob", auth.RoleUser))
	held := []*client{w.begin(ann), b.begin(ann), b.begin(ann)}
	late := w.neighbour("late", limited) // learns what was before it
	for _, node := range []*world{w, b, late} {
		node.refusedSoon(ann)
		node.begin(bob).bye()
	}
	held[1].bye()
	for _, node := range []*world{w, late, b} {
		node.admittedSoon(ann)
	}
	held[1] = b.begin(ann)
	w.refusedSoon(ann)
	w.gateway.Gone("b")
	w.admittedSoon(ann)
	late.refusedSoon(ann) // it has not heard of it
	w.publish(bus.NodeRoll, "")
	w.refusedSoon(ann) // b was only paused
	for _, c := range held {
		c.bye()
	}
}

// refusedSoon fails unless a user soon has too many connections.
func (w *world) refusedSoon(r request) {
	w.Helper()
	w.spin("the user has too many connections", func() bool {
		c := w.dial()
		defer c.Close()
		c.send(r.String())
		got := c.reply(r.method)
		if got.status == http.StatusTooManyRequests {
			return true
		}
		(&client{wire: c}).bye()
		return false
	})
}

// admittedSoon fails unless a user soon has not.
func (w *world) admittedSoon(r request) {
	w.Helper()
	w.spin("the user has room", func() bool {
		c := w.dial()
		defer c.Close()
		c.send(r.String())
		if c.reply(r.method).status != http.StatusSwitchingProtocols {
			return false
		}
		(&client{wire: c}).bye()
		return true
	})
}

// Without a limit nobody is told of users.
func TestNoCensus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	told := make(chan string, 1<<10)
	for _, subject := range []string{bus.NodesUsers, bus.NodeRoll} {
		if _, err := w.bus.Subscribe(subject, func(m *bus.Msg) { told <- m.Subject }); err != nil {
			t.Fatal(err)
		}
	}
	w.flush()
	w.gateway.Touch(true)
	w.begin(upgrade(w.demo())).bye()
	w.drain()
	<-w.drained
	w.flush()
	if len(told) > 0 {
		t.Errorf("%s", <-told)
	}
}

// A join that was lost with its handler is sent again. Should it not have been lost, who
// answers first holds the connection, and the other one lets go of it.
func TestLostJoin(t *testing.T) {
	inBubble(t, func(w *world) {
		hand := w.hand()
		began := time.Now()
		c := w.open(upgrade(w.demo()))
		hand.given()
		held := hand.take()
		wantAfter(w, began, 3*time.Second)
		if held.join.Number != 2 {
			t.Errorf("join %d", held.join.Number)
		}
		held.answer(`{"payload":{"type":"welcome","conn_id":%q},"subscribe":["*"],"join":2}`, held.join.ConnID)
		c.welcome()
		c.snapshot()
		c.bye()
		held.wantLeft(1000, "")

		// One that the gateway knows to be gone need not be waited for.
		c = w.open(upgrade(w.demo()))
		hand.given()
		time.Sleep(time.Second)
		began = time.Now()
		w.gateway.Gone("elsewhere")
		held = hand.take()
		wantAfter(w, began, 0)
		held.answer(`{"payload":{"type":"welcome","conn_id":%q},"subscribe":["*"],"join":2}`, held.join.ConnID)
		c.welcome()
		c.snapshot()
		w.gateway.Gone("elsewhere")
		c.say("held")
		held.wantMessage("held")
		c.bye()
		held.wantLeft(1000, "")
	}, func(o *options) { o.workers = 0 })
}

// Both answers to a join that was sent twice come, in either order.
func TestJoinIsAnsweredTwice(t *testing.T) {
	for _, order := range [][2]int{{1, 2}, {2, 1}} {
		inBubble(t, func(w *world) {
			hand := w.hand()
			c := w.open(upgrade(w.demo()))
			given := map[int]*held{1: hand.given(), 2: hand.given()}
			one, two := given[order[0]], given[order[1]]
			one.listen()
			one.answer(`{"payload":{"type":"welcome","conn_id":%q},"subscribe":["*"],"join":%d}`, one.join.ConnID, order[0])
			c.welcome()
			c.snapshot()
			two.listen()
			two.answer(`{"payload":{"type":"welcome","conn_id":%q},"subscribe":["*"],"join":%d}`, two.join.ConnID, order[1])
			w.flush()
			third := hand.given() // which makes both let go
			for _, h := range []*held{one, two} {
				if m := h.receive(h.msgs); !bus.IsJoin(m.Subject) {
					t.Errorf("got %s", m.Subject)
				}
				h.die()
			}
			if third.join.Number != 3 || !third.join.Rejoin {
				t.Errorf("got %s", third.raw)
			}
			third.listen()
			c.say("hello")
			two.answer(`{"payload":"nobody asks","join":%d}`, order[1])
			third.answer(`{"join":3}`)
			third.wantMessage("hello")
			third.answer(`{"payload":"hi","join":3}`)
			c.want("hi")
			c.bye()
			third.wantLeft(1000, "")
		}, func(o *options) { o.workers = 0 })
	}
}

// Whoever is given a connection by a join that was sent twice lets go of it at its end, be
// it that the client has left before he takes it.
func TestLeftBeforeTheSecondAnswer(t *testing.T) {
	inBubble(t, func(w *world) {
		hand := w.hand()
		c := w.open(upgrade(w.demo()))
		one, two := hand.given(), hand.given()
		two.listen()
		two.answer(`{"payload":{"type":"welcome","conn_id":%q},"subscribe":["*"],"join":2}`, two.join.ConnID)
		c.welcome()
		c.snapshot()
		c.bye()
		one.listen()
		one.answer(`{"payload":{"type":"welcome","conn_id":%q},"subscribe":["*"],"join":1}`, one.join.ConnID)
		one.wantLeft(1000, "")
		two.wantLeft(1000, "")
	}, func(o *options) { o.workers = 0 })
}

// FuzzCount holds that what other nodes tell, whatever it is, is forgotten with them.
func FuzzCount(f *testing.F) {
	for _, seed := range []string{
		`{"full":true,"users":{"demo":12,"ann":1}}`, `{"users":{"demo":0}}`, `{"full":true}`, `{"users":{"demo":-1}}`, `{"users":{"demo":1e99}}`, ``, `[]`,
	} {
		f.Add([]byte(seed), []byte(`{"users":{"demo":3}}`))
	}
	w := newWorld(f, func(o *options) { o.gateway.MaxConnectionsPerUser = 1 })
	f.Fuzz(func(t *testing.T, a, b []byte) {
		w.gateway.TakeCount("node.a.users", a)
		w.gateway.TakeCount("node.b.users", b)
		w.gateway.TakeCount("node.a.users", b)
		w.gateway.TakeCount("node."+bustest.Node+".users", a) // our own
		for _, node := range []string{"a", "b"} {
			w.gateway.Gone(node)
		}
		if nodes, users := w.gateway.Elsewhere(); nodes+users > 0 {
			t.Errorf("%d users on %d nodes are left", users, nodes)
		}
	})
}
