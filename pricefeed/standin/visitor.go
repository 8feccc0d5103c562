package standin

import (
	"net"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// An allowance is how often something may be done.
type allowance struct {
	n     int           // at once
	in    time.Duration // and as many again
	pause time.Duration // that who does it more often is refused; 0: none
}

func (a allowance) limiter() *rate.Limiter {
	return rate.NewLimiter(rate.Every(a.in/time.Duration(a.n)), a.n)
}

// terms are what an exchange demands.
type terms struct {
	connects      allowance // of an address
	messages      allowance // of an address, or a connection
	perConnection bool
	surplus       string    // is the answer to a message too many; empty: the connection is closed
	requests      allowance // of an address
}

// A visitor is who comes from one address.
type visitor struct {
	connects, messages, requests *rate.Limiter
	banned                       time.Time // until then
}

func (t terms) visitor() *visitor {
	return &visitor{connects: t.connects.limiter(), messages: t.messages.limiter(), requests: t.requests.limiter()}
}

// connect reports whether the visitor may connect.
func (v *visitor) connect(t terms, now time.Time) bool {
	if now.Before(v.banned) {
		return false
	}
	if v.connects.AllowN(now, 1) {
		return true
	}
	v.banned = now.Add(t.connects.pause)
	return false
}

// address is whom a request is counted for.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
