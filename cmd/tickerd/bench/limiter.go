package bench

import "time"

// A limiter says when the next handshake may begin, at a steady rate. What was not
// used is not made up for, beyond a tenth of a second's worth.
type limiter struct {
	gap  time.Duration // 0: no limit
	next time.Time
}

// catchUp is how far behind its rate a limiter may be and make up for it.
const catchUp = 100 * time.Millisecond

func newLimiter(perSecond float64) *limiter {
	if perSecond <= 0 {
		return &limiter{}
	}
	return &limiter{gap: time.Duration(float64(time.Second) / perSecond)}
}

// allow reports whether one may begin now, and then counts it.
func (l *limiter) allow(now time.Time) bool {
	if l.gap == 0 {
		return true
	}
	if now.Before(l.next) {
		return false
	}
	if late := now.Add(-catchUp); l.next.Before(late) {
		l.next = now
	}
	l.next = l.next.Add(l.gap)
	return true
}
