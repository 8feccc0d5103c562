package fanout

import (
	"tickerd/gateway/event"
	"tickerd/gateway/frame"
)

// An Encoding is how the messages of a stream are framed.
type Encoding uint8

const (
	Text    Encoding = iota // frames of WebSocket
	Deflate                 // the same, but ticks and snapshots are compressed, as frame.Deflate does it
	Events                  // Server-Sent Events: "ticker", whose id is its seq, and "status"
)

// Len returns the length of the frame that b begins with; b need not hold all of it.
// It returns false if b ends before that can be told.
func (e Encoding) Len(b []byte) (n int, ok bool) {
	if e == Events {
		return event.Len(b)
	}
	return frame.Len(b)
}

// An origin is where a message comes from: it brings the tick seq, or else came
// between that tick and the next.
type origin struct {
	seq  uint64
	tick bool
}

// appendHead appends what stands before a message of such an origin.
func (e Encoding) appendHead(dst []byte, o origin, m message) []byte {
	switch {
	case e != Events:
		return frame.AppendTextHeader(dst, m.size, m.deflated)
	case o.tick:
		return event.AppendHead(event.AppendID(dst, o.seq), "ticker")
	default:
		return event.AppendHead(dst, "status")
	}
}

// maxAround is enough for what a frame has besides its message.
const maxAround = 64

// around is the same, of one encoding.
func (e Encoding) around() int {
	if e == Events {
		return maxAround
	}
	return 10 // the longest header of a server's frame
}

// tail stands behind every message.
func (e Encoding) tail() string {
	if e == Events {
		return event.Tail
	}
	return ""
}
