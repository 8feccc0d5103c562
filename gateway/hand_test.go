package gateway_test

import (
	"encoding/json"
	"fmt"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
)

// A hand is a handler of which the test makes every move.
type hand struct {
	*world
	joins chan *bus.Msg
	sub   *bus.Subscription
}

// hand puts itself up for joins.
func (w *world) hand() *hand {
	w.Helper()
	h := &hand{world: w, joins: make(chan *bus.Msg, 1<<10)}
	var err error
	if h.sub, err = w.bus.SubscribeQueueChan(bus.Joins, bus.Handlers, h.joins); err != nil {
		w.Fatal(err)
	}
	w.flush()
	return h
}

// stop takes no joins any more.
func (h *hand) stop() {
	h.Helper()
	if err := h.sub.Unsubscribe(); err != nil {
		h.Fatal(err)
	}
	h.flush()
}

// A held connection is one whose join the hand was given.
type held struct {
	*world
	join    bus.Join
	raw     string // the join's bytes
	address string
	msgs    chan *bus.Msg
	sub     *bus.Subscription
}

// take waits for a join, and listens to its connection, but does not answer yet.
func (h *hand) take() *held {
	h.Helper()
	c := h.given()
	c.listen()
	return c
}

// given waits for a join, and does not listen yet.
func (h *hand) given() *held {
	h.Helper()
	m := h.receive(h.joins)
	c := &held{world: h.world, raw: string(m.Data), address: m.Reply, msgs: make(chan *bus.Msg, 1<<12)}
	if err := json.Unmarshal(m.Data, &c.join); err != nil {
		h.Fatalf("join %s: %v", m.Data, err)
	}
	if m.Subject != bus.JoinOf(c.join.ConnID) {
		h.Errorf("join of %s at %s", c.join.ConnID, m.Subject)
	}
	c.mustLeave(c.join.ConnID)
	return c
}

// receive waits for a message of the bus.
func (w *world) receive(ch <-chan *bus.Msg) *bus.Msg {
	w.Helper()
	select {
	case m := <-ch:
		return m
	case <-time.After(w.patience):
		w.Fatal("nothing came over the bus")
		return nil
	}
}

func (c *held) listen() {
	c.Helper()
	var err error
	if c.sub, err = c.bus.SubscribeChan(bus.AllOf(c.join.ConnID), c.msgs); err != nil {
		c.Fatal(err)
	}
	c.flush()
}

// die listens no more.
func (c *held) die() {
	c.Helper()
	if err := c.sub.Unsubscribe(); err != nil {
		c.Fatal(err)
	}
	c.flush()
}

// answer sends JSON to the connection's address.
func (c *held) answer(format string, args ...any) {
	c.Helper()
	c.publish(c.address, fmt.Sprintf(format, args...))
}

// welcome claims the connection, subscribed to everything.
func (c *held) welcome() {
	c.Helper()
	c.answer(`{"payload":{"type":"welcome","conn_id":%q},"subscribe":["*"]}`, c.join.ConnID)
}

// wantMessage fails unless the client's message is what comes next.
func (c *held) wantMessage(want string) {
	c.Helper()
	m, address := c.receive(c.msgs), bus.Address(bustest.Node, c.join.ConnID)
	if !bus.IsMessage(m.Subject) || string(m.Data) != want || m.Reply != address {
		c.Fatalf("got %s %s, reply %s; want message %s, reply %s", m.Subject, m.Data, m.Reply, want, address)
	}
}

// wantLeft fails unless the connection's leave is what comes next.
func (c *held) wantLeft(code int, reason string) {
	c.Helper()
	m := c.receive(c.msgs)
	var leave bus.Leave
	if err := json.Unmarshal(m.Data, &leave); err != nil || !bus.IsLeave(m.Subject) || leave.Code != code || leave.Reason != reason {
		c.Fatalf("got %s %s, want leave %d %q", m.Subject, m.Data, code, reason)
	}
}
