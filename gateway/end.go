package gateway

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"tickerd/bus"
)

// A stage is how far the end of a connection has come.
type stage uint8

const (
	open      stage = iota
	finishing       // what waits is still written,
	parting         // then our close frame;
	parted          // the client's is waited for
	hungUp          // the socket is closed; a leave may have to wait
	forgotten       // nobody knows the connection any more
)

// A hearing is what may still come of a client.
type hearing uint8

const (
	listening hearing = iota
	deaf              // it has nothing to say, or has said nonsense: what follows does not matter
	gone              // nothing, for it has said goodbye
	ended             // nothing, for it has hung up
)

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
	c.send(outgoing{frame: c.protocol().text(fmt.Appendf(nil, `{"type":"drain","reconnect_in_ms":%d}`, left.Milliseconds()))})
}

// finish begins the connection's end; the first reason counts. What waits to be
// written still is, then a close frame, and then the client's is waited for; none
// of it for long.
func (c *conn) finish(now time.Time, e ending) {
	if c.stage > open {
		return
	}
	c.stage, c.ending = finishing, &e
	c.endBy = c.at(now) + closeTimeout
	if e.prompt {
		c.endBy = c.at(now) + endTimeout
	}
}

// cut ends the connection, and an end that has begun, at once or nearly so.
func (c *conn) cut(now time.Time) {
	c.finish(now, endDrained)
	c.endBy = min(c.endBy, c.at(now)+endTimeout)
}

// part goes on after our close frame was written.
func (c *conn) part(now time.Time) {
	c.stage = parted
	c.endBy = c.at(now) + closeTimeout
	switch c.hearing {
	case gone, ended:
		c.hangUp()
	case deaf:
		c.link.CloseWrite()
	case listening:
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
	c.hearing = ended
	if !errors.Is(err, io.EOF) || c.stage == parted {
		c.hangUp()
	}
}

// hangUp closes the socket. Only the leave may still have to wait.
func (c *conn) hangUp() {
	if c.stage >= hungUp {
		return
	}
	c.stage = hungUp
	c.link.Close()
	c.cursor.Close()
	c.outbox, c.rest, c.waiting = nil, nil, 0
}

// leave tells that the connection has ended, once no handler can take it any more
// without being told so.
func (c *conn) leave(now time.Duration) {
	if c.stage < parted {
		return
	}
	taken := c.life.state == claimed && (c.life.stray == 0 || c.unhanded)
	settled := taken || c.life.refused || now-c.life.joined >= joinTimeout
	if !c.left && settled {
		c.left = true
		c.gw.places.give(c.token.UserID, c.addr)
		c.gw.courier.send(letter{subject: bus.LeaveOf(c.id), body: bus.Leave{
			ConnID:      c.id,
			UserID:      c.token.Actor(),
			Reason:      c.ending.reason,
			Code:        int(c.ending.code),
			ConnectedMS: (now - c.opened).Milliseconds(),
			MessagesIn:  c.messagesIn,
			MessagesOut: c.messagesOut,
		}})
	}
	if c.left && c.stage == hungUp {
		c.stage = forgotten
		c.gw.remove(c)
	}
}
