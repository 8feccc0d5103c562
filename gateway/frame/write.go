package frame

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// AppendText appends a text message, in one frame. The payload must be UTF-8.
func AppendText(dst, payload []byte) []byte {
	return append(appendHeader(dst, ws.OpText, len(payload)), payload...)
}

// AppendTextHeader appends what stands before a text message of length bytes, for
// who puts the message together himself. Deflated says that these are what
// [Deflate] has made of it, for a client with which that was agreed.
func AppendTextHeader(dst []byte, length int, deflated bool) []byte {
	first := finBit | byte(ws.OpText)
	if deflated {
		first |= rsv1Bit
	}
	return appendLength(append(dst, first), length)
}

// AppendPing appends a ping. What exceeds 125 bytes of payload is cut off.
func AppendPing(dst, payload []byte) []byte {
	return appendControl(dst, ws.OpPing, payload)
}

// AppendPong appends the answer to a ping, whose payload it repeats.
func AppendPong(dst, payload []byte) []byte {
	return appendControl(dst, ws.OpPong, payload)
}

func appendControl(dst []byte, op ws.OpCode, payload []byte) []byte {
	payload = payload[:min(len(payload), ws.MaxControlFramePayloadSize)]
	return append(appendHeader(dst, op, len(payload)), payload...)
}

// AppendClose appends a close frame. The reason is cut to the 123 bytes that
// fit, at the start of a character, or before the first byte that is not UTF-8.
//
// A code that must not be sent, such as the [ws.StatusNoStatusRcvd] that
// [ParseClose] returns for an empty close frame, gives an empty close frame.
func AppendClose(dst []byte, code ws.StatusCode, reason string) []byte {
	if !Sendable(code) {
		return appendHeader(dst, ws.OpClose, 0)
	}
	reason = reason[:min(len(reason), ws.MaxControlFramePayloadSize-2)]
	for !utf8.ValidString(reason) {
		reason = reason[:len(reason)-1]
	}
	dst = appendHeader(dst, ws.OpClose, 2+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// Len returns the length, header included, of the server's frame that b begins
// with; b need not hold all of it. It returns false if b ends before the frame
// tells its length, which takes 10 bytes at most.
func Len(b []byte) (n int, ok bool) {
	length, n := parseLength(b)
	return n + int(length), n > 0
}
