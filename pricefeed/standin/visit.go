package standin

import (
	"time"

	"github.com/gobwas/ws"
)

// The ways of a connection through a venue. Each takes the lock.

// admit tells whether somebody may connect, and with which status not.
func (v *venue) admit(from string, now time.Time) (status int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.faults.refuse != 0:
		return v.faults.refuse
	case !v.config.Unlimited && !v.visitor(from).connect(v.terms, now):
		return 429
	}
	return 0
}

// admitRequest is admit for one request over HTTP.
func (v *venue) admitRequest(from string, now time.Time) (status int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.faults.refuse != 0:
		return v.faults.refuse
	case !v.config.Unlimited && !v.visitor(from).requests.AllowN(now, 1):
		return 429
	}
	return 0
}

func (v *venue) visitor(from string) *visitor {
	who := v.visitors[from]
	if who == nil {
		who = v.terms.visitor()
		v.visitors[from] = who
	}
	return who
}

// join takes a connection in; false when nobody is served any more.
func (v *venue) join(c *conn, from string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return false
	}
	c.messages = v.visitor(from).messages
	if v.terms.perConnection {
		c.messages = v.terms.messages.limiter()
	}
	c.born = time.Now()
	c.heard, c.told, c.pinged = c.born, c.born, c.born
	v.serving.Add(1)
	v.conns[c] = struct{}{}
	v.status(c)
	c.flush()
	return true
}

// leave forgets a connection, and ends its writing.
func (v *venue) leave(c *conn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.conns, c)
	for _, t := range c.topics {
		v.release(t, c)
	}
	close(c.woken)
}

// take is what is to be written, and whether that is all.
func (v *venue) take(c *conn, spare []byte) (b []byte, ended bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	b, c.queue = c.queue, spare
	return b, c.ended
}

// end says goodbye to who is wrong.
func (v *venue) end(c *conn, code ws.StatusCode, reason string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c.close(code, reason)
}

// hear takes a client's message.
func (v *venue) hear(c *conn, text []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.count(c) {
		return
	}
	v.receive(c, text)
	v.regroup()
	c.flush()
}

// control takes a client's control frame.
func (v *venue) control(c *conn, op ws.OpCode, payload []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if op == ws.OpClose {
		c.control(ws.OpClose, payload[:min(len(payload), 2)])
		c.ended = true
		c.flush()
		return
	}
	if !v.count(c) {
		return
	}
	switch {
	case op == ws.OpPing:
		c.control(ws.OpPong, payload)
		c.flush()
	case string(payload) == c.ping:
		c.ping = ""
	}
}

// count notes that the client has said something, and reports whether it may.
func (v *venue) count(c *conn) bool {
	now := time.Now()
	c.heard = now
	if v.config.Unlimited || c.messages.AllowN(now, 1) {
		return true
	}
	v.log.Warn("too many messages", "addr", c.sock.RemoteAddr())
	if v.terms.surplus == "" {
		c.close(ws.StatusPolicyViolation, "Too many requests")
		return false
	}
	c.send(textFrame([]byte(v.terms.surplus)))
	c.flush()
	return false
}
