package gateway

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"tickerd/auth"
	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
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
	readSize   = 2 << 10

	// writeSize bounds what is written at once to a client that is behind, so
	// that what it gets next can be chosen anew.
	writeSize = 4 << 10

	// maxOutbox is how many bytes of answers may wait for a client before we
	// stop reading from it, and maxUnderWay how many of its messages.
	maxOutbox   = 64 << 10
	maxUnderWay = 128 << 10
)

// A conn is one client's WebSocket connection. A reader goroutine parses what
// comes, a writer goroutine sends what the stream has for it, and answers; what
// they share stands under the mutex.
type conn struct {
	gw      *Gateway
	id      string
	sock    net.Conn
	actor   string // "user:demo"
	wish    wish
	visitor visitor // as it came; the token that counts now is under mu
	started time.Time

	wake chan struct{} // the writer has something to do besides its stream

	heard       atomic.Int64 // when something came, after started
	messagesIn  atomic.Int64
	messagesOut atomic.Int64

	// Owned by the reader.
	parser    frame.Parser
	allowance allowance

	// Owned by the writer.
	cursor fanout.Cursor
	sent   time.Duration // when something was written, after started
	pinged time.Duration // when a ping was sent that nothing came after; 0: none
	buf    []byte

	ended atomic.Bool // that ending is set, for a writer in the middle of a write

	mu        sync.Mutex
	room      sync.Cond // the outbox is not full, or the connection ends
	token     auth.Token
	scope     *auth.Scope
	rules     ticker.Rules
	interval  time.Duration
	life      life
	welcomed  bool // a handler has claimed it once
	resumes   bool // the ticks after wish.since can be sent
	outbox    []outgoing
	waiting   int // bytes in outbox
	drainAt   time.Time
	ending    *ending // why it ends; set once
	closeSent bool    // our close frame is written
	peerGone  bool    // the client has said goodbye, or nothing can be read any more
}

// outgoing is what the writer sends next: a frame, and then perhaps the stream of
// another view.
type outgoing struct {
	frame    []byte
	view     *fanout.View
	snapshot bool    // the view begins with one; else it goes on at the same tick
	since    *uint64 // or at this one
}

// serve runs the connection until it has ended. Early is what the client sent
// right behind its upgrade.
func (c *conn) serve(early []byte) {
	var reading sync.WaitGroup
	said := make(chan struct{}) // closed when nothing more will be written
	reading.Go(func() {
		c.read(early)
		<-said
		c.sock.Close()
	})
	c.write()
	close(said)
	c.cursor.Close()
	c.leave()
	reading.Wait()
}

// finish asks for the connection's end; the first reason counts.
func (c *conn) finish(e ending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finishLocked(e)
}

func (c *conn) finishLocked(e ending) {
	if c.ending != nil {
		return
	}
	c.ending = &e
	c.ended.Store(true)
	// A writer that waits for its client's socket waits no longer.
	_ = c.sock.SetWriteDeadline(time.Now().Add(endTimeout))
	c.room.Broadcast()
	c.signal()
}

// signal wakes the writer.
func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// send queues something for the writer.
func (c *conn) send(o outgoing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sendLocked(o)
}

func (c *conn) sendLocked(o outgoing) {
	c.outbox = append(c.outbox, o)
	c.waiting += len(o.frame)
	c.signal()
}

// read parses what the client sends until it has said goodbye or is gone.
func (c *conn) read(early []byte) {
	err := c.parser.Feed(early, c.take)
	buf := make([]byte, readSize)
	for err == nil {
		c.waitForRoom()
		var n int
		n, err = c.sock.Read(buf)
		if n > 0 {
			c.heard.Store(int64(time.Since(c.started)))
			if e := c.parser.Feed(buf[:n], c.take); e != nil {
				err = e
			}
		}
	}
	breach, isBreach := errors.AsType[*frame.Error](err)
	switch {
	case errors.Is(err, errGoodbye):
		if c.closes() {
			return
		}
		c.discard(buf)
	case isBreach:
		c.closes() // nothing that it says can be understood any more
		c.finish(ending{code: breach.Code, reason: breach.Reason})
		c.discard(buf)
	default:
		c.finish(endLost)
	}
}

// closes notes that the client has closed, and reports whether we have too.
func (c *conn) closes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peerGone = true
	return c.closeSent
}

// discard reads on without looking, so that the close frame is not lost in the
// reset that unread bytes would bring.
func (c *conn) discard(buf []byte) {
	for {
		if _, err := c.sock.Read(buf); err != nil {
			return
		}
	}
}

// errGoodbye ends the reader: the client has sent its close frame.
const errGoodbye = Error("client said goodbye")

// take handles one message or control frame.
func (c *conn) take(op ws.OpCode, payload []byte) error {
	if op == ws.OpClose {
		code, reason := frame.ParseClose(payload)
		c.finish(ending{code, reason, true})
		return errGoodbye
	}
	now := time.Now()
	if c.allowance.frame(now, c.gw.cfg) {
		c.finish(endFlood)
		return nil // what follows is read, not handled
	}
	switch op {
	case ws.OpPing:
		c.send(outgoing{frame: frame.AppendPong(nil, payload)})
	case ws.OpText:
		c.messagesIn.Add(1)
		if c.allowance.message(now, c.gw.cfg) {
			c.forward(payload)
		} else {
			c.send(outgoing{frame: c.gw.rateLimited})
		}
	}
	return nil
}

// waitForRoom holds the reader while answers wait that the client does not read,
// or too much that it said is on its way: it is slowed down by its own pace, and
// by nobody else's.
func (c *conn) waitForRoom() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for (c.waiting > maxOutbox || c.life.bytes > maxUnderWay) && c.ending == nil {
		c.room.Wait()
	}
}

// write sends until the connection ends. A client that is behind gets what it
// has not had as its socket takes it, and a snapshot instead of what is too old.
func (c *conn) write() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		work, end := c.pick()
		err := c.do(work)
		changed := c.cursor.Changed() // before catchUp says that there is nothing
		if err == nil && end == nil {
			var more bool
			more, err = c.catchUp()
			if more && err == nil {
				continue
			}
		}
		if err != nil {
			c.abandon(err)
			return
		}
		if end != nil {
			c.sayGoodbye(*end)
			return
		}
		timer.Reset(c.watch())
		select {
		case <-c.wake:
		case <-changed:
		case <-timer.C:
		}
	}
}

// drain gives the connection the time at which it will be sent away.
func (c *conn) drain(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drainAt = at
	if c.welcomed {
		c.drainLocked()
	}
	c.signal()
}

// drainLocked tells the client when it will be sent away, if it will.
func (c *conn) drainLocked() {
	if c.drainAt.IsZero() {
		return
	}
	left := max(time.Until(c.drainAt), 0)
	c.sendLocked(outgoing{frame: frame.AppendText(nil, fmt.Appendf(nil, `{"type":"drain","reconnect_in_ms":%d}`, left.Milliseconds()))})
}

// stands reports whether the token that the connection stands on is one that
// revoked names, and the connection has not ended.
func (c *conn) stands(revoked func(auth.Token) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending == nil && revoked(c.token)
}

// pick takes what is to be done now.
func (c *conn) pick() (work []outgoing, end *ending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expireLocked(time.Now())
	work, c.outbox, c.waiting = c.outbox, nil, 0
	c.room.Broadcast()
	return work, c.ending
}

// expireLocked does what the time has come for.
func (c *conn) expireLocked(now time.Time) {
	switch {
	case c.ending != nil:
	case !now.Before(c.token.ExpiresAt):
		c.finishLocked(endExpired)
	case !c.drainAt.IsZero() && !now.Before(c.drainAt):
		c.finishLocked(endDrained)
	case c.life.state == joining && now.Sub(c.life.joined) >= c.life.patience():
		c.finishLocked(endNoHandler)
	case c.life.refused && !now.Before(c.life.retryAt):
		c.joinLocked()
	}
}

// watch pings a client of which nothing is heard, and tells how long nothing
// needs to be looked at.
func (c *conn) watch() time.Duration {
	now := time.Since(c.started)
	heard := time.Duration(c.heard.Load())
	if c.pinged > 0 && heard >= c.pinged {
		c.pinged = 0
	}
	quiet := idleTimeout - (now - max(heard, c.sent))
	if c.pinged > 0 {
		quiet = pongTimeout - (now - c.pinged)
	}
	if quiet <= 0 && c.pinged > 0 {
		c.finish(endPingTimeout)
		return 0
	}
	if quiet <= 0 {
		c.send(outgoing{frame: frame.AppendPing(nil, nil)})
		c.pinged, quiet = now, pongTimeout
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	wait := min(quiet, time.Until(c.token.ExpiresAt))
	if !c.drainAt.IsZero() {
		wait = min(wait, time.Until(c.drainAt))
	}
	if c.life.state == joining {
		wait = min(wait, c.life.patience()-time.Since(c.life.joined))
	}
	if c.life.refused {
		wait = min(wait, time.Until(c.life.retryAt))
	}
	if until := c.life.forget(time.Now()); until > 0 {
		wait = min(wait, until)
	}
	c.room.Broadcast()
	return max(wait, 0)
}

// do sends frames and moves the cursor, in order.
func (c *conn) do(work []outgoing) error {
	b := c.buf[:0]
	for _, o := range work {
		b = append(b, o.frame...)
		switch {
		case o.view == nil:
		case o.since != nil:
			b = c.cursor.Resume(*o.view, *o.since, b)
		case o.snapshot:
			b = c.cursor.Subscribe(*o.view, b)
		default:
			b = c.cursor.Switch(*o.view, b)
		}
	}
	c.buf = b[:0]
	if cap(b) > maxOutbox {
		c.buf = nil
	}
	if len(b) == 0 {
		return nil
	}
	c.messagesOut.Add(messages(b))
	return c.writeAll(b)
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

// catchUp sends a piece of what the stream has and the client has not.
func (c *conn) catchUp() (more bool, err error) {
	frames, count, kept := c.cursor.Next(writeSize)
	if !kept {
		c.gw.metrics.skips.Inc()
		c.messagesOut.Add(1)
		return true, c.writeAll(c.cursor.Snapshot(nil))
	}
	if count == 0 {
		return false, nil
	}
	c.cursor.Advance(len(frames))
	c.messagesOut.Add(int64(count))
	return true, c.writeAll(frames)
}

// writeAll writes b, however slowly, as long as the socket takes some of it in
// every writeTimeout and the connection has not ended.
func (c *conn) writeAll(b []byte) error {
	for len(b) > 0 {
		timeout := writeTimeout
		if err := c.sock.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
		if c.ended.Load() { // its deadline may have come before the one just set
			timeout = endTimeout
			if err := c.sock.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
				return err
			}
		}
		n, err := c.sock.Write(b[:min(len(b), writeSize)]) // in pieces, for TLS writes nothing more after a time-out
		c.gw.metrics.bytesOut.Add(float64(n))
		b = b[n:]
		slow := errors.Is(err, os.ErrDeadlineExceeded) && n > 0 && !c.ended.Load()
		if err != nil && !slow {
			return err
		}
	}
	c.sent = time.Since(c.started)
	return nil
}

// sayGoodbye sends the close frame. The reader then waits for the client's, or
// for its end, not for long.
func (c *conn) sayGoodbye(e ending) {
	if e.code == closeAbnormal {
		c.sock.Close()
		return
	}
	// What cannot be written now will not be: the socket ends either way.
	_ = c.sock.SetWriteDeadline(time.Now().Add(endTimeout))
	if _, err := c.sock.Write(frame.AppendClose(c.buf[:0], e.code, e.reason)); err != nil {
		c.sock.Close()
		return
	}
	c.mu.Lock()
	c.closeSent = true
	peerGone := c.peerGone
	c.mu.Unlock()
	_ = c.sock.SetReadDeadline(time.Now().Add(closeTimeout))
	if half, ok := c.sock.(interface{ CloseWrite() error }); ok && peerGone {
		_ = half.CloseWrite()
	}
}

// abandon ends a connection to which nothing can be written.
func (c *conn) abandon(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.finish(endDead)
	}
	c.finish(endLost)
	c.sock.Close()
}
