package exchange

import (
	"sync"
	"time"
)

// A ban is an exchange's word to come later, which holds for all that share it.
type ban struct {
	mu     sync.Mutex
	until  time.Time
	status int // with which it was said
}

// impose notes that the exchange has refused us with a status, for so long from now on. A
// ban that ends before another does is nothing.
func (b *ban) impose(status int, d time.Duration, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := now.Add(d); until.After(b.until) {
		b.until, b.status = until, status
	}
}

// refusal is the one that still holds at now, with what is left of its time; nil: none.
func (b *ban) refusal(now time.Time) *StatusError {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !now.Before(b.until) {
		return nil
	}
	return &StatusError{Status: b.status, RetryAfter: b.until.Sub(now)}
}
