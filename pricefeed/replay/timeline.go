package replay

import (
	"time"

	"tickerd/ticker"
)

const (
	// longestPause is what a longer one in a recording is taken for.
	longestPause = time.Minute
	// seam is the pause between the end of a recording and its beginning.
	seam = 100 * time.Millisecond
)

// A timeline is the time of a replay at speed 1, in microseconds since its first tick,
// through all its rounds.
type timeline struct {
	at int64 // of the last tick
	ts int64 // when that was recorded; 0: the next one begins a round
}

// move goes on to a tick that was recorded at ts.
func (l *timeline) move(ts int64) {
	if l.ts != 0 {
		l.at += min(max(ts-l.ts, 0), longestPause.Microseconds())
	}
	l.ts = ts
}

// rewind goes on to the next round.
func (l *timeline) rewind() {
	l.at += seam.Microseconds()
	l.ts = 0
}

// A moment is a tick at its place on the timeline.
type moment struct {
	at     int64
	ts     int64 // when it was recorded
	prices []ticker.Price
}

// of is the place of a price with that timestamp, which may be before all ticks.
func (m *moment) of(timestamp int64) int64 { return m.at - (m.ts - timestamp*1e6) }
