package handler

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"unique"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/ticker"
)

// A worker holds some of the connections and handles one message at a time. All
// that it listens to comes through its inbox, in order: the joins that it is
// given as one of the queue group, and the subjects of its connections.
type worker struct {
	*Handler

	inbox *bus.Inbox
	joins *bus.Subscription
	wake  chan struct{} // something else than a message is to be seen to

	// Owned by run.
	conns   map[*bus.Subscription]*conn
	leaving []*bus.Subscription // of nodes that are gone
	buf     bytes.Buffer
	encoder *json.Encoder // into buf

	mu   sync.Mutex
	gone []string // nodes of which run has not heard
}

// share is how many connections are let go of in one turn: in between, messages have
// theirs.
const share = 256

func newWorker(h *Handler) *worker {
	w := &worker{Handler: h, wake: make(chan struct{}, 1), conns: make(map[*bus.Subscription]*conn)}
	w.encoder = json.NewEncoder(&w.buf)
	w.encoder.SetEscapeHTML(false) // an id is echoed as it came
	return w
}

// open puts the worker up for joins.
func (w *worker) open() (err error) {
	w.inbox = w.bus.NewInbox()
	w.joins, err = w.inbox.SubscribeQueue(bus.Joins, bus.Handlers)
	return err
}

// run handles what comes until ctx ends and nothing more can come.
func (w *worker) run(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { ring(w.wake) })()
	for ctx.Err() == nil {
		if m := w.inbox.Next(w.wake); m != nil {
			w.handle(m)
		} else {
			w.letGo()
		}
	}
	w.close()
}

// forsake has the connections of a node let go of.
func (w *worker) forsake(node string) {
	w.mu.Lock()
	w.gone = append(w.gone, node)
	w.mu.Unlock()
	ring(w.wake)
}

// letGo lets go of a share of the connections whose nodes are gone.
func (w *worker) letGo() {
	w.mu.Lock()
	gone := w.gone
	w.gone = nil
	w.mu.Unlock()
	if len(gone) > 0 {
		for sub, c := range w.conns {
			if slices.Contains(gone, c.node()) {
				w.leaving = append(w.leaving, sub)
			}
		}
	}
	now := w.leaving[:min(len(w.leaving), share)]
	if w.leaving = w.leaving[len(now):]; len(w.leaving) > 0 {
		ring(w.wake)
	} else {
		w.leaving = nil
	}
	for _, sub := range now {
		if _, held := w.conns[sub]; held { // it may have left meanwhile
			w.release(sub)
		}
	}
}

// handle handles one message. Should that panic, the connection in question is
// closed, and no other suffers.
func (w *worker) handle(m *bus.Msg) {
	c := w.conns[m.Sub]
	defer func() {
		if reason := recover(); reason != nil {
			w.panicked(m, c, reason)
		}
	}()
	switch {
	case m.Sub == w.joins:
		w.join(m)
	case c == nil:
		// It came behind the leave, or behind a panic in the join.
	case bus.IsMessage(m.Subject):
		w.message(m, c)
	case bus.IsLeave(m.Subject):
		w.release(m.Sub)
	case bus.IsJoin(m.Subject):
		w.yield(m)
	}
}

// join takes a connection. Its subjects are subscribed before the answer that
// claims it, so that what the gateway sends thereupon finds us.
func (w *worker) join(m *bus.Msg) {
	j, err := parseJoin(m)
	if err != nil {
		w.log.Warn("join not understood", "subject", m.Subject, "err", err)
		return
	}
	scope := w.policies.Scope(j.Role, j.Policies, j.Allowed)
	if !scope.Allows(auth.ActionConnect, cmp.Or(j.Route, routeWebSocket)) {
		w.send(m.Reply, closing(closeForbidden, "policy does not allow it"))
		return
	}
	sub, err := w.inbox.Subscribe(bus.AllOf(j.ConnID))
	if err != nil {
		w.log.Error("connection not taken", "conn_id", j.ConnID, "err", err)
		return
	}
	c := &conn{who: unique.Make(holder{j.Node, j.UserID, scope}), expires: j.ExpiresAt, join: uint32(j.Number)}
	w.conns[sub] = c
	w.held.Add(1)
	if j.Rejoin {
		c.rules, c.interval = ticker.Rules(j.Symbols).Hold(), uint16(j.IntervalMS)
		w.send(m.Reply, c.says(answer{}))
		return
	}
	w.welcome(m.Reply, c, j)
}

// welcome answers a connection's first join. A gateway lets nobody in with a wish
// that cannot be fulfilled; should one be, it is refused as a whole.
func (w *worker) welcome(address string, c *conn, j bus.Join) {
	wish, interval, bad := wishOf(j)
	rules := ticker.Rules{}.Subscribe(wish...)
	c.rules, c.interval = rules.Hold(), uint16(interval)
	w.send(address, c.says(answer{
		Payload: welcome{typeWelcome, j.UserID, j.ConnID, rules, interval, remaining(c.expires, w.Clock()), j.Resumed},
		Answer:  bus.Answer{Subscribe: rules, IntervalMS: &interval},
	}))
	if bad != nil {
		w.send(address, w.refuse(bad, nil))
	}
}

// wishOf is what a client wishes for at first: everything, where it does not say.
func wishOf(j bus.Join) (patterns []string, intervalMS int64, bad *fault) {
	if !isInterval(j.IntervalMS) {
		return nil, 0, badInterval()
	}
	if len(j.Symbols) == 0 {
		return []string{ticker.Everything}, j.IntervalMS, nil
	}
	patterns, bad = parsePatterns(j.Symbols)
	return patterns, j.IntervalMS, bad
}

// parseJoin reads a join that can be answered.
func parseJoin(m *bus.Msg) (j bus.Join, err error) {
	if m.Reply == "" {
		return j, errNoReply
	}
	if err := json.Unmarshal(m.Data, &j); err != nil {
		return j, err
	}
	if j.ConnID != bus.ConnID(m.Subject) {
		return j, fmt.Errorf("of connection %.40q", j.ConnID)
	}
	if j.Number < 0 || j.Number > math.MaxInt32 {
		return j, fmt.Errorf("number %d", j.Number)
	}
	if j.Rejoin {
		return j, checkHeld(j)
	}
	return j, nil
}

// checkHeld reports what no connection can have held.
func checkHeld(j bus.Join) error {
	if !isInterval(j.IntervalMS) {
		return fmt.Errorf("interval_ms %d", j.IntervalMS)
	}
	rules := ticker.Rules(j.Symbols)
	for _, rule := range rules {
		if _, err := ticker.ParsePattern(strings.TrimPrefix(rule, "!")); err != nil {
			return err
		}
	}
	return rules.Check()
}

func (w *worker) message(m *bus.Msg, c *conn) {
	if m.Reply == "" {
		w.log.Warn("message not answered", "subject", m.Subject, "err", errNoReply)
		return
	}
	if c.broken {
		return
	}
	w.metrics.messages.Inc()
	w.send(m.Reply, c.says(c.decide(w.Handler, m.Data)))
}

// yield lets go of a connection whose join was given to someone anew, be it to
// this same worker: one subscription is as good as the other.
func (w *worker) yield(m *bus.Msg) {
	if _, err := parseJoin(m); err == nil {
		w.release(m.Sub)
	}
}

// release lets go of a connection.
func (w *worker) release(sub *bus.Subscription) {
	w.unsubscribe(sub)
	delete(w.conns, sub)
	w.held.Add(-1)
	if len(w.conns) == 0 {
		w.conns = make(map[*bus.Subscription]*conn) // a map keeps the memory of its best days
	}
}

// panicked closes the connection of a message that could not be handled. Until
// its leave comes it is not heard.
func (w *worker) panicked(m *bus.Msg, c *conn, reason any) {
	w.metrics.panics.Inc()
	w.log.Error("panic", "subject", m.Subject, "reason", fmt.Sprint(reason), "stack", string(debug.Stack()))
	if c != nil {
		c.broken = true
	}
	if m.Reply != "" {
		w.send(m.Reply, closing(closeInternal, "internal error"))
	}
}

// send answers at a connection's address.
func (w *worker) send(address string, a answer) {
	w.buf.Reset()
	err := w.encoder.Encode(a)
	if err == nil {
		err = w.bus.Publish(address, bytes.TrimSuffix(w.buf.Bytes(), []byte("\n")))
	}
	if err != nil {
		w.log.Error("answer", "address", address, "err", err)
	}
}

// close lets go of everything. What the bus had for us by then is handled: the
// joins that we were given first, and then the messages of every connection.
func (w *worker) close() {
	w.drain(w.joins)
	w.settle()
	for sub := range w.conns {
		w.drain(sub)
	}
	w.settle()
	w.inbox.Close()
	w.held.Add(-int64(len(w.conns)))
}

// drain ends a subscription without losing what is on its way.
func (w *worker) drain(s *bus.Subscription) {
	if err := s.Drain(); err != nil {
		w.log.Debug("unsubscribe", "subject", s.Subject, "err", err)
	}
}

// settle handles all that came before the bus has taken note of what we drained.
func (w *worker) settle() {
	if err := w.inbox.Settle(w.handle); err != nil {
		w.log.Debug("bus", "err", err) // without a bus nothing comes any more
	}
}
