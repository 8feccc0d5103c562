package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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
// A leave ends it, once, and not before the join was answered, or both where it was sent
// twice, so that no handler is left holding what is gone.
type life struct {
	joined   time.Duration // when a handler was looked for last
	retryAt  time.Duration // when a join that nobody took, or answered, is sent again
	*traffic               // nil: there is none
	number   int32         // how many times it was announced
	stray    int32         // the join that was sent twice, by that of its numbers which does not count; 0: none was
	lost     int32         // how many of the last messages came back; while counting
	state    state
	refused  bool // nobody took the join
	retried  bool // the join that is under way was sent twice: either number counts
	outdated bool // something has changed of which the join that is under way does not tell
}

// patience is how long a join may go unanswered.
func (l *life) patience() time.Duration {
	if l.refused {
		return joinPatience
	}
	return joinTimeout
}

type state uint8

const (
	joining  state = iota // no handler has it yet
	claimed               // one has
	counting              // none has any more, and messages were lost
)

const (
	// joinPause is the time between two announcements that nobody takes.
	joinPause = 250 * time.Millisecond

	// joinRetry is how long a join may go unanswered before it is sent once more: it was
	// lost, perhaps with the node that it was given to.
	joinRetry = 3 * time.Second

	// maxRetries is how many such joins are sent in a second, so that handlers who are
	// only slow are not given twice the work.
	maxRetries = 100
)

// join looks for a handler.
func (c *conn) join(now time.Time) {
	c.life.state, c.life.joined = joining, c.at(now)
	c.announce(now)
}

// retry sends a join again that was not answered for so long. Should both be, the first
// answer counts, and whoever else has taken the connection is made to let go of it.
func (c *conn) retry(now time.Time, after time.Duration) {
	at, before := c.at(now), c.life.number
	unanswered := c.stage == open && c.life.state == joining && !c.life.refused && !c.life.retried
	if !unanswered || at < c.life.retryAt-joinRetry+after {
		return
	}
	if !c.gw.retries.AllowN(now, 1) {
		c.life.retryAt = at + joinPause
		return
	}
	c.announce(now)
	c.life.stray, c.life.retried, c.unhanded = before, true, false
}

// mayRetry reports whether a join that is not answered is sent again some time.
func (l *life) mayRetry() bool {
	return l.state == joining && !l.retried && l.retryAt-l.joined < 2*joinRetry
}

// announce publishes the connection's join.
func (c *conn) announce(now time.Time) {
	c.life.refused, c.life.outdated, c.life.retried = false, false, false
	c.life.retryAt = c.at(now) + joinRetry
	c.life.number++
	join := bus.Join{
		ConnID:     c.id,
		Number:     int(c.life.number),
		UserID:     c.token.Actor(),
		Role:       c.token.Role,
		Policies:   c.token.Policies,
		Allowed:    c.token.Allowed,
		RemoteAddr: c.addr.String(),
		Node:       c.gw.node,
		Route:      c.protocol().route,
		AuthTime:   c.token.IssuedAt,
		ExpiresAt:  c.token.ExpiresAt,
		Symbols:    c.rules.Rules(),
		IntervalMS: c.interval.Milliseconds(),
		Rejoin:     c.welcomed,
	}
	if c.since != nil {
		join.Resumed = &c.resumes
	}
	c.gw.courier.send(letter{subject: bus.JoinOf(c.id), reply: c.address(), body: join})
}

func (c *conn) address() string { return bus.Address(c.gw.node, c.id) }

// forward passes a client's message to the handler.
func (c *conn) forward(now time.Time, message []byte) {
	if c.stage > open {
		return
	}
	message = bytes.Clone(message)
	if c.life.traffic == nil {
		c.life.traffic = &traffic{}
	}
	if c.life.bytes += len(message); c.life.state != claimed {
		c.life.held = append(c.life.held, message)
		return
	}
	c.pass(now, message)
}

// pass sends a message of the traffic to the handler.
func (c *conn) pass(now time.Time, message []byte) {
	c.gw.courier.send(letter{subject: bus.MessageOf(c.id), reply: c.address(), data: message})
	if c.life.pass(c.at(now), message) {
		c.fence(strconv.FormatUint(c.life.passed, 10))
	}
}

// forget drops the messages that are known to have arrived, and tells how long it
// is until there are more; 0: there are none.
func (c *conn) forget(now time.Duration) (wait time.Duration) {
	if c.life.traffic == nil {
		return 0
	}
	wait = c.life.traffic.forget(now)
	if c.life.isOver() {
		c.life.traffic = nil
	}
	return wait
}

// fenceLost is the fence behind messages of which some were lost. Another fence
// is the number of messages that had been sent before it.
const fenceLost = "lost"

// fence sends a message to the connection's own address: it comes behind every
// loss of what was sent before it.
func (c *conn) fence(what string) {
	c.gw.courier.send(letter{subject: c.address(), header: map[string][]string{bus.HeaderFence: {what}}})
}

// fenceCame learns that a fence has come.
func (c *conn) fenceCame(now time.Time, what string) {
	if what == fenceLost {
		c.counted(now)
		return
	}
	before, err := strconv.ParseUint(what, 10, 64)
	if err != nil || c.life.traffic == nil || before > c.life.passed {
		return
	}
	c.life.fenced = false
	if c.life.state == claimed {
		c.life.confirm(before)
	}
}

// receive takes what comes to a connection's address, in the bus's callback: what
// can be done there is, so that it is not done by the loop.
func (c *conn) receive(m *bus.Msg) {
	if subject, none := bus.NoResponders(m); none {
		c.link.Post(func(now time.Time) { c.unheld(now, subject) })
		return
	}
	if what := m.Header.Get(bus.HeaderFence); what != "" {
		c.link.Post(func(now time.Time) { c.fenceCame(now, what) })
		return
	}
	a, err := parseAnswer(m.Data, c.protocol())
	if err != nil {
		c.gw.log.Warn("answer", "conn_id", c.id, "err", err)
		return
	}
	c.link.Post(func(now time.Time) { c.answer(now, a) })
}

// unheld learns that nobody took a message or a join.
func (c *conn) unheld(now time.Time, subject string) {
	switch {
	case c.left: // it is nobody's any more
	case bus.IsJoin(subject) && c.life.state == joining:
		c.life.refused, c.life.retryAt = true, c.at(now)+joinPause
	case bus.IsMessage(subject) && c.life.state == claimed:
		c.gw.log.Info("handler is gone, joining anew", "conn_id", c.id)
		c.rejoin(1)
	case bus.IsMessage(subject) && c.life.state == counting:
		c.life.lost++
	}
}

// rejoin announces the connection anew once it is known how many messages were
// lost: so many so far.
func (c *conn) rejoin(lost int32) {
	c.life.state, c.life.lost = counting, lost
	c.fence(fenceLost)
}

// counted knows all that was lost, and announces the connection anew.
func (c *conn) counted(now time.Time) {
	if c.life.state != counting || c.left {
		return
	}
	if c.life.traffic != nil {
		c.life.recall(int(c.life.lost))
	}
	c.join(now)
}

// claims reports whether an answer is by who has taken the join that is under way.
func (c *conn) claims(a answer) bool {
	return c.life.state == joining && (a.join == 0 || a.join == int(c.life.number) || c.life.retried && a.join == int(c.life.stray))
}

// claim makes the sender of an answer the one who holds the connection, if only until
// another is told what has changed since it was announced.
func (c *conn) claim(now time.Time, a answer) {
	if c.life.retried && a.join == int(c.life.stray) {
		c.life.stray = c.life.number
	}
	c.life.state, c.life.refused, c.life.retried = claimed, false, false
	if c.life.outdated && c.stage == open {
		c.rejoin(0)
		return
	}
	if c.life.traffic == nil {
		return
	}
	held := c.life.held
	c.life.held = nil
	for _, message := range held {
		c.pass(now, message)
	}
}

// answer is a [bus.Answer], understood.
type answer struct {
	frame       []byte // what it says, nil for nothing
	subscribe   []string
	unsubscribe []string
	interval    *int64 // milliseconds
	snapshot    bool   // asks for a subscription, be it of nothing
	changes     bool   // another view
	renewal     *bus.Renewal
	close       *bus.Close
	join        int
}

// parseAnswer understands an answer to who speaks p, or refuses it as a whole.
func parseAnswer(data []byte, p *protocol) (answer, error) {
	var a bus.Answer
	if err := json.Unmarshal(data, &a); err != nil {
		return answer{}, fmt.Errorf("malformed: %w", err)
	}
	text, err := text(a.Payload)
	if err != nil {
		return answer{}, err
	}
	subscribe, err := ticker.ParsePatterns(a.Subscribe)
	if err != nil {
		return answer{}, fmt.Errorf("subscribe: %w", err)
	}
	unsubscribe, err := ticker.ParsePatterns(a.Unsubscribe)
	if err != nil {
		return answer{}, fmt.Errorf("unsubscribe: %w", err)
	}
	if err := errors.Join(ticker.Rules(subscribe).Check(), ticker.Rules(unsubscribe).Check()); err != nil {
		return answer{}, err
	}
	if a.IntervalMS != nil && (*a.IntervalMS < 0 || *a.IntervalMS > maxInterval.Milliseconds()) {
		return answer{}, fmt.Errorf("interval_ms: %d is not between 0 and %d", *a.IntervalMS, maxInterval.Milliseconds())
	}
	said := answer{
		subscribe: subscribe, unsubscribe: unsubscribe, interval: a.IntervalMS,
		snapshot: a.Subscribe != nil,
		changes:  a.Subscribe != nil || a.Unsubscribe != nil || a.IntervalMS != nil,
		renewal:  a.Renewal, close: a.Close, join: a.Join,
	}
	if text != nil {
		said.frame = p.text(text)
	}
	return said, nil
}

// answer carries out a handler's answer: what it changes now, in the order in
// which answers came, and what it says when the socket takes it.
func (c *conn) answer(now time.Time, a answer) {
	claims := c.claims(a)
	if !claims && a.join != 0 && a.join == int(c.life.stray) {
		c.unhand()
		return
	}
	first := claims && !c.welcomed
	if claims {
		c.claim(now, a)
	}
	out := outgoing{frame: a.frame}
	if a.frame != nil {
		c.gw.metrics.answers.Inc()
	}
	if a.renewal != nil {
		out.view, out.snapshot = c.renew(now, *a.renewal), true // it may see more
	}
	if first {
		c.rules = ticker.Rules(nil).Hold() // so far the client's wish
	}
	if a.changes {
		out.view, out.snapshot = c.subscribe(a), a.snapshot
	}
	if first && c.resumes && out.view != nil {
		out.since = c.since
	}
	c.send(out)
	if first {
		c.welcomed, c.since = true, nil
		c.announceDrain(now)
	}
	if a.close != nil {
		c.finish(now, endingOf(*a.close))
	}
	if !claims && c.isLate(a) {
		c.supersede()
	}
}

// unhand has who holds the connection beside another let go of it, as all do when it is
// announced anew, or has left.
func (c *conn) unhand() {
	if c.unhanded {
		return
	}
	c.unhanded = true
	if c.stage == open && c.life.state != counting { // else it is about to be
		c.supersede()
	}
}

// supersede has the connection announced anew, but not while a join is under way: who
// takes that one would never hear of the next, and hold the connection beside another.
func (c *conn) supersede() {
	if c.life.state == joining {
		c.life.outdated = true
		return
	}
	c.rejoin(0)
}

// isLate reports whether an answer changes something of which the handler that has
// taken the connection over since, or is about to, does not know.
func (c *conn) isLate(a answer) bool {
	superseded := a.join != 0 && a.join < int(c.life.number) && c.life.state != counting
	return superseded && (a.changes || a.renewal != nil) && c.welcomed && c.stage == open
}

// text is the text that a payload stands for, nil for none.
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

// endingOf is the ending that an answer asks for.
func endingOf(c bus.Close) ending {
	code := ws.StatusCode(c.Code)
	if !frame.Sendable(code) {
		code = ws.StatusNormalClosure
	}
	return ending{code: code, reason: c.Reason}
}

// subscribe changes what is subscribed, and gives the new view.
func (c *conn) subscribe(a answer) *fanout.View {
	if a.interval != nil {
		c.interval = time.Duration(*a.interval) * time.Millisecond
	}
	c.rules = c.rules.Rules().Subscribe(a.subscribe...).Unsubscribe(a.unsubscribe...).Hold()
	return c.view()
}

// renew puts the connection on a newer token, and gives the new view if that token
// sees something else.
func (c *conn) renew(now time.Time, r bus.Renewal) *fanout.View {
	c.token = c.gw.verifier.Renewed(c.token, r)
	c.recheck(now) // it may be revoked since its handler looked at it
	scope := c.gw.policies.Scope(c.token.Role, c.token.Policies, c.token.Allowed)
	if scope.Key() == c.scope.Key() {
		return nil
	}
	c.scope = scope
	return c.view()
}

// recheck ends the connection if its token was revoked.
func (c *conn) recheck(now time.Time) {
	if c.stage == open && c.gw.verifier.Revoked(c.token) {
		c.finish(now, endRevoked)
	}
}

// view is what the connection sees now.
func (c *conn) view() *fanout.View {
	scope, rules := c.scope, c.rules
	matcher := sync.OnceValue(func() func(ticker.Symbol) bool { return rules.Rules().Matcher() }) // made when a stream is new
	return &fanout.View{
		Key:      rules.String() + "|" + scope.Key(),
		Sees:     func(s ticker.Symbol) bool { return matcher()(s) && scope.Sees(s) },
		May:      scope.Sees,
		Interval: c.interval,
		Encoding: c.encoding,
	}
}
