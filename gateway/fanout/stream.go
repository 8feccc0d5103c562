package fanout

import (
	"time"

	"tickerd/gateway/frame"
	"tickerd/ticker"
)

// A stream is the frames that the connections with one view share.
type stream struct {
	log
	key  streamKey
	view View

	// Guarded by the hub's mutex.
	readers int
	sees    []bool // by the symbol's index

	// Of a stream with an interval: what changed since its last frame, as
	// indexes, and when the next frame is due after the hub's start.
	dirty   []int
	isDirty []bool
	due     time.Duration
}

// learn extends what the stream knows of symbols to all of them.
func (s *stream) learn(symbols []latest) {
	for _, l := range symbols[len(s.sees):] {
		s.sees = append(s.sees, s.view.Sees(l.symbol))
		s.isDirty = append(s.isDirty, false)
	}
}

// composer puts messages together from elements that are encoded already.
type composer struct {
	parts  [][]byte
	header []byte // the frame's
	head   []byte // the message's
}

var (
	comma = []byte(",")
	tail  = []byte(ticker.Tail)
)

// begin starts a message of the given kind.
func (c *composer) begin(seq uint64, ts int64, snapshot bool) {
	c.head = ticker.AppendHead(c.head[:0], seq, ts, snapshot)
	c.parts = append(c.parts[:0], nil, c.head)
}

// add adds an element.
func (c *composer) add(element []byte) {
	if len(c.parts) > 2 {
		c.parts = append(c.parts, comma)
	}
	c.parts = append(c.parts, element)
}

// empty reports whether nothing was added.
func (c *composer) empty() bool { return len(c.parts) == 2 }

// end closes the message and gives the frame's parts.
func (c *composer) end() [][]byte {
	c.parts = append(c.parts, tail)
	return c.frame()
}

// whole gives a frame's parts around a finished message.
func (c *composer) whole(msg []byte) [][]byte {
	c.parts = append(c.parts[:0], nil, msg)
	return c.frame()
}

func (c *composer) frame() [][]byte {
	size := 0
	for _, p := range c.parts {
		size += len(p)
	}
	c.header = frame.AppendTextHeader(c.header[:0], size)
	c.parts[0] = c.header
	return c.parts
}

// join appends parts to dst.
func join(dst []byte, parts [][]byte) []byte {
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}
