package gateway_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"tickerd/bus"
	"tickerd/bus/bustest"
)

// drainUntil reads up to the message that tells when the connection will end.
func (c *client) drainUntil() time.Duration {
	c.t.Helper()
	for {
		switch op, payload := c.frame(); op {
		case ws.OpPing:
			c.send(frameOf(ws.OpPong, string(payload)))
		case ws.OpText:
			m := c.parse(payload)
			if m.Type != "drain" {
				continue
			}
			if m.ReconnectIn == nil {
				c.t.Fatalf("got %s", m.raw)
			}
			return time.Duration(*m.ReconnectIn) * time.Millisecond
		}
	}
}

// Everyone is told a time of his own, and sent away when it has come; and the
// node ends with the last.
func TestDrain(t *testing.T) {
	const n, spread = 10, 5 * time.Second
	inBubble(t, func(w *world) {
		var clients []*client
		for range n {
			clients = append(clients, w.begin(upgrade(w.demo())))
		}
		began := time.Now()
		w.drain()
		var mu sync.Mutex
		var times []time.Duration
		var all sync.WaitGroup
		for _, c := range clients {
			all.Go(func() {
				told := c.drainUntil()
				c.wantEnd(1001, "node is going away")
				wantAfter(w, began, told)
				mu.Lock()
				defer mu.Unlock()
				times = append(times, told)
			})
		}
		// Who asks meanwhile is told to ask another node.
		time.Sleep(spread / 2)
		if got := w.ask(first, upgrade(w.demo())); got.status != 503 || got.body != `{"error":"draining"}` || got.header.Get("Retry-After") == "" {
			w.Errorf("got %+v", got)
		}
		<-w.drained
		wantAfter(w, began, spread)
		all.Wait()
		slices.Sort(times)
		for i, at := range times {
			if want := spread * time.Duration(i+1) / n; at > want || at < want-10*time.Millisecond {
				w.Errorf("all times are %v, want one every %v", times, spread/n)
				break
			}
		}
	}, func(o *options) { o.server.DrainSpread, o.server.DrainTimeout = spread, time.Minute })
}

// The stream goes on until the end; and who goes by himself is not waited for.
func TestDrainGoesOn(t *testing.T) {
	inBubble(t, func(w *world) {
		stays, leaves := w.begin(upgrade(w.demo())), w.begin(upgrade(w.demo()))
		w.drain()
		stays.drainUntil()
		leaves.drainUntil()
		began := time.Now()
		leaves.bye()
		stays.want(w.tick("BTC-USD=1"))
		stays.say(`{"type":"ping"}`)
		if m := stays.next(); m.Type != "pong" {
			w.Errorf("got %s", m.raw)
		}
		stays.bye()
		<-w.drained
		if took := time.Since(began); took > time.Second {
			w.Errorf("ended after %v", took)
		}
	}, func(o *options) { o.server.DrainSpread, o.server.DrainTimeout = time.Hour, time.Hour })
}

// Who does not go is cut when the time is over, and not waited for.
func TestDrainTimeout(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()))
		http := w.dialBy(second).upgraded(upgrade(w.demo()))
		http.welcome()
		http.snapshot()
		for range 2 {
			w.dial() // says nothing
			w.dialBy(second)
		}
		began := time.Now()
		w.drain()
		<-w.drained
		if took := time.Since(began); took > 2*time.Second+closeTimeout {
			w.Errorf("ended after %v", took)
		}
		w.settle()
		for _, id := range []string{c.id, http.id} {
			if !w.hasLeft(id) {
				w.Errorf("%s has not left", id)
			}
		}
	}, func(o *options) { o.server.DrainSpread, o.server.DrainTimeout = time.Second, 2*time.Second })
}

// A connection whose join nobody has answered is sent away with the others, and
// its handler, should one come, hears of it.
func TestDrainBeforeTheClaim(t *testing.T) {
	inBubble(t, func(w *world) {
		hand := w.hand()
		c := w.open(upgrade(w.demo()))
		held := hand.take()
		w.drain()
		synctest.Wait()
		held.welcome()
		c.welcome()
		c.drainUntil()
		c.wantEnd(1001, "node is going away")
		held.wantLeft(1001, "node is going away")
	}, func(o *options) { o.workers, o.server.DrainSpread = 0, time.Second })
}

// Without a spread everyone goes at once.
func TestDrainAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var clients []*client
	for _, by := range []way{first, second, first, second} {
		c := w.dialBy(by).upgraded(upgrade(w.demo()))
		c.welcome()
		c.snapshot()
		clients = append(clients, c)
	}
	idle, kept := w.dial(), w.dialBy(second)
	w.drain()
	for _, c := range clients {
		if told := c.drainUntil(); told != 0 {
			t.Errorf("told %v", told)
		}
		c.wantEnd(1001, "node is going away")
	}
	w.await("drained", w.drained)
	idle.wantEOF()
	kept.wantEOF()
	if c, err := w.dialer(); err == nil {
		c.Close()
		t.Error("somebody still listens")
	}
	// Nobody is at the node's addresses any more.
	err := w.bus.Request(t.Context(), bus.Address(bustest.Node, "x"), nil, nil)
	if !errors.Is(err, bus.ErrNoResponders) {
		t.Errorf("%v, want no responders", err)
	}
}

// Connections that come while the node begins to drain are let in or refused,
// but none is forgotten.
func TestDrainAtTheDoor(t *testing.T) {
	t.Parallel()
	for range 20 {
		w := newWorld(t)
		var doors sync.WaitGroup
		for range 8 {
			r := upgrade(w.demo())
			conn, err := w.dialer()
			if err != nil {
				t.Fatal(err)
			}
			doors.Go(func() {
				defer conn.Close()
				c := newWire(w, conn)
				if _, err := conn.Write([]byte(r.String())); err != nil {
					return // the node was faster
				}
				if b, err := c.r.Peek(12); err != nil || string(b) != "HTTP/1.1 101" {
					return // refused, or the node was faster again
				}
				c.reply("GET")
				client := &client{wire: c}
				for {
					op, payload, err := client.tryFrame()
					switch {
					case err != nil: // closed as one that came too late
						return
					case op == ws.OpClose:
						if code, _ := ws.ParseCloseFrameData(payload); code != 1001 {
							t.Errorf("closed with %d", code)
						}
						return
					case strings.Contains(string(payload), `"welcome"`):
						w.mustLeave(client.parse(payload).ConnID)
					}
				}
			})
		}
		w.drain()
		doors.Wait()
		w.await("drained", w.drained)
	}
}

// A gateway that never ran gives its port back.
func TestListenAndClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.another(func(*parts) {})
	addr := other.gateway.Addr().String()
	other.drain()
	other.await("drained", other.drained)
	again := w.unstarted(addr)
	if err := again.Listen(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := w.unstarted(addr).Listen(context.Background()); err == nil {
		t.Error("two listen at one address")
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// Who is slow is told, too, and may take his time: what he had not read comes first.
func TestDrainOfASlowClient(t *testing.T) {
	t.Parallel()
	w := narrow(t, func(o *options) { o.server.DrainSpread, o.server.DrainTimeout = 0, time.Minute })
	slow := w.begin(upgrade(w.demo()))
	for i := range 200 {
		w.tick(wide(100, i)...)
	}
	w.drain()
	// What matters is that he reads later than a moment after his time has come.
	<-time.After(time.Second)
	if told := slow.drainUntil(); told != 0 {
		t.Errorf("told %v", told)
	}
	slow.wantEnd(1001, "node is going away")
}
