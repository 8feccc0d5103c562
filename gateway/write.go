package gateway

import (
	"slices"
	"time"

	"tickerd/gateway/fanout"
)

// maxTogether is up to which size answers, and the snapshots behind them, are
// copied to be written together.
const maxTogether = 4 << 10

// The slow-client policy: what a socket does not take waits in the log, which all
// share; one that takes slowly and is more than maxLate behind, or further than
// the log goes back, gets a snapshot instead.
const (
	slowAfter = 100 * time.Millisecond // in which a socket has not once taken all there was
	maxLate   = 500 * time.Millisecond

	// maxWrite bounds what is written at once, and maxSlowWrite to a slow client: it
	// is old by the time that it arrives, and what comes next can be chosen anew.
	maxWrite     = 16 << 10
	maxSlowWrite = 1 << 10
)

// outgoing is what is written next: a frame, and then perhaps the stream of
// another view.
type outgoing struct {
	frame    []byte
	view     *fanout.View
	snapshot bool    // the view begins with one; else it goes on at the same tick
	since    *uint64 // or at this one
}

// send queues something to be written, unless it comes behind the close frame.
func (c *conn) send(o outgoing) {
	if c.stage >= parting {
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
	case c.stage == open:
		c.rest, c.fromLog = c.ticks(c.at(now))
	case c.ending.code == closeAbnormal:
		c.hangUp()
	case c.stage == finishing:
		c.stage = parting
		c.rest = c.protocol().goodbye(*c.ending)
	}
	switch {
	case len(c.rest) == 0:
		c.offered = 0
	case c.offered == 0:
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
		c.messagesOut += c.messages(o.frame)
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
	most, slow := maxWrite, c.offered > 0 && now-c.offered > slowAfter
	if slow {
		most = maxSlowWrite
	}
	if !slow || !c.cursor.Late(c.gw.began.Add(now), maxLate) {
		frames, count, kept := c.cursor.Next(most)
		if kept {
			c.cursor.Advance(len(frames))
			c.messagesOut += int64(count)
			return frames, true
		}
	}
	c.gw.metrics.skips.Inc()
	frames = c.cursor.Snapshot()
	c.messagesOut += c.messages(frames)
	return frames, false
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
		c.rest = nil
		if c.stage == parting {
			c.part(now)
		}
	}
}

// unread gives back to the stream the frames of which nothing was written, n bytes
// having been: when the socket takes more, there may be newer ones.
func (c *conn) unread(n int) {
	begun := 0
	for begun < n {
		size, _ := c.encoding.Len(c.rest[begun:]) // of whole frames
		begun += size
	}
	back := c.rest[begun:]
	c.cursor.Advance(-len(back))
	c.messagesOut -= c.messages(back)
	c.rest, c.fromLog = c.rest[n:begun], false
}

// messages counts those of frames that are messages.
func (c *conn) messages(frames []byte) (n int64) {
	for isMessage := c.protocol().isMessage; len(frames) > 0; {
		if isMessage(frames) {
			n++
		}
		size, ok := c.encoding.Len(frames)
		if !ok {
			return n
		}
		frames = frames[size:]
	}
	return n
}
