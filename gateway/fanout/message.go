package fanout

import (
	"tickerd/gateway/event"
	"tickerd/ticker"
)

// A message is what one frame carries: whole bytes, or parts that are encoded
// already and are put together where they are written to.
type message struct {
	head     []byte
	elements [][]byte // with a comma between any two
	tail     string
	size     int
	deflated bool
}

// whole is a message that is finished.
func whole(b []byte) message { return message{head: b, size: len(b)} }

// composed is a message put together from what stands before the elements, and them.
func composed(head []byte, elements [][]byte) message {
	size := len(head) + max(len(elements)-1, 0) + len(ticker.Tail)
	for _, e := range elements {
		size += len(e)
	}
	return message{head: head, elements: elements, tail: ticker.Tail, size: size}
}

// frameSize is how long the message's frame is.
func (m message) frameSize(e Encoding, o origin) int {
	var head [maxAround]byte
	return len(e.appendHead(head[:0], o, m)) + m.size + len(e.tail())
}

func (m message) appendFrame(dst []byte, e Encoding, o origin) []byte {
	dst = e.appendHead(dst, o, m)
	from := len(dst)
	dst = m.appendTo(dst)
	if e == Events {
		event.Flatten(dst[from:])
	}
	return append(dst, e.tail()...)
}

func (m message) appendTo(dst []byte) []byte {
	dst = append(dst, m.head...)
	for i, e := range m.elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, e...)
	}
	return append(dst, m.tail...)
}

// A composer puts messages together. A message is good until the next.
type composer struct {
	head     []byte
	elements [][]byte
}

// begin starts messages of one kind.
func (c *composer) begin(seq uint64, ts int64, snapshot bool) {
	c.head = ticker.AppendHead(c.head[:0], seq, ts, snapshot)
}

// compose gives the message with the elements in both a and b, as far as there are any.
func (c *composer) compose(elements [][]byte, a, b set) message {
	c.elements = c.elements[:0]
	for i := range both(a, b) {
		if len(elements[i]) > 0 {
			c.elements = append(c.elements, elements[i])
		}
	}
	return composed(c.head, c.elements)
}
