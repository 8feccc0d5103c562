package frame

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Error is a breach of the protocol, or of a limit, by the client. Its code and
// reason belong into the close frame that is the last thing to send.
type Error struct {
	Code   ws.StatusCode // 1002
	Reason string        // "frame is not masked"
}

// Error gives reason and code, for the log.
func (e *Error) Error() string {
	return fmt.Sprintf("websocket: %s (%d)", e.Reason, e.Code)
}

// Every breach there is.
var (
	errReservedBit       = &Error{ws.StatusProtocolError, "reserved bit is set"}
	errUnknownOpCode     = &Error{ws.StatusProtocolError, "unknown opcode"}
	errControlFragmented = &Error{ws.StatusProtocolError, "control frame is fragmented"}
	errControlTooLong    = &Error{ws.StatusProtocolError, "control frame is longer than 125 bytes"}
	errNothingToContinue = &Error{ws.StatusProtocolError, "continuation of no message"}
	errMessageUnfinished = &Error{ws.StatusProtocolError, "new message before the end of the last"}
	errNotMasked         = &Error{ws.StatusProtocolError, "frame is not masked"}
	errLengthNegative    = &Error{ws.StatusProtocolError, "top bit of the length is set"}
	errLengthNotMinimal  = &Error{ws.StatusProtocolError, "length is not in its shortest form"}
	errCloseTooShort     = &Error{ws.StatusProtocolError, "close frame has half a code"}
	errCloseCode         = &Error{ws.StatusProtocolError, "close code is not allowed"}
	errCloseReason       = &Error{ws.StatusInvalidFramePayloadData, "close reason is not UTF-8"}
	errBinary            = &Error{ws.StatusUnsupportedData, "binary messages are not supported"}
	errNotUTF8           = &Error{ws.StatusInvalidFramePayloadData, "text is not UTF-8"}
	errNotDeflate        = &Error{ws.StatusInvalidFramePayloadData, "message is not validly compressed"}
	errTooBig            = &Error{ws.StatusMessageTooBig, "message is too big"}
)

// ParseClose returns the code and the reason in the payload of a close frame
// that [Parser.Feed] has passed on, and [ws.StatusNoStatusRcvd] for an empty
// one.
func ParseClose(payload []byte) (code ws.StatusCode, reason string) {
	if len(payload) < 2 {
		return ws.StatusNoStatusRcvd, ""
	}
	return ws.StatusCode(binary.BigEndian.Uint16(payload)), string(payload[2:])
}

// checkClose returns what is wrong with the payload of a client's close frame.
func checkClose(payload []byte) error {
	switch {
	case len(payload) == 0:
		return nil
	case len(payload) == 1:
		return errCloseTooShort
	case !Sendable(ws.StatusCode(binary.BigEndian.Uint16(payload))):
		return errCloseCode
	case !utf8.Valid(payload[2:]):
		return errCloseReason
	}
	return nil
}

// Sendable reports whether a close frame may hold code. What is missing between
// 1000 and 1015 has no meaning or is reserved for use within a program; 1016 to
// 2999 wait for later versions of the protocol.
func Sendable(code ws.StatusCode) bool {
	return 1000 <= code && code <= 1003 ||
		1007 <= code && code <= 1014 ||
		3000 <= code && code <= 4999
}
