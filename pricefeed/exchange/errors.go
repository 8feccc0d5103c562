package exchange

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gobwas/ws"
)

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

// Why a connection is given up, beside the reasons of the network.
const (
	ErrSilent   = Error("the exchange has been silent for too long")
	ErrTooBig   = Error("message is too big")
	ErrTooOften = Error("the exchange says that it is asked too often")

	errIdle     = Error("nothing is wanted of the exchange")
	errReplaced = Error("another connection has taken its place")
)

// retirement is why a connection is to be replaced that works on.
type retirement string

func (r retirement) Error() string { return string(r) }

// Why there are no candles.
const (
	ErrCandles  = Error("malformed candles")
	ErrInterval = Error("the exchange has no candles of this interval")
)

// StatusError is an exchange's refusal: an answer other than 101 to an upgrade, or other
// than 200 to a request.
type StatusError struct {
	Status     int
	RetryAfter time.Duration // 0: it did not say
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the exchange answers %d %s", e.Status, http.StatusText(e.Status))
}

// ClosedError is the exchange's close frame.
type ClosedError struct {
	Code   ws.StatusCode // 1005 where the frame gives none
	Reason string
}

func (e *ClosedError) Error() string {
	return fmt.Sprintf("the exchange closed with %d %q", e.Code, e.Reason)
}

// longestRetryAfter bounds the belief in a Retry-After.
const longestRetryAfter = time.Hour

// parseRetryAfter reads the header of that name (RFC 9110, section 10.2.3):
// seconds or a date. What it cannot read is 0.
func parseRetryAfter(value string, now time.Time) time.Duration {
	seconds, err := strconv.ParseInt(value, 10, 32)
	if err == nil {
		return min(max(time.Duration(seconds)*time.Second, 0), longestRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longestRetryAfter)
}
