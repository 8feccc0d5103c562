package bench

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// A Failure is why a handshake did not succeed.
type Failure struct {
	Status int    `json:"status"` // of the server's answer; 0: there was none
	Reason string `json:"reason"` // in the server's words, or the system's
}

// Failures without an answer of HTTP.
var (
	noAnswer   = Failure{Reason: "timeout"}
	noSnapshot = Failure{Reason: "no first snapshot"}
	notHTTP    = Failure{Reason: "answer is not HTTP"}
	badAccept  = Failure{Reason: "answer does not accept the WebSocket"}
	hungUp     = Failure{Reason: "connection closed during the handshake"}
)

// failureOf names what the system says, without addresses, so that equal failures
// are counted as one.
func failureOf(err error) Failure {
	if f, ok := errors.AsType[*failed](err); ok {
		return f.Failure
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return hungUp
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return noAnswer
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return Failure{Reason: errno.Error()}
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		err = e.Err
	}
	return Failure{Reason: err.Error()}
}

// failed is a Failure as an error.
type failed struct{ Failure }

func (f *failed) Error() string { return f.Reason }

// compare puts the Failures with an answer first, by status.
func (f Failure) compare(o Failure) int {
	return cmp.Or(cmp.Compare(o.Status, f.Status), cmp.Compare(f.Reason, o.Reason))
}
