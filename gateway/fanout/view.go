package fanout

import (
	"time"

	"tickerd/ticker"
)

// A View is what a connection sees. Connections with an equal Key, Interval and
// Encoding share a stream.
//
// Sees is asked once for each symbol, by the stream's first connection alone, and
// later for symbols that appear. May is asked again and again, and by several
// goroutines at once.
type View struct {
	Key      string                   // equal for views whose Sees and May are equal
	Sees     func(ticker.Symbol) bool // which symbols
	May      func(ticker.Symbol) bool // of which symbols it may be told that they are not live; nil: all
	Interval time.Duration            // at most one update in this time; 0: every tick
	Encoding Encoding                 // of ticks, snapshots and statuses
}

const (
	// slotWidth is the distance of phases, maxPhases their number at most.
	slotWidth = 10 * time.Millisecond
	maxPhases = 32
)

// streamKey is what a stream is shared by.
type streamKey struct {
	view     string
	interval time.Duration
	phase    int
	encoding Encoding
}

// keyAt is the key of the stream of a view for who comes at elapsed.
func (v View) keyAt(elapsed time.Duration) streamKey {
	return streamKey{v.Key, v.Interval, phase(v.Interval, elapsed), v.Encoding}
}

// phase spreads the streams of one interval over it: a connection that comes at
// elapsed (since the hub's start) gets its updates at the same place of each
// interval, the first one nearly a whole interval from now.
func phase(interval, elapsed time.Duration) int {
	if interval == 0 {
		return 0
	}
	return int(elapsed % interval / slot(interval))
}

func slot(interval time.Duration) time.Duration {
	phases := min(max(interval/slotWidth, 1), maxPhases)
	return (interval + phases - 1) / phases
}

// next is the first end of the key's interval after elapsed.
func (k streamKey) next(elapsed time.Duration) time.Duration {
	at := elapsed - elapsed%k.interval + time.Duration(k.phase)*slot(k.interval)
	if at <= elapsed {
		at += k.interval
	}
	return at
}
