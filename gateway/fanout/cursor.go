package fanout

import (
	"math"
	"time"
)

// A Cursor is one connection's place in the stream of its view. It belongs to one
// goroutine.
//
// What its methods give as frames is shared with other connections, and never
// changes.
type Cursor struct {
	hub    *Hub
	stream *Stream // nil: on nothing
	position
}

// NewCursor gives a cursor on nothing.
func NewCursor(h *Hub) Cursor { return Cursor{hub: h} }

// Stream is what the cursor is on; nil: nothing. Its Head grows when there is more
// to read than at Offset.
func (c *Cursor) Stream() *Stream { return c.stream }

// Offset is where the cursor is in its stream.
func (c *Cursor) Offset() int64 { return c.off }

// Subscribe puts the cursor on v, at a snapshot, which it gives. What is not live
// follows it, and what has become live without the cursor's having read it.
func (c *Cursor) Subscribe(v View) (frames []byte) {
	owed := c.move(v)
	return c.snapshot(owed)
}

// Snapshot gives a frame with every price of the view, and goes on from there.
// What is live, and what is not, follows it.
func (c *Cursor) Snapshot() (frames []byte) { return c.snapshot(true) }

func (c *Cursor) snapshot(owed bool) (frames []byte) {
	n, at := c.hub.snapshot(c.stream)
	c.position = at
	return n.frames(owed)
}

// Resume puts the cursor on v, behind seq. It gives the ticks that came since, in
// one message where v has an interval, or where they are no longer kept a
// snapshot. Of what is live it tells as Subscribe does.
func (c *Cursor) Resume(v View, seq uint64) (frames []byte) {
	owed := c.move(v)
	r, at, kept := c.hub.resumption(c.stream, seq)
	if !kept {
		return c.snapshot(owed)
	}
	c.position = at
	return r.frames(owed)
}

// Switch puts the cursor on v, at the tick where it is now, so that nothing that
// both views see is left out or comes twice.
func (c *Cursor) Switch(v View) (frames []byte) {
	if c.stream == nil || c.stream.key.interval > 0 {
		return c.Subscribe(v)
	}
	seq, kept := c.hub.had(c.stream, c.off)
	if !kept {
		return c.Subscribe(v)
	}
	return c.Resume(v, max(c.upTo, seq))
}

// move changes the stream, and reports whether status messages were left unread in
// the one before.
func (c *Cursor) move(v View) (owed bool) {
	s := c.hub.stream(v)
	owed = c.stream != nil && c.hub.owes(c.stream, c.off)
	c.Close()
	c.stream = s
	return owed
}

// Close gives the stream back. The cursor is on nothing then.
func (c *Cursor) Close() {
	if c.stream != nil {
		c.hub.release(c.stream)
		c.stream = nil
	}
}

// Next gives the frames that the connection has not had, count of them: as many
// as fit into most bytes, and one at least, or none when there is nothing new.
// Having written them, go on with Advance.
//
// It reports false when the cursor has fallen so far behind that they are no
// longer kept: the connection goes on with Snapshot.
func (c *Cursor) Next(most int) (frames []byte, count int, kept bool) {
	if c.stream == nil {
		return nil, 0, true
	}
	fresh := c.skip()
	b, kept := c.stream.read(c.off)
	b = b[:min(int64(len(b)), fresh)]
	end := 0
	for end < len(b) {
		n, ok := c.stream.key.encoding.Len(b[end:])
		if !ok || count > 0 && end+n > most {
			break
		}
		end += n
		count++
	}
	return b[:end], count, kept
}

// skip passes over frames that the connection has had already, and tells how many
// bytes come before the next such frame.
func (c *Cursor) skip() (fresh int64) {
	switch {
	case c.upTo == 0:
		return math.MaxInt64
	case c.off == c.stream.Head():
		return 0 // what comes this very moment may be a repetition
	}
	from, to, all := c.hub.after(c.stream, c.off, c.upTo)
	c.off = from
	if all {
		c.upTo = 0
	}
	return to - from
}

// Advance moves the cursor over n bytes that Next gave, which are whole frames. A
// negative n takes it back over the last of them, those that were not sent after
// all; it then gives them again.
func (c *Cursor) Advance(n int) { c.off += int64(n) }

// Late reports whether the first frame that the connection has not had was
// appended more than most ago, or is no longer kept.
func (c *Cursor) Late(now time.Time, most time.Duration) bool {
	if c.stream == nil {
		return false
	}
	c.skip()
	return c.hub.late(c.stream, c.off, now, most)
}
