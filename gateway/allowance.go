package gateway

import "time"

// floodWindow and floodFactor say who floods: more than floodFactor bursts
// beyond the rate within the window.
const (
	floodWindow = 10 * time.Second
	floodFactor = 10
)

// An allowance is what one connection may send. It is two buckets of a few words, one
// of messages and one of all frames, owned by the connection's reader.
type allowance struct {
	messages bucket
	frames   bucket

	surplus int       // frames beyond the rate since window began
	window  time.Time // when that was
}

// message counts a message and reports whether it is within the rate.
func (a *allowance) message(now time.Time, cfg Config) bool { return a.messages.take(now, cfg) }

// frame counts a message or control frame and reports whether its sender floods.
func (a *allowance) frame(now time.Time, cfg Config) (flood bool) {
	if a.frames.take(now, cfg) {
		return false
	}
	if now.Sub(a.window) > floodWindow {
		a.window, a.surplus = now, 0
	}
	a.surplus++
	return a.surplus > floodFactor*cfg.MessageBurst
}

// A bucket is a rate limiter that is one instant: when it will be full again
// (the generic cell rate algorithm).
type bucket struct{ full time.Time }

func (b *bucket) take(now time.Time, cfg Config) bool {
	step := time.Second / time.Duration(cfg.MessageRate)
	full := b.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(step)
	if full.Sub(now) > step*time.Duration(cfg.MessageBurst) {
		return false
	}
	b.full = full
	return true
}
