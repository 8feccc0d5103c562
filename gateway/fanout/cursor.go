package fanout

import "tickerd/gateway/frame"

// A Cursor is one connection's place in the stream of its view. Its zero value
// with a hub is subscribed to nothing. It belongs to one goroutine.
type Cursor struct {
	hub    *Hub
	stream *stream
	off    int64

	// upTo is the seq that the connection was brought up to apart from the stream,
	// until the first frame after that: a stream with an interval may still have to
	// send what it has had already.
	upTo uint64
}

// NewCursor gives a cursor on nothing.
func NewCursor(h *Hub) Cursor { return Cursor{hub: h} }

// Subscribe puts the cursor on v, at a snapshot, which it appends to dst. What is
// not live follows it, and what has become so without the cursor's having read it.
func (c *Cursor) Subscribe(v View, dst []byte) (frames []byte) {
	owed := c.move(v)
	return c.snapshot(owed, dst)
}

// Snapshot appends a frame with every price of the view, and goes on from there.
// What is live, and what is not, follows it.
func (c *Cursor) Snapshot(dst []byte) (frames []byte) { return c.snapshot(true, dst) }

func (c *Cursor) snapshot(owed bool, dst []byte) (frames []byte) {
	frames, c.upTo, c.off = c.hub.snapshot(c.stream, owed, dst)
	return frames
}

// Resume puts the cursor on v, behind seq. It appends the ticks that came since,
// in one message where v has an interval, or where they are no longer kept a
// snapshot. Of what is live it tells as Subscribe does.
func (c *Cursor) Resume(v View, seq uint64, dst []byte) (frames []byte) {
	owed := c.move(v)
	frames, upTo, off, kept := c.hub.follow(c.stream, seq, owed, dst)
	if !kept {
		return c.snapshot(owed, dst)
	}
	c.upTo, c.off = upTo, off
	return frames
}

// Switch puts the cursor on v, at the tick where it is now, so that nothing that
// both views see is left out or comes twice.
func (c *Cursor) Switch(v View, dst []byte) (frames []byte) {
	if c.stream == nil || c.stream.key.interval > 0 {
		return c.Subscribe(v, dst)
	}
	seq, kept := c.hub.had(c.stream, c.off)
	if !kept {
		return c.Subscribe(v, dst)
	}
	return c.Resume(v, max(c.upTo, seq), dst)
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
// They are shared and never change. Having written them, go on with Advance.
//
// It reports false when the cursor has fallen so far behind that they are no
// longer kept: the connection goes on with Snapshot.
func (c *Cursor) Next(most int) (frames []byte, count int, kept bool) {
	if c.stream == nil {
		return nil, 0, true
	}
	b, kept := c.stream.read(c.off)
	if len(b) > 0 && c.upTo > 0 {
		c.off, c.upTo = c.hub.past(c.stream, c.off, c.upTo), 0
		b, kept = c.stream.read(c.off)
	}
	end := 0
	for end < len(b) {
		n, ok := frame.Len(b[end:])
		if !ok || count > 0 && end+n > most {
			break
		}
		end += n
		count++
	}
	return b[:end], count, kept
}

// Advance moves the cursor over n bytes that Next gave.
func (c *Cursor) Advance(n int) { c.off += int64(n) }

// Changed gives a channel that is closed when there is more to read; nil, which
// blocks forever, when the cursor is on nothing. Ask for it before Next says that
// there is nothing.
func (c *Cursor) Changed() <-chan struct{} {
	if c.stream == nil {
		return nil
	}
	return *c.stream.changed.Load()
}
