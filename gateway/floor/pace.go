package floor

import (
	"context"
	"time"
)

const (
	interval = 10 * time.Millisecond

	// longestBacklog bounds how much is caught up on, as in the price feed.
	longestBacklog = time.Second
)

// A pace is the price feed's schedule: a tick that is late is sent all the same,
// and does not make the next one late.
type pace struct{ due time.Time }

// next waits until the next tick is due, and reports false once ctx has ended. It
// is now, and the tick has been overdue for a while if it was due before anybody
// waited for it.
func (p *pace) next(ctx context.Context) (now time.Time, overdue time.Duration, ok bool) {
	now = time.Now()
	if p.due.IsZero() {
		p.due = now
	}
	if oldest := now.Add(interval - longestBacklog); p.due.Before(oldest) {
		p.due = oldest
	}
	overdue = max(now.Sub(p.due), 0)
	if wait := p.due.Sub(now); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			now = time.Now()
		case <-ctx.Done():
		}
	}
	p.due = p.due.Add(interval)
	return now, overdue, ctx.Err() == nil
}
