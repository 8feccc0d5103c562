package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"tickerd/bus"
	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
	"tickerd/ticker"
)

// A connection's life on the bus. It is announced by a join, which a handler
// claims with its first answer. What the client sends until then is held back.
// Should nobody hold the connection any more, the next message comes back with
// "no responders". Then a fence behind it tells how many were lost, the connection
// is announced anew, and they are sent again.
// A leave ends it, once, and not before the join was answered, so that no
// handler is left holding what is gone.
type life struct {
	state  state
	joined time.Time // when it was announced last
	number int       // how many times it was

	refused bool      // nobody took the join; it is sent again
	retryAt time.Time // then

	held [][]byte // messages that wait for a handler
	sent []sent   // those whose loss may yet be told
	lost int      // how many of the last sent came back; while counting

	bytes  int    // in held and sent
	passed uint64 // how many messages were ever sent
	fenced bool   // a fence is under way that confirms some
}

// patience is how long a join may go unanswered.
func (l *life) patience() time.Duration {
	if l.refused {
		return joinPatience
	}
	return joinTimeout
}

// forget drops the messages whose loss would have been told, and tells how long
// it is until there are more; 0: there are none.
func (l *life) forget(now time.Time) (wait time.Duration) {
	old := 0
	for old < len(l.sent) && now.Sub(l.sent[old].at) >= lossTimeout {
		old++
	}
	l.drop(old)
	if len(l.sent) == 0 {
		return 0
	}
	return lossTimeout - now.Sub(l.sent[0].at)
}

// drop forgets the first n messages that were sent.
func (l *life) drop(n int) {
	if n <= 0 {
		return
	}
	for _, s := range l.sent[:n] {
		l.bytes -= len(s.message)
	}
	if l.sent = slices.Delete(l.sent, 0, n); len(l.sent) == 0 {
		l.sent = nil
	}
}

type state int

const (
	joining  state = iota // no handler has it yet
	claimed               // one has
	counting              // none has any more, and messages were lost
	gone                  // its leave is published
)

// sent is a message on its way to the handler.
type sent struct {
	at      time.Time
	message []byte
}

const (
	// joinPause is the time between two announcements that nobody takes.
	joinPause = 250 * time.Millisecond

	// lossTimeout is how long the loss of a message may take to be told. The
	// server tells it at once.
	lossTimeout = 5 * time.Second
)

// join announces the connection for the first time.
func (c *conn) join() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life.joined = time.Now()
	c.joinLocked()
}

// joinLocked announces the connection.
func (c *conn) joinLocked() {
	c.life.refused = false
	c.life.number++
	join := bus.Join{
		ConnID:     c.id,
		Number:     c.life.number,
		UserID:     c.actor,
		Role:       c.token.Role,
		Policies:   c.token.Policies,
		Allowed:    c.token.Allowed,
		RemoteAddr: c.visitor.addr.String(),
		Node:       c.gw.node,
		AuthTime:   c.token.IssuedAt.Unix(),
		ExpiresAt:  c.token.ExpiresAt.Unix(),
		Symbols:    c.rules,
		IntervalMS: c.interval.Milliseconds(),
		Rejoin:     c.welcomed,
	}
	if !c.welcomed && c.wish.since != nil {
		join.Resumed = &c.resumes
	}
	c.publish(bus.JoinOf(c.id), join)
}

// publish puts something on the bus that is answered at the connection's address.
func (c *conn) publish(subject string, v any) {
	if err := c.gw.bus.AskJSON(subject, c.address(), v); err != nil {
		c.gw.log.Error("publish", "subject", subject, "err", err)
	}
}

func (c *conn) address() string { return bus.Address(c.gw.node, c.id) }

// forward passes a client's message to the handler.
func (c *conn) forward(message []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending != nil {
		return
	}
	message = bytes.Clone(message)
	c.life.bytes += len(message)
	if c.life.state != claimed {
		c.life.held = append(c.life.held, message)
		return
	}
	c.passLocked(message)
}

func (c *conn) passLocked(message []byte) {
	c.life.sent = append(c.life.sent, sent{time.Now(), message})
	c.life.passed++
	if err := c.gw.bus.Ask(bus.MessageOf(c.id), c.address(), message); err != nil {
		c.gw.log.Error("forward message", "conn_id", c.id, "err", err)
	}
	if c.life.bytes > maxUnderWay/2 && !c.life.fenced {
		c.life.fenced = true
		c.fence(strconv.FormatUint(c.life.passed, 10))
	}
}

// fenceLost is the fence behind messages of which some were lost. Another fence
// is the number of messages that had been sent before it.
const fenceLost = "lost"

// fence sends a message to the connection's own address: it comes behind every
// loss of what was sent before it.
func (c *conn) fence(what string) {
	m := &bus.Msg{Subject: c.address(), Header: map[string][]string{bus.HeaderFence: {what}}}
	if err := c.gw.bus.PublishMsg(m); err != nil {
		c.gw.log.Error("publish fence", "conn_id", c.id, "err", err)
	}
}

// fencedLocked learns that a fence has come.
func (c *conn) fencedLocked(what string) {
	if what == fenceLost {
		c.countedLocked()
		return
	}
	c.life.fenced = false
	before, err := strconv.ParseUint(what, 10, 64)
	if err != nil || c.life.state != claimed {
		return
	}
	since := int(c.life.passed - before)
	c.life.drop(len(c.life.sent) - since)
	c.room.Broadcast()
}

// receive takes what comes to the connection's address.
func (c *conn) receive(m *bus.Msg) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if subject, none := bus.NoResponders(m); none {
		c.unheldLocked(subject)
		return
	}
	if what := m.Header.Get(bus.HeaderFence); what != "" {
		c.fencedLocked(what)
		return
	}
	var a bus.Answer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		c.gw.log.Warn("malformed answer", "conn_id", c.id, "err", err)
		return
	}
	if err := c.answerLocked(a); err != nil {
		c.gw.log.Warn("answer", "conn_id", c.id, "err", err)
	}
}

// unheldLocked learns that nobody took a message or a join.
func (c *conn) unheldLocked(subject string) {
	switch {
	case bus.IsJoin(subject) && c.life.state == joining:
		c.life.refused, c.life.retryAt = true, time.Now().Add(joinPause)
		c.signal()
	case bus.IsMessage(subject) && c.life.state == claimed:
		c.gw.log.Info("handler is gone, joining anew", "conn_id", c.id)
		c.life.state, c.life.lost = counting, 1
		c.fence(fenceLost)
	case bus.IsMessage(subject) && c.life.state == counting:
		c.life.lost++
	}
}

// countedLocked knows all that was lost, and announces the connection anew.
func (c *conn) countedLocked() {
	if c.life.state != counting {
		return
	}
	delivered := len(c.life.sent) - min(c.life.lost, len(c.life.sent))
	c.life.drop(delivered)
	again := make([][]byte, 0, len(c.life.sent)+len(c.life.held))
	for _, s := range c.life.sent {
		again = append(again, s.message)
	}
	c.life.held = append(again, c.life.held...)
	c.life.sent = nil
	c.life.state, c.life.joined = joining, time.Now()
	c.joinLocked()
}

// claimLocked makes the sender of an answer the one who holds the connection.
func (c *conn) claimLocked() {
	c.life.state, c.life.refused = claimed, false
	held := c.life.held
	c.life.held = nil
	for _, message := range held {
		c.passLocked(message)
	}
}

// answerLocked carries out a handler's answer: what it says now, what it changes
// in the order in which answers came, what it sends when the writer gets to it.
func (c *conn) answerLocked(a bus.Answer) error {
	text, err := text(a.Payload)
	if err != nil {
		return err
	}
	add, err := ticker.ParsePatterns(a.Subscribe)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	remove, err := ticker.ParsePatterns(a.Unsubscribe)
	if err != nil {
		return fmt.Errorf("unsubscribe: %w", err)
	}
	claims := c.life.state == joining && (a.Join == 0 || a.Join == c.life.number)
	first := claims && !c.welcomed
	if claims {
		c.claimLocked()
	}
	if text != nil {
		c.gw.metrics.answers.Inc()
	}
	var out outgoing
	if text != nil {
		out.frame = frame.AppendText(nil, text)
	}
	if a.Renewal != nil {
		out.view, out.snapshot = c.renewLocked(*a.Renewal), true // it may see more
	}
	if first {
		c.rules = nil // so far the client's wish
	}
	if a.Subscribe != nil || a.Unsubscribe != nil || a.IntervalMS != nil {
		out.view, out.snapshot = c.subscribeLocked(add, remove, a.IntervalMS), a.Subscribe != nil
	}
	if first && c.resumes && out.view != nil {
		out.since = c.wish.since
	}
	c.sendLocked(out)
	if first {
		c.welcomed = true
		c.drainLocked()
	}
	if a.Close != nil {
		c.finishLocked(closing(*a.Close))
	}
	return nil
}

// text is the text frame that a payload stands for, nil for none.
func text(payload json.RawMessage) ([]byte, error) {
	if len(payload) == 0 || string(payload) == "null" {
		return nil, nil
	}
	if payload[0] == '"' {
		var s string
		if err := json.Unmarshal(payload, &s); err != nil {
			return nil, fmt.Errorf("payload: %w", err)
		}
		return []byte(s), nil
	}
	if !utf8.Valid(payload) {
		return nil, errors.New("payload: not UTF-8")
	}
	return payload, nil
}

// closing is the ending that an answer asks for.
func closing(c bus.Close) ending {
	code := ws.StatusCode(c.Code)
	if c.Code < 1000 || c.Code > 4999 {
		code = ws.StatusNormalClosure
	}
	return ending{code: code, reason: c.Reason}
}

// subscribeLocked changes what is subscribed, and gives the new view.
func (c *conn) subscribeLocked(add, remove []string, intervalMS *int64) *fanout.View {
	if intervalMS != nil {
		c.interval = min(max(time.Duration(*intervalMS)*time.Millisecond, 0), maxInterval)
	}
	c.rules = c.rules.Subscribe(add...).Unsubscribe(remove...)
	return c.viewLocked()
}

// renewLocked puts the connection on a newer token, and gives the new view if
// that token sees something else.
func (c *conn) renewLocked(r bus.Renewal) *fanout.View {
	c.token.ID, c.token.KeyID, c.token.Role = r.TokenID, r.KeyID, r.Role
	c.token.Policies, c.token.Allowed = r.Policies, r.Allowed
	c.token.IssuedAt, c.token.ExpiresAt = time.Unix(r.IssuedAt, 0), time.Unix(r.ExpiresAt, 0)
	if c.gw.verifier.Revoked(c.token) { // since its handler looked at it
		c.finishLocked(endRevoked)
	}
	scope := c.gw.policies.Scope(r.Role, r.Policies, r.Allowed)
	if scope.Key() == c.scope.Key() {
		return nil
	}
	c.scope = scope
	return c.viewLocked()
}

// viewLocked is what the connection sees now.
func (c *conn) viewLocked() *fanout.View {
	scope := c.scope
	// Made when a stream is new, and not by the bus's callback.
	matcher := sync.OnceValue(c.rules.Matcher)
	return &fanout.View{
		Key:      strings.Join(c.rules, ",") + "|" + scope.Key(),
		Sees:     func(s ticker.Symbol) bool { return matcher()(s) && scope.Sees(s) },
		May:      scope.Sees,
		Interval: c.interval,
	}
}

// leave waits until no handler can take the connection any more without being
// told of its end, and tells it.
func (c *conn) leave() {
	timer := time.NewTimer(c.unansweredFor())
	defer timer.Stop()
	for !c.settled() {
		select {
		case <-c.wake:
			continue
		case <-timer.C:
		}
		break
	}
	c.gw.places.give(c.visitor.token.UserID, c.visitor.addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life.state = gone
	news := bus.Leave{
		ConnID:      c.id,
		UserID:      c.actor,
		Reason:      c.ending.reason,
		Code:        int(c.ending.code),
		ConnectedMS: time.Since(c.started).Milliseconds(),
		MessagesIn:  c.messagesIn.Load(),
		MessagesOut: c.messagesOut.Load(),
	}
	if err := c.gw.bus.PublishJSON(bus.LeaveOf(c.id), news); err != nil {
		c.gw.log.Error("publish leave", "conn_id", c.id, "err", err)
	}
}

// unansweredFor is how long the join may still be answered.
func (c *conn) unansweredFor() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return joinTimeout - time.Since(c.life.joined)
}

// settled reports whether a handler has the connection, or surely none.
func (c *conn) settled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.state == claimed || c.life.refused
}
