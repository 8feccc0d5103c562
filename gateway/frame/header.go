package frame

import (
	"encoding/binary"
	"math"

	"github.com/gobwas/ws"
)

// The first two bytes of a header. Then come the length's 0, 2 or 8 further
// bytes, the client's mask of 4, and the payload.
const (
	finBit     = 0x80 // byte 0: the last frame of a message
	rsvBits    = 0x70 //         taken by extensions,
	rsv1Bit    = 0x40 //         of which permessage-deflate has this one: the message is compressed
	opBits     = 0x0f //         a ws.OpCode
	maskBit    = 0x80 // byte 1: a mask follows, always from a client, never to one
	lengthBits = 0x7f //         the payload's length up to 125, or one of
	length16   = 126  //         in the next 2 bytes
	length64   = 127  //         in the next 8 bytes
)

// parseHeader reads the client's header that b, which is not empty, begins
// with, and returns how many bytes it has, or 0 if b ends within it. Open says
// that a message has begun and not ended, deflate that one may be compressed, and
// room how many bytes of payload its next frame may have.
//
// The checks are made in the order of the bytes. So the verdict does not depend
// on how many have arrived, and comes with the first that allows it.
func parseHeader(b []byte, open, deflate bool, room int) (h ws.Header, n int, err error) {
	h.Fin = b[0]&finBit != 0
	h.Rsv = b[0] & rsvBits >> 4
	h.OpCode = ws.OpCode(b[0] & opBits)
	control := h.OpCode.IsControl()
	reserved := byte(rsvBits)
	if first := h.OpCode == ws.OpText || h.OpCode == ws.OpBinary; first && deflate {
		reserved &^= rsv1Bit
	}
	switch {
	case b[0]&reserved != 0:
		return h, 0, errReservedBit
	case h.OpCode.IsReserved():
		return h, 0, errUnknownOpCode
	case control && !h.Fin:
		return h, 0, errControlFragmented
	case h.OpCode == ws.OpContinuation && !open:
		return h, 0, errNothingToContinue
	case h.OpCode != ws.OpContinuation && !control && open:
		return h, 0, errMessageUnfinished
	case h.OpCode == ws.OpBinary:
		return h, 0, errBinary
	}

	if len(b) < 2 {
		return h, 0, nil
	}
	switch {
	case b[1]&maskBit == 0:
		return h, 0, errNotMasked
	case control && b[1]&lengthBits > ws.MaxControlFramePayloadSize:
		return h, 0, errControlTooLong
	}

	length, n := parseLength(b)
	switch {
	case n == 0:
		return h, 0, nil
	case length > math.MaxInt64:
		return h, 0, errLengthNegative
	case n == 4 && length < length16, n == 10 && length <= math.MaxUint16:
		return h, 0, errLengthNotMinimal
	case !control && int64(length) > int64(room):
		return h, 0, errTooBig
	}
	h.Length = int64(length)

	if len(b) < n+len(h.Mask) {
		return h, 0, nil
	}
	h.Masked = true
	return h, n + copy(h.Mask[:], b[n:]), nil
}

// parseLength returns the payload's length as the header that b begins with
// gives it, and how many bytes the header has up to there, or 0 if b ends
// within them.
func parseLength(b []byte) (length uint64, n int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch short := b[1] & lengthBits; {
	case short < length16:
		return uint64(short), 2
	case short == length16 && len(b) >= 4:
		return uint64(binary.BigEndian.Uint16(b[2:])), 4
	case short == length64 && len(b) >= 10:
		return binary.BigEndian.Uint64(b[2:]), 10
	}
	return 0, 0
}

// appendHeader appends the shortest header of a server's unfragmented frame
// with length bytes of payload.
func appendHeader(dst []byte, op ws.OpCode, length int) []byte {
	return appendLength(append(dst, finBit|byte(op)), length)
}

func appendLength(dst []byte, length int) []byte {
	switch {
	case length < length16:
		return append(dst, byte(length))
	case length <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, length16), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(dst, length64), uint64(length))
	}
}
