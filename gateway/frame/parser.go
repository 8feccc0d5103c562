package frame

import (
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Parser takes in the bytes of one client, in pieces of any size, and finds the
// messages and control frames in them. The zero value is ready, and takes only
// empty messages.
//
// Between two messages a Parser holds no memory but itself. Within one it makes
// room for what has arrived, not for what a header announces: a client that
// sends a byte now and then, or stops, ties up 160 bytes and twice what it sent.
// A compressed message is inflated when all of it is there, in memory that all
// Parsers share.
//
// A Parser must not be copied after the first use, nor used by two goroutines
// at once.
type Parser struct {
	// MaxMessage is how many bytes a message may have, all fragments together, and
	// inflated: no more than that is ever made of a compressed one.
	MaxMessage int

	// Deflate says that messages may be compressed: NegotiateDeflate agreed to it.
	Deflate bool

	pending *pending // nil between two messages
}

// Feed takes in p, all of it, and calls on for every message and control frame
// that is now complete, in order. The opcode is [ws.OpText], [ws.OpPing],
// [ws.OpPong] or [ws.OpClose].
//
// The payload is valid until on returns. Feed unmasks p in place, and the
// payload of a frame that lies wholly within p is that part of p. On must not
// call Feed.
//
// An error is final: it is an [*Error], which does not wait for the rest of a
// header or of a text that cannot be good any more (but for that of a compressed
// one), or what on returned, unchanged. Whatever is fed afterwards is ignored and gives the same error.
// After a close frame, too, everything is ignored, but without an error.
func (r *Parser) Feed(p []byte, on func(op ws.OpCode, payload []byte) error) error {
	var fresh pending // reaches the heap only if p ends within a message
	s := r.pending
	if s == nil {
		s = &fresh
	}
	err := s.feed(p, r, on)
	switch {
	case s.empty():
		r.pending = nil
	case s == &fresh:
		kept := fresh
		r.pending = &kept
	}
	return err
}

// pending is what a parser remembers of a message or a frame that has begun and
// not ended, or of the end of the connection.
type pending struct {
	head   [ws.MaxHeaderSize]byte // a header that is not complete,
	headed int                    // as many bytes as have arrived

	frame   ws.Header // the frame whose payload is arriving,
	left    int       // its bytes still to come, 0 between two frames
	control []byte    // and its payload so far, if it is a control frame

	open     bool   // a message has begun and not ended,
	deflated bool   // it is compressed,
	message  []byte // its payload so far,
	valid    int    // and how much of that is known to be UTF-8

	over bool  // nothing more is taken in,
	err  error // because of this, or after a close frame if nil
}

func (s *pending) empty() bool {
	return s.headed == 0 && s.left == 0 && !s.open && !s.over
}

// end releases everything and takes in nothing more.
func (s *pending) end(err error) error {
	*s = pending{over: true, err: err}
	return err
}

// feed is the loop of [Parser.Feed].
func (s *pending) feed(p []byte, r *Parser, on func(ws.OpCode, []byte) error) error {
	if s.over {
		return s.err
	}
	for len(p) > 0 {
		if s.left == 0 {
			n, err := s.takeHeader(p, r)
			if err != nil {
				return s.end(err)
			}
			if p = p[n:]; s.headed > 0 {
				return nil
			}
		}
		n := min(len(p), s.left)
		err := s.takePayload(p[:n:n], r.MaxMessage, on)
		if err != nil || s.over {
			return s.end(err)
		}
		p = p[n:]
	}
	return nil
}

// takeHeader takes the next bytes of a header from p and returns how many. The
// header is complete, and is s.frame, if s.headed is then 0.
func (s *pending) takeHeader(p []byte, r *Parser) (n int, err error) {
	n = copy(s.head[s.headed:], p)
	deflated := s.deflated
	if !s.open {
		deflated = s.head[0]&rsv1Bit != 0
	}
	room := r.MaxMessage
	if deflated {
		room = deflateBound(room)
	}
	h, size, err := parseHeader(s.head[:s.headed+n], s.open, r.Deflate, room-len(s.message))
	if err != nil {
		return 0, err
	}
	if size == 0 {
		s.headed += n
		return n, nil
	}
	n = size - s.headed
	s.headed = 0
	s.frame, s.left = h, int(h.Length)
	if !h.OpCode.IsControl() {
		s.deflated = deflated
	}
	return n, nil
}

// takePayload takes the next bytes of the frame's payload, and passes on the
// message or control frame that they complete.
func (s *pending) takePayload(chunk []byte, maxMessage int, on func(ws.OpCode, []byte) error) error {
	ws.Cipher(chunk, s.frame.Mask, int(s.frame.Length)-s.left)
	s.left -= len(chunk)
	complete := s.frame.Fin && s.left == 0
	if s.frame.OpCode.IsControl() {
		return s.takeControl(chunk, complete, on)
	}

	s.message = join(s.message, chunk, complete)
	s.open = !complete
	if !s.deflated && !s.validText() {
		return errNotUTF8
	}
	if !complete {
		return nil
	}
	payload, deflated := s.message, s.deflated
	s.message, s.deflated, s.valid = nil, false, 0
	if deflated {
		return inflate(payload, maxMessage, on)
	}
	return on(ws.OpText, payload)
}

// takeControl is takePayload within a control frame.
func (s *pending) takeControl(chunk []byte, complete bool, on func(ws.OpCode, []byte) error) error {
	payload := join(s.control, chunk, complete)
	if !complete {
		s.control = payload
		return nil
	}
	s.control = nil
	op := s.frame.OpCode
	if op == ws.OpClose {
		if err := checkClose(payload); err != nil {
			return err
		}
		s.over = true
	}
	return on(op, payload)
}

// join returns head with tail appended, or tail itself if it is everything.
func join(head, tail []byte, complete bool) []byte {
	if complete && len(head) == 0 {
		return tail
	}
	return append(head, tail...)
}

// validText reports whether the message is UTF-8, or, while it is not complete,
// whether it can still become so.
func (s *pending) validText() bool {
	unchecked := s.message[s.valid:]
	if s.open {
		unchecked = unchecked[:len(unchecked)-cutRune(unchecked)]
	}
	s.valid += len(unchecked)
	return utf8.Valid(unchecked)
}

// cutRune returns the number of bytes at the end of b that are the start of a
// character whose rest can still follow.
func cutRune(b []byte) int {
	for n := 1; n <= min(len(b), utf8.UTFMax-1); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}
