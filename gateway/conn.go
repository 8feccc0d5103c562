package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/gobwas/ws"

	"tickerd/auth"
	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
	"tickerd/gateway/loop"
	"tickerd/ticker"
)

// The times of a connection.
const (
	joinTimeout  = 10 * time.Second // for a handler to claim it
	joinPatience = 3 * time.Second  // the same, while there is none at all
	idleTimeout  = 30 * time.Second // without traffic either way, until it is pinged
	pongTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second       // in which the socket must accept a byte
	closeTimeout = 5 * time.Second        // for the closing handshake
	endTimeout   = 500 * time.Millisecond // for what is still to be written at the end
)

const (
	maxMessage = 32 << 10 // bytes, of a client's message

	// maxOutbox is how many bytes of answers may wait for a client before we
	// stop reading from it, and maxUnderWay how many of its messages.
	maxOutbox   = 64 << 10
	maxUnderWay = 128 << 10

	// maxTogether is up to which size answers, and the snapshots behind them, are
	// copied to be written together.
	maxTogether = 4 << 10
)

// The slow-client policy: what a socket does not take waits in the log, which all
// share; one that takes slowly and is more than maxLate behind, or further than
// the log goes back, gets a snapshot instead.
const (
	slowAfter = 100 * time.Millisecond // for a write to be taken
	maxLate   = 500 * time.Millisecond

	// maxWrite bounds what is written at once, and maxSlowWrite to a slow client: it
	// is old by the time that it arrives, and what comes next can be chosen anew.
	maxWrite     = 16 << 10
	maxSlowWrite = 2 << 10
)

// A conn is one client's WebSocket connection, as a [loop.Conn]: everything in it
// is owned by its driver.
type conn struct {
	gw      *Gateway
	link    loop.Link
	id      string
	addr    netip.Addr
	started time.Time
	token   auth.Token
	scope   *auth.Scope
	since   *uint64 // the client's wish to resume, until it is welcomed

	parser     frame.Parser
	deaf       bool // what it says is not listened to any more
	allowance  allowance
	heard      time.Duration // when something came, after started
	messagesIn int64

	rules       ticker.Rules
	interval    time.Duration
	deflate     bool // was negotiated
	cursor      fanout.Cursor
	outbox      []outgoing
	waiting     int           // bytes in outbox
	rest        []byte        // what is being written
	fromLog     bool          // and it is the stream's
	slow        bool          // the last write took long
	offered     time.Duration // when the rest was first offered to the socket,
	sent        time.Duration // and when anything was last taken
	pinged      time.Duration // when a ping was sent that nothing came after; 0: none
	messagesOut int64

	life     life
	welcomed bool          // a handler has claimed it once
	resumes  bool          // the ticks after since can be sent
	drainAt  time.Duration // when it is sent away; 0: it is not

	ending    *ending       // why it ends; set once
	endBy     time.Duration // when the next step of the end is made without the client
	closing   bool          // our close frame is being written
	closeSent bool          // it was
	peerGone  bool          // the client has said goodbye, or nonsense
	eof       bool          // nothing can be read any more
	over      bool          // the socket is closed
	left      bool          // the leave is published
	removed   bool          // nobody knows the connection any more
}

// outgoing is what is written next: a frame, and then perhaps the stream of
// another view.
type outgoing struct {
	frame    []byte
	view     *fanout.View
	snapshot bool    // the view begins with one; else it goes on at the same tick
	since    *uint64 // or at this one
}

// at is a time as the connection keeps it.
func (c *conn) at(now time.Time) time.Duration { return max(now.Sub(c.started), 1) }

// Receive parses what the client sends, until it has said goodbye.
func (c *conn) Receive(now time.Time, p []byte) {
	if c.deaf {
		return // read all the same, so that our close frame is not lost in a reset
	}
	c.heard = c.at(now)
	err := c.parser.Feed(p, func(op ws.OpCode, payload []byte) error { return c.take(now, op, payload) })
	if err == nil {
		return
	}
	c.deaf, c.peerGone = true, true
	if breach, is := errors.AsType[*frame.Error](err); is {
		c.finish(now, ending{code: breach.Code, reason: breach.Reason})
	}
	if c.closeSent {
		c.hangUp()
	}
}

// errGoodbye ends the parsing: the client has sent its close frame.
const errGoodbye = Error("client said goodbye")

// take handles one message or control frame.
func (c *conn) take(now time.Time, op ws.OpCode, payload []byte) error {
	if op == ws.OpClose {
		code, reason := frame.ParseClose(payload)
		c.finish(now, ending{code, reason, true})
		return errGoodbye
	}
	if c.allowance.frame(c.at(now), c.gw.cfg) {
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
	return (c.waiting > maxOutbox || c.life.bytes > maxUnderWay) && c.ending == nil
}

// send queues something to be written, unless it comes behind the close frame.
func (c *conn) send(o outgoing) {
	if c.closing || c.over {
		return
	}
	c.outbox = append(c.outbox, o)
	c.waiting += len(o.frame)
}

// Next is what is written next: what was begun, then answers, then what the stream
// has and the client has not; at the end the close frame.
func (c *conn) Next(now time.Time) []byte {
	if len(c.rest) > 0 {
		return c.rest
	}
	c.rest, c.fromLog = c.answers(), false
	switch {
	case len(c.rest) > 0:
	case c.ending == nil:
		c.rest, c.fromLog = c.ticks(c.at(now))
	case c.ending.code == closeAbnormal:
		c.hangUp()
	case !c.closing:
		c.closing = true
		c.rest = frame.AppendClose(nil, c.ending.code, c.ending.reason)
	}
	if len(c.rest) > 0 && c.offered == 0 {
		c.offered = c.at(now)
	}
	return c.rest
}

// answers takes out of the outbox what is written together, and carries out what
// it changes.
func (c *conn) answers() (b []byte) {
	for len(c.outbox) > 0 {
		o := &c.outbox[0]
		if o.frame == nil && o.view != nil {
			o.frame, o.view = c.move(*o), nil
			c.waiting += len(o.frame)
		}
		if len(b) > 0 && len(b)+len(o.frame) > maxTogether {
			break
		}
		c.waiting -= len(o.frame)
		c.messagesOut += messages(o.frame)
		if b == nil {
			b = o.frame // which others may have, too
		} else {
			b = append(slices.Clip(b), o.frame...)
		}
		if o.frame = nil; o.view != nil {
			continue
		}
		if c.outbox = c.outbox[1:]; len(c.outbox) == 0 {
			c.outbox = nil
		}
	}
	return b
}

// move puts the cursor on another view, and gives what is to be sent thereupon.
func (c *conn) move(o outgoing) (frames []byte) {
	switch {
	case o.since != nil:
		return c.cursor.Resume(*o.view, *o.since)
	case o.snapshot:
		return c.cursor.Subscribe(*o.view)
	default:
		return c.cursor.Switch(*o.view)
	}
}

// ticks is what comes next of the stream, or a snapshot instead.
func (c *conn) ticks(now time.Duration) (frames []byte, fromLog bool) {
	most, slow := maxWrite, c.slow || c.waitsSince(now) > slowAfter
	if slow {
		most = maxSlowWrite
	}
	if !slow || !c.cursor.Late(c.started.Add(now), maxLate) {
		frames, count, kept := c.cursor.Next(most)
		if kept {
			c.cursor.Advance(len(frames))
			c.messagesOut += int64(count)
			return frames, true
		}
	}
	c.gw.metrics.skips.Inc()
	frames = c.cursor.Snapshot()
	c.messagesOut += messages(frames)
	return frames, false
}

// waitsSince is how long the socket has not taken all that it was offered.
func (c *conn) waitsSince(now time.Duration) time.Duration {
	if c.offered == 0 {
		return 0
	}
	return now - c.offered
}

// Wrote goes on behind what the socket has taken.
func (c *conn) Wrote(now time.Time, n int) {
	if n > 0 {
		c.sent = c.at(now)
		c.gw.metrics.bytesOut.Add(float64(n))
	}
	switch {
	case n < len(c.rest) && c.fromLog:
		c.unread(n)
	case n < len(c.rest):
		c.rest = c.rest[n:]
	default:
		c.slow = c.waitsSince(c.at(now)) > slowAfter
		c.rest, c.offered = nil, 0
		if c.closing {
			c.closed(now)
		}
	}
}

// unread gives back to the stream the frames of which nothing was written, n bytes
// having been: when the socket takes more, there may be newer ones.
func (c *conn) unread(n int) {
	begun := 0
	for begun < n {
		size, _ := frame.Len(c.rest[begun:]) // of whole frames
		begun += size
	}
	back := c.rest[begun:]
	c.cursor.Advance(-len(back))
	c.messagesOut -= messages(back)
	c.rest, c.fromLog = c.rest[n:begun], false
}

// messages counts those of frames that are no control frames.
func messages(frames []byte) (n int64) {
	for len(frames) > 0 {
		if frames[0]&0xf == byte(ws.OpText) {
			n++
		}
		size, ok := frame.Len(frames)
		if !ok {
			return n
		}
		frames = frames[size:]
	}
	return n
}

// Stream is what the connection follows.
func (c *conn) Stream() *fanout.Stream { return c.cursor.Stream() }

// Tend does what the time has come for.
func (c *conn) Tend(now time.Time) (next time.Time) {
	c.expire(now)
	c.ping(c.at(now))
	if c.ending != nil && c.at(now) >= c.endBy {
		c.hangUp()
	}
	c.leave(c.at(now))
	return c.due(now)
}

// expire ends what may not last any longer.
func (c *conn) expire(now time.Time) {
	at := c.at(now)
	switch {
	case c.ending != nil:
	case !now.Before(c.token.ExpiresAt):
		c.finish(now, endExpired)
	case c.drainAt > 0 && at >= c.drainAt:
		c.finish(now, endDrained)
	case c.life.state == joining && at-c.life.joined >= c.life.patience():
		c.finish(now, endNoHandler)
	case c.life.refused && at >= c.life.retryAt:
		c.announce()
	case c.offered > 0 && at-max(c.offered, c.sent) >= writeTimeout:
		c.finish(now, endDead)
		c.hangUp()
	case c.silent(at) <= 0 && c.pinged > 0:
		c.finish(now, endPingTimeout)
	}
}

// silent is how long the connection may go on without traffic until something is
// done about it.
func (c *conn) silent(now time.Duration) time.Duration {
	if c.pinged > 0 && c.heard < c.pinged {
		return pongTimeout - (now - c.pinged)
	}
	return idleTimeout - (now - max(c.heard, c.sent))
}

// ping pings a client of which nothing is heard, and which is told nothing.
func (c *conn) ping(now time.Duration) {
	if c.heard >= c.pinged {
		c.pinged = 0
	}
	if c.ending == nil && c.pinged == 0 && c.silent(now) <= 0 {
		c.pinged = now
		c.send(outgoing{frame: frame.AppendPing(nil, nil)})
	}
}

// due is when Tend has something to do next.
func (c *conn) due(now time.Time) (next time.Time) {
	at := c.at(now)
	wait := time.Duration(-1) // none
	sooner := func(d time.Duration) {
		if wait < 0 || d < wait {
			wait = max(d, 0)
		}
	}
	if c.ending != nil {
		if !c.over {
			sooner(c.endBy - at)
		}
		if !c.left {
			sooner(c.life.joined + joinTimeout - at)
		}
	} else {
		sooner(c.silent(at))
		sooner(c.token.ExpiresAt.Sub(now))
		if c.drainAt > 0 {
			sooner(c.drainAt - at)
		}
		if c.offered > 0 {
			sooner(max(c.offered, c.sent) + writeTimeout - at)
		}
		if c.life.state == joining {
			sooner(c.life.joined + c.life.patience() - at)
		}
		if c.life.refused {
			sooner(c.life.retryAt - at)
		}
		if until := c.life.forget(at); until > 0 {
			sooner(until)
		}
	}
	if wait < 0 {
		return time.Time{}
	}
	return now.Add(wait)
}

// drain gives the connection the time at which it will be sent away.
func (c *conn) drain(now, at time.Time) {
	c.drainAt = c.at(at)
	if c.welcomed {
		c.announceDrain(now)
	}
}

// announceDrain tells the client when it will be sent away, if it will.
func (c *conn) announceDrain(now time.Time) {
	if c.drainAt == 0 {
		return
	}
	left := max(c.drainAt-c.at(now), 0)
	c.send(outgoing{frame: frame.AppendText(nil, fmt.Appendf(nil, `{"type":"drain","reconnect_in_ms":%d}`, left.Milliseconds()))})
}

// finish begins the connection's end; the first reason counts. What waits to be
// written still is, then a close frame, and then the client's is waited for; none
// of it for long.
func (c *conn) finish(now time.Time, e ending) {
	if c.ending != nil {
		return
	}
	c.ending = &e
	c.endBy = c.at(now) + endTimeout
}

// closed goes on after our close frame was written.
func (c *conn) closed(now time.Time) {
	c.closeSent = true
	c.endBy = c.at(now) + closeTimeout
	switch {
	case c.eof:
		c.hangUp()
	case c.peerGone:
		c.link.CloseWrite()
	}
}

// Lost ends a connection whose socket has ended. A client that has ended only its
// own side is still sent what waits for it.
func (c *conn) Lost(now time.Time, err error) {
	e := endLost
	if errors.Is(err, syscall.ETIMEDOUT) {
		e = endDead
	}
	c.finish(now, e)
	c.deaf, c.eof = true, true
	if !errors.Is(err, io.EOF) || c.closeSent {
		c.hangUp()
	}
}

// hangUp closes the socket. Only the leave may still have to wait.
func (c *conn) hangUp() {
	if c.over {
		return
	}
	c.over, c.deaf = true, true
	c.link.Close()
	c.cursor.Close()
	c.outbox, c.rest, c.waiting = nil, nil, 0
}
