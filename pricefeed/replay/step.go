package replay

import (
	"time"

	"tickerd/pricefeed/exchange"
)

const (
	// longestLag is how late a tick may be at speed 1, for being one of its own.
	longestLag = time.Second
	// longestStep is the longest time between two steps that goes by in the replay too.
	longestStep = time.Second
)

// maxLag is longestLag at any speed, and never less than two intervals: so late a tick
// may be where ticks come as often as steps, and neither are in time.
func maxLag(speed float64, interval time.Duration) time.Duration {
	return max(time.Duration(float64(longestLag)/speed), 2*interval)
}

// Step puts into sink what is due at now. It is called each interval, and never waits.
// The link is up from the first tick to the last.
//
// That is one tick at most, so that each is published by itself: one that is due at the
// same step as those before it has its turn at the next. Only where ticks come oftener
// than steps for so long that they would be late by more than a second (of the
// recording), as at any higher speed, several are played at once, and the newest price
// of each symbol counts.
//
// When no step was taken for more than a second, or the clock was set, the replay has
// paused meanwhile.
func (p *Player) Step(now time.Time, sink exchange.Sink) {
	p.pause(now)
	for played := false; p.peek(sink); played = true {
		if p.start.IsZero() {
			p.start = now
			sink.Link(true)
		}
		m := &p.next[0]
		lag := now.Sub(p.start) - p.stretch(m.at)
		if lag < 0 || played && lag <= p.maxLag {
			return
		}
		p.play(m, sink)
		p.next = p.next[1:]
	}
}

// pause leaves the time out that has passed since the last step, if that is long. It
// goes by the clock that has a date: timestamps do.
func (p *Player) pause(now time.Time) {
	passed := now.Round(0).Sub(p.last.Round(0))
	if passed.Abs() > longestStep && !p.start.IsZero() {
		p.start = now.Add(-p.last.Sub(p.start))
	}
	p.last = now
}

// peek reports whether the next moment is there. It tells when there will be none.
func (p *Player) peek(sink exchange.Sink) bool {
	for len(p.next) == 0 && !p.over {
		select {
		case bundle, more := <-p.ahead:
			p.next = bundle
			if !more {
				p.over = true
				sink.Link(false)
			}
		default:
			return false
		}
	}
	return !p.over
}

// play puts the prices of a moment into sink.
func (p *Player) play(m *moment, sink exchange.Sink) {
	for _, price := range m.prices {
		at := p.start.UnixMicro() + int64(float64(m.of(price.Timestamp))/p.cfg.Speed)
		price.Timestamp = max(at/1e6, p.told[price.Symbol])
		p.told[price.Symbol] = price.Timestamp
		sink.Price(price)
	}
}

// stretch is how long it takes to come to a place of the timeline.
func (p *Player) stretch(at int64) time.Duration {
	return time.Duration(float64(at) / p.cfg.Speed * float64(time.Microsecond))
}
