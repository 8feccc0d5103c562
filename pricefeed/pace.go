package pricefeed

import "time"

// longestBacklog bounds how much is caught up on: after a longer pause the rest
// is given up.
const longestBacklog = time.Second

// pace is an absolute schedule: a tick that is late does not make the next one
// late. When several are due they follow one another at once.
type pace struct {
	C <-chan time.Time // it is time for the next tick; then advance must be called

	interval time.Duration
	due      time.Time
	timer    *time.Timer
}

// newPace's first tick is due at once.
func newPace(interval time.Duration) *pace {
	timer := time.NewTimer(0)
	return &pace{C: timer.C, interval: interval, due: time.Now(), timer: timer}
}

// advance makes the next tick due, and reports whether the one that begins now
// was late by more than an interval.
func (p *pace) advance(now time.Time) (late bool) {
	late = now.Sub(p.due) > p.interval
	p.due = p.due.Add(p.interval)
	if oldest := now.Add(p.interval - longestBacklog); p.due.Before(oldest) {
		p.due = oldest
	}
	p.timer.Reset(p.due.Sub(now))
	return late
}

func (p *pace) stop() { p.timer.Stop() }
