package bench

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A tally is what one shard has counted. Tallies are added up.
type tally struct {
	counts
	failures map[Failure]int
	closes   map[int]int // connections that the server has ended, by code

	latest int64 // when the newest handshake succeeded, in unix microseconds

	// In microseconds. The last two are of the window.
	handshake *hdrhistogram.Histogram
	delay     *hdrhistogram.Histogram
	join      *hdrhistogram.Histogram
}

// counts are the numbers of a tally.
type counts struct {
	// Of the whole run.
	attempts  int // handshakes begun
	pending   int // of these, those under way
	opened    int // of these, those that succeeded
	deflated  int // of these, those with compression
	slow      int // of the opened ones, those that are not read
	slowEnded int // of these, those that the server has ended
	open      int // connections that are open now, without the slow ones
	ungreeted int // of these, those that wait for their first snapshot or tick

	// Of the window.
	bytes      uint64
	frames     uint64
	messages   uint64
	ticks      uint64
	skips      uint64
	disordered uint64
	joins      uint64
}

// longest is the longest time that is told from longer ones.
const longest = time.Minute

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longest.Microseconds(), 3)
}

func newTally() *tally {
	return &tally{
		failures:  map[Failure]int{},
		closes:    map[int]int{},
		handshake: newHistogram(),
		delay:     newHistogram(),
		join:      newHistogram(),
	}
}

// record enters a time in microseconds. One that is negative, as that between two
// clocks may be, counts as none at all.
func record(h *hdrhistogram.Histogram, us int64) {
	// It fails only beyond the limits, which are kept.
	_ = h.RecordValue(min(max(us, 0), longest.Microseconds()))
}

// restart forgets what was counted before the window.
func (t *tally) restart() {
	t.bytes, t.frames, t.messages, t.ticks, t.skips, t.disordered, t.joins = 0, 0, 0, 0, 0, 0, 0
	t.delay.Reset()
	t.join.Reset()
}

// add adds another tally.
func (t *tally) add(o *tally) {
	t.counts.add(o.counts)
	for f, n := range o.failures {
		t.failures[f] += n
	}
	for code, n := range o.closes {
		t.closes[code] += n
	}
	t.latest = max(t.latest, o.latest)
	t.handshake.Merge(o.handshake)
	t.delay.Merge(o.delay)
	t.join.Merge(o.join)
}

func (c *counts) add(o counts) {
	c.attempts += o.attempts
	c.pending += o.pending
	c.opened += o.opened
	c.deflated += o.deflated
	c.slow += o.slow
	c.slowEnded += o.slowEnded
	c.open += o.open
	c.ungreeted += o.ungreeted
	c.bytes += o.bytes
	c.frames += o.frames
	c.messages += o.messages
	c.ticks += o.ticks
	c.skips += o.skips
	c.disordered += o.disordered
	c.joins += o.joins
}

// failed is how many handshakes have failed.
func (c counts) failed() int { return c.attempts - c.pending - c.opened }
