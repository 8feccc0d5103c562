package handler_test

import (
	"fmt"
	"testing"
	"time"

	"tickerd/bus"
)

// The connections of a node that is gone are let go of, and no others. What still comes
// of them is nobody's, and whoever comes back is taken again.
func TestGone(t *testing.T) {
	w := newWorld(t, options{workers: 3})
	const each = 1000 // more than is let go of in one turn
	for i := range each {
		for _, node := range []string{"a", "b"} {
			j := newJoin(fmt.Sprint(node, i))
			j.Node = node
			w.join(j)
		}
	}
	w.handler.Gone("nobody")
	w.handler.Gone("a")
	w.wantHeld(each)
	if n := w.handler.Held(); n != each {
		t.Errorf("%d held", n)
	}
	w.flush(w.inside)
	for i := range each {
		id := fmt.Sprint("a", i)
		w.publish(bus.MessageOf(id), []byte(`{"type":"ping"}`))
		if _, none := bus.NoResponders(w.next()); !none {
			t.Fatalf("%s is still held", id)
		}
		w.wantPong(fmt.Sprint("b", i))
	}
	if err := w.bus.PublishJSON(bus.LeaveOf("a1"), bus.Leave{ConnID: "a1"}); err != nil {
		t.Fatal(err)
	}
	j := newJoin("a0")
	j.Node, j.Rejoin, j.Symbols = "a", true, []string{"*"}
	w.join(j)
	w.wantPong("a0")
	w.wantHeld(each + 1)
}

// A leave and a new join that come while a node's connections are let go of do no harm.
func TestGoneWhileLeaving(t *testing.T) {
	w := newWorld(t, options{workers: 1})
	const conns = 1000
	for i := range conns {
		w.join(newJoin(fmt.Sprint(i)))
	}
	for i := range conns {
		if err := w.bus.PublishJSON(bus.LeaveOf(fmt.Sprint(i)), bus.Leave{}); err != nil {
			t.Fatal(err)
		}
		if i == conns/2 {
			w.handler.Gone(newJoin("").Node)
		}
	}
	w.wantHeld(0)
	w.join(newJoin("later"))
	w.wantPong("later")
	w.wantHeld(1)
}

// A handler that starts late knows the symbols of which the next ticks say nothing.
func TestSymbolsOfTheSnapshot(t *testing.T) {
	w := newWorld(t, options{})
	w.join(newJoin("a"))
	if p := payloadOf(t, w.say("a", `{"type":"subscribe","symbols":["NEW-USD"]}`)); p.Code != "bad_symbol" {
		t.Fatalf("got %+v", p)
	}
	_, err := w.bus.Subscribe(bus.PriceSnapshot, func(m *bus.Msg) {
		const snapshot = `{"type":"ticker","snapshot":true,"seq":5,"ts":1,"data":[{"symbol":"NEW-USD","price":1,"timestamp":1}]}`
		if err := w.bus.Publish(m.Reply, []byte(snapshot)); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	w.flush(w.bus)
	w.handler.Touch(true)
	for p := (payload{}); p.Type != "subscribed"; {
		p = payloadOf(t, w.say("a", `{"type":"subscribe","symbols":["NEW-USD"]}`))
	}
}

// A symbol that is gone is unknown, also one of the settings, until it has a price again.
func TestSymbolIsGone(t *testing.T) {
	w := newWorld(t, options{})
	w.join(newJoin("a"))
	subscribe := func() string {
		return payloadOf(t, w.say("a", `{"type":"subscribe","symbols":["BTC-USD"]}`)).Type
	}
	awaitSubscribe := func(want string) {
		t.Helper()
		for end := time.Now().Add(timeout); subscribe() != want; {
			if time.Now().After(end) {
				t.Fatalf("not %q within %v", want, timeout)
			}
		}
	}
	tick := func(seq int) {
		w.publish(bus.Prices, fmt.Appendf(nil, `{"type":"ticker","seq":%d,"ts":1,"data":[{"symbol":"BTC-USD","price":1,"timestamp":1}]}`, seq))
	}
	for n := range 10 {
		if got := subscribe(); got != "subscribed" {
			t.Fatalf("got %q", got)
		}
		tick(2 * n)
		w.publish(bus.StatusNews, []byte(`{"type":"status","source":"kraken","state":"stale","symbols":["BTC-USD"]}`))
		w.publish(bus.StatusNews, []byte(`{"type":"status","source":"kraken","state":"down","symbols":["BTC-USD"],"gone":true}`))
		awaitSubscribe("error")
		tick(2*n + 1)
		awaitSubscribe("subscribed")
	}
}
