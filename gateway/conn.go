package gateway

import (
	"errors"
	"net/netip"
	"time"

	"github.com/gobwas/ws"

	"tickerd/auth"
	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
	"tickerd/gateway/loop"
	"tickerd/ticker"
)

const (
	maxMessage = 32 << 10 // bytes, of a client's message

	// maxOutbox is how many bytes of answers may wait for a client before we
	// stop reading from it, and maxUnderWay how many of its messages.
	maxOutbox   = 64 << 10
	maxUnderWay = 128 << 10
)

// A conn is one client's connection to the stream, as a [loop.Conn]: everything in it
// is owned by its driver. Its times are since the gateway was made.
type conn struct {
	gw     *Gateway
	link   loop.Link
	id     string
	addr   netip.Addr
	opened time.Duration
	token  auth.Token
	scope  *auth.Scope
	since  *uint64 // the client's wish to resume, until it is welcomed

	parser     frame.Parser
	allowance  *allowance    // nil until it has said something
	heard      time.Duration // when it did last, or was let in
	messagesIn int64

	rules       ticker.HeldRules
	interval    time.Duration
	cursor      fanout.Cursor
	outbox      []outgoing
	waiting     int           // bytes in outbox
	rest        []byte        // what is being written
	offered     time.Duration // since when the socket has not taken all there was; 0: it has
	sent        time.Duration // when anything was last taken
	pinged      time.Duration // when a ping was sent that nothing came after; 0: none
	messagesOut int64

	life    life
	drainAt time.Duration // when it is sent away; 0: it is not
	ending  *ending       // why it ends; set once
	endBy   time.Duration // when the next step of the end is made without the client

	encoding fanout.Encoding
	fromLog  bool // the rest is the stream's
	welcomed bool // a handler has claimed it once
	resumes  bool // the ticks after since can be sent
	left     bool // the leave is published
	unhanded bool // who has taken its stray join was made to let go of it
	stage    stage
	hearing  hearing
}

// at is a time as the connection keeps it.
func (c *conn) at(now time.Time) time.Duration { return c.gw.at(now) }

// Receive parses what the client sends, until it has said goodbye.
func (c *conn) Receive(now time.Time, p []byte) {
	if c.hearing != listening {
		c.ignore(now)
		return
	}
	c.heard = c.at(now)
	err := c.parser.Feed(p, func(op ws.OpCode, payload []byte) error { return c.take(now, op, payload) })
	if err == nil {
		return
	}
	c.hearing = gone
	if breach, is := errors.AsType[*frame.Error](err); is {
		c.hearing = deaf
		c.finish(now, ending{code: breach.Code, reason: breach.Reason})
	}
	if c.stage == parted {
		c.hangUp()
	}
}

// ignore has something read that does not matter, so that our last frame is not lost
// in a reset; but not without end.
func (c *conn) ignore(now time.Time) {
	if c.stage == open && c.floods(now) {
		c.finish(now, endFlood)
	}
}

// floods counts what the client sends, and reports whether that is far too much.
func (c *conn) floods(now time.Time) bool {
	if c.allowance == nil {
		c.allowance = &allowance{}
	}
	return c.allowance.frame(c.at(now), c.gw.cfg)
}

// errGoodbye ends the parsing: the client has sent its close frame.
const errGoodbye = Error("client said goodbye")

// take handles one message or control frame.
func (c *conn) take(now time.Time, op ws.OpCode, payload []byte) error {
	if op == ws.OpClose {
		code, reason := frame.ParseClose(payload)
		c.finish(now, ending{code: code, reason: reason, byClient: true})
		return errGoodbye
	}
	if c.floods(now) {
		c.finish(now, endFlood)
		return nil // what follows is read, not handled
	}
	switch op {
	case ws.OpPing:
		c.send(outgoing{frame: frame.AppendPong(nil, payload)})
	case ws.OpText:
		c.messagesIn++
		if c.allowance.message(c.at(now), c.gw.cfg) {
			c.forward(now, payload)
		} else {
			c.send(outgoing{frame: c.gw.rateLimited})
		}
	}
	return nil
}

// Full holds the client back while answers wait that it does not read, or too much
// that it said is on its way: it is slowed down by its own pace, and by nobody
// else's.
func (c *conn) Full() bool {
	return (c.waiting > maxOutbox || c.life.underWay() > maxUnderWay) && c.stage == open
}

// Stream is what the connection follows.
func (c *conn) Stream() *fanout.Stream { return c.cursor.Stream() }
