package gateway

import "time"

// floodWindow and floodFactor say who floods: more than floodFactor bursts
// beyond the rate within the window.
const (
	floodWindow = 10 * time.Second
	floodFactor = 10
)

// An allowance is what one connection may send. It is two buckets of a few words, one
// of messages and one of all frames. Its times are a connection's.
type allowance struct {
	messages bucket
	frames   bucket

	surplus int           // frames beyond the rate since window began
	window  time.Duration // when that was
}

// message counts a message and reports whether it is within the rate.
func (a *allowance) message(now time.Duration, cfg Config) bool { return a.messages.take(now, cfg) }

// frame counts a message or control frame and reports whether its sender floods.
func (a *allowance) frame(now time.Duration, cfg Config) (flood bool) {
	if a.frames.take(now, cfg) {
		return false
	}
	if now-a.window > floodWindow {
		a.window, a.surplus = now, 0
	}
	a.surplus++
	return a.surplus > floodFactor*cfg.MessageBurst
}

// A bucket is a rate limiter that is one instant: when it will be full again
// (the generic cell rate algorithm).
type bucket struct{ full time.Duration }

func (b *bucket) take(now time.Duration, cfg Config) bool {
	step := time.Second / time.Duration(cfg.MessageRate)
	full := max(b.full, now) + step
	if full-now > step*time.Duration(cfg.MessageBurst) {
		return false
	}
	b.full = full
	return true
}
