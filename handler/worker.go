package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/ticker"
)

// A worker holds some of the connections and handles one message at a time. All
// that it listens to comes through its inbox, in order: the joins that it is
// given as one of the queue group, and the subjects of its connections.
type worker struct {
	*Handler

	inbox *inbox
	joins *bus.Subscription

	// Owned by run.
	conns   map[*bus.Subscription]*conn
	buf     bytes.Buffer
	encoder *json.Encoder // into buf
}

func newWorker(h *Handler) *worker {
	w := &worker{Handler: h, inbox: newInbox(), conns: make(map[*bus.Subscription]*conn)}
	w.encoder = json.NewEncoder(&w.buf)
	w.encoder.SetEscapeHTML(false) // an id is echoed as it came
	return w
}

// open puts the worker up for joins.
func (w *worker) open() (err error) {
	w.joins, err = w.bus.SubscribeQueueChan(bus.Joins, bus.Handlers, w.inbox.ch)
	return err
}

// run handles what comes until ctx ends and nothing more can come.
func (w *worker) run(ctx context.Context) {
	var pump sync.WaitGroup
	defer pump.Wait()
	done := make(chan struct{})
	defer close(done)
	pump.Go(func() { w.inbox.pump(done) })

	var batch []*bus.Msg
	for {
		select {
		case <-ctx.Done():
			w.close()
			return
		case <-w.inbox.wake:
			batch = w.inbox.take(batch)
			w.handleAll(batch)
		}
	}
}

// handleAll handles messages in order, up to the end that close puts behind the
// last; it reports whether that was among them.
func (w *worker) handleAll(batch []*bus.Msg) (end bool) {
	for i, m := range batch {
		if m == nil {
			end = true
			continue
		}
		w.handle(m)
		batch[i] = nil // the garbage collector need not wait for the others
	}
	return end
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
		w.release(c)
	case bus.IsJoin(m.Subject):
		w.yield(m, c)
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
	if !scope.Allows(auth.ActionConnect, routeWebSocket) {
		w.send(m.Reply, closing(closeForbidden, "policy does not allow it"))
		return
	}
	c := &conn{user: j.UserID, scope: scope, interval: j.IntervalMS, expires: j.ExpiresAt, join: j.Number}
	if c.sub, err = w.bus.SubscribeChan(bus.AllOf(j.ConnID), w.inbox.ch); err != nil {
		w.log.Error("connection not taken", "conn_id", j.ConnID, "err", err)
		return
	}
	w.conns[c.sub] = c
	w.metrics.connections.Inc()
	if j.Rejoin {
		c.rules = j.Symbols
		w.send(m.Reply, c.says(answer{}))
		return
	}
	w.welcome(m.Reply, c, j)
}

// welcome answers a connection's first join. A gateway lets nobody in with a wish
// that cannot be fulfilled; should one be, it is refused as a whole.
func (w *worker) welcome(address string, c *conn, j bus.Join) {
	if len(j.Symbols) == 0 {
		j.Symbols = []string{ticker.Everything}
	}
	wish, bad := parsePatterns(j.Symbols)
	c.rules = ticker.Rules{}.Subscribe(wish...)
	w.send(address, c.says(answer{
		Payload: welcome{typeWelcome, c.user, j.ConnID, c.rules, c.interval, remaining(c.expires, w.Clock()), j.Resumed},
		Answer:  bus.Answer{Subscribe: c.rules, IntervalMS: &c.interval},
	}))
	if bad != nil {
		w.send(address, w.refuse(bad, nil))
	}
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
	if j.Rejoin {
		return j, checkRules(j.Symbols)
	}
	return j, nil
}

// checkRules reports what in a list is no rule.
func checkRules(rules ticker.Rules) error {
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
func (w *worker) yield(m *bus.Msg, c *conn) {
	if _, err := parseJoin(m); err == nil {
		w.release(c)
	}
}

// release lets go of a connection.
func (w *worker) release(c *conn) {
	w.unsubscribe(c.sub)
	delete(w.conns, c.sub)
	w.metrics.connections.Dec()
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
	w.metrics.connections.Sub(float64(len(w.conns)))
}

// drain ends a subscription without losing what is on its way.
func (w *worker) drain(s *bus.Subscription) {
	if err := s.Drain(); err != nil {
		w.log.Debug("unsubscribe", "subject", s.Subject, "err", err)
	}
}

// settle handles all that came before the bus has taken note of what we drained.
func (w *worker) settle() {
	if err := w.bus.Flush(context.Background()); err != nil {
		w.log.Debug("flush", "err", err) // without a bus nothing comes any more
	}
	w.inbox.ch <- nil
	for end := false; !end; {
		<-w.inbox.wake
		end = w.handleAll(w.inbox.take(nil))
	}
}
