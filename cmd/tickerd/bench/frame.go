package bench

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/gobwas/ws"
)

// Breaches of RFC 6455 by a server.
var (
	errMasked       = errors.New("a server's frame is masked")
	errReserved     = errors.New("a reserved bit or opcode is used")
	errFragments    = errors.New("fragments are out of order")
	errControl      = errors.New("a control frame is fragmented or too long")
	errMessageLarge = errors.New("a message is too large")
)

// maxMessage bounds a message that must be kept: one that is compressed, comes in
// fragments, or is not written as the server writes it.
const maxMessage = 16 << 20

// maxRest is the most that [reader.next] leaves unread of what it is given.
const maxRest = 2 + ws.MaxControlFramePayloadSize // 127; a header and a head have 106

// An event is what a reader has found.
type event uint8

const (
	needMore   event = iota // nothing: what is there is no more than a beginning
	gotPart                 // a fragment, not the last of its message
	gotMessage              // a message; its stamp is the reader's
	gotDeflate              // a compressed message; the payload is all of it
	gotPing                 // these three with their payload
	gotPong
	gotClose
)

// A reader finds the messages in what one connection receives, however the network
// cut it up, and keeps nothing of them but their stamps. It does not check that text
// is UTF-8. Between two messages it is three words. The zero value is ready.
type reader struct {
	stamp          // of the message that arrives, or has just arrived
	skip    uint64 // bytes of its payload still to come, which nobody needs
	keeping *kept  // nil unless a message must be kept until it is whole
}

// kept is a message, as far as it has come, that must be read as a whole.
type kept struct {
	payload []byte
	left    uint64 // bytes of the present frame still to come
	final   bool   // which is the last
	deflate bool
}

// next takes the first event from b and returns how many bytes it took; with
// needMore the rest of b, which has at most maxRest bytes, is to be given again
// before what comes next. The payload is valid until the next call. Deflate says
// that compressed messages were agreed on.
func (r *reader) next(b []byte, deflate bool) (e event, payload []byte, n int, err error) {
	switch {
	case r.skip > 0:
		return r.pass(b, 0)
	case r.keeping != nil && r.keeping.left > 0:
		return r.keep(b, 0)
	}
	h, n, err := parseHeader(b)
	if n == 0 || err != nil {
		return needMore, nil, 0, err
	}
	if err := r.check(h, deflate); err != nil {
		return needMore, nil, 0, err
	}
	body := b[n:]
	switch {
	case h.control():
		if uint64(len(body)) < h.length {
			return needMore, nil, 0, nil
		}
		return h.event(), body[:h.length], n + int(h.length), nil
	case r.keeping != nil: // the message goes on
		r.keeping.left, r.keeping.final = h.length, h.fin
		return r.keep(body, n)
	case h.fin && h.rsv1 && uint64(len(body)) >= h.length:
		return gotDeflate, body[:h.length], n + int(h.length), nil
	case h.fin && !h.rsv1 && uint64(len(body)) < min(h.length, headSize):
		return needMore, nil, 0, nil
	case h.fin && !h.rsv1:
		r.stamp = scan(body[:min(h.length, uint64(len(body)))])
		if r.kind != unknown {
			r.skip = h.length
			return r.pass(body, n)
		}
	}
	r.keeping = &kept{left: h.length, final: h.fin, deflate: h.rsv1}
	return r.keep(body, n)
}

// check refuses what no server may send now.
func (r *reader) check(h header, deflate bool) error {
	begun := r.keeping != nil
	switch {
	case h.control() && (!h.fin || h.length > ws.MaxControlFramePayloadSize):
		return errControl
	case h.rsv1 && (!deflate || h.control() || begun):
		return errReserved
	case !h.control() && begun != (h.op == ws.OpContinuation):
		return errFragments
	}
	return nil
}

// pass goes over what nobody needs of a message whose stamp is known. So far n bytes
// were taken.
func (r *reader) pass(body []byte, n int) (event, []byte, int, error) {
	k := min(r.skip, uint64(len(body)))
	r.skip -= k
	n += int(k)
	if r.skip > 0 {
		return needMore, nil, n, nil
	}
	return gotMessage, nil, n, nil
}

// keep puts by what has come of a message that must be read as a whole.
func (r *reader) keep(body []byte, n int) (event, []byte, int, error) {
	m := r.keeping
	if uint64(len(m.payload))+m.left > maxMessage {
		return needMore, nil, 0, errMessageLarge
	}
	k := min(m.left, uint64(len(body)))
	m.payload = append(m.payload, body[:k]...)
	m.left -= k
	n += int(k)
	switch {
	case m.left > 0:
		return needMore, nil, n, nil
	case !m.final:
		return gotPart, nil, n, nil
	}
	r.keeping = nil
	if m.deflate {
		return gotDeflate, m.payload, n, nil
	}
	r.stamp = stampOf(m.payload)
	return gotMessage, nil, n, nil
}

// A header is that of one frame of a server.
type header struct {
	length uint64
	op     ws.OpCode
	fin    bool
	rsv1   bool
}

func (h header) control() bool { return h.op.IsControl() }

// event is that of a whole control frame.
func (h header) event() event {
	switch h.op {
	case ws.OpPing:
		return gotPing
	case ws.OpPong:
		return gotPong
	default:
		return gotClose
	}
}

// The bits of a header's first two bytes.
const (
	finBit     = 0x80
	rsv1Bit    = 0x40
	rsv23Bits  = 0x30
	opBits     = 0x0f
	maskBit    = 0x80
	lengthBits = 0x7f
)

// parseHeader reads the header that b begins with and returns its size, or 0 if b
// ends within it.
func parseHeader(b []byte) (h header, n int, err error) {
	if len(b) < 2 {
		return h, 0, nil
	}
	h = header{op: ws.OpCode(b[0] & opBits), fin: b[0]&finBit != 0, rsv1: b[0]&rsv1Bit != 0}
	switch {
	case b[0]&rsv23Bits != 0 || h.op.IsReserved():
		return h, 0, errReserved
	case b[1]&maskBit != 0:
		return h, 0, errMasked
	}
	switch length := b[1] & lengthBits; {
	case length < 126:
		h.length, n = uint64(length), 2
	case length == 126 && len(b) >= 4:
		h.length, n = uint64(binary.BigEndian.Uint16(b[2:])), 4
	case length == 127 && len(b) >= 10:
		h.length, n = binary.BigEndian.Uint64(b[2:]), 10
	}
	if h.length > math.MaxInt64 {
		return h, 0, errMessageLarge
	}
	return h, n, nil
}

// maskKey is that of all frames that a client of this package sends. It hides
// nothing, nor need it: no proxy is to be misled here.
var maskKey = [4]byte{0x74, 0x69, 0x63, 0x6b}

// appendFrame appends a client's control frame.
func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	dst = append(dst, finBit|byte(op), maskBit|byte(len(payload)))
	dst = append(dst, maskKey[:]...)
	for i, c := range payload {
		dst = append(dst, c^maskKey[i%len(maskKey)])
	}
	return dst
}
