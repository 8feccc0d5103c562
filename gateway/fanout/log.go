package fanout

import (
	"slices"
	"sort"
	"sync/atomic"
	"time"
)

// What a log keeps. A cursor that is further behind starts over from a snapshot:
// on a slow line it shows a fresh price then, not one from the end of a queue.
const (
	maxLag   = time.Second
	maxBytes = 1 << 20

	minSegment = 4 << 10
	maxSegment = 64 << 10
)

// A log is an append-only sequence of frames at absolute offsets. One writer
// appends; any number of readers read without a lock, for nothing is ever
// overwritten: what is no longer kept is left to the garbage collector.
type log struct {
	head    atomic.Int64 // the offset behind the last frame
	floor   atomic.Int64 // the first offset that is kept, a frame's beginning
	window  atomic.Pointer[[]*segment]
	changed atomic.Pointer[chan struct{}] // closed by the next append

	// Owned by the writer.
	marks []mark // of the frames that are kept
}

// A segment holds the bytes from base up to the next segment's base.
type segment struct {
	base int64
	buf  []byte // as long as its capacity; filled as far as the log's head tells
}

// A mark is where a frame begins.
type mark struct {
	off  int64
	seq  uint64 // the tick that it brings its reader up to
	tick bool   // it brings that tick, or else came between that tick and the next
	at   time.Time
}

func (l *log) init() {
	l.window.Store(&[]*segment{})
	l.renew()
}

// renew replaces the channel that readers wait on, and gives the old one.
func (l *log) renew() *chan struct{} {
	fresh := make(chan struct{})
	return l.changed.Swap(&fresh)
}

// read gives what stands at off, up to the end of its segment, and nothing at the
// head. It reports false when that is no longer kept. The bytes never change.
func (l *log) read(off int64) (b []byte, kept bool) {
	head := l.head.Load() // before the window: every byte below head is in it or dropped
	if off < l.floor.Load() {
		return nil, false
	}
	if off >= head {
		return nil, true
	}
	segments := *l.window.Load()
	end := head
	for _, s := range slices.Backward(segments) {
		if s.base <= off {
			return s.buf[off-s.base : end-s.base], true
		}
		end = min(end, s.base)
	}
	return nil, false
}

// append adds one frame, given in parts, and wakes the readers. It carries the
// tick seq, or is another kind of message that comes after that tick.
func (l *log) append(now time.Time, seq uint64, tick bool, parts [][]byte) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	head := l.head.Load()
	l.marks = append(l.marks, mark{head, seq, tick, now})
	to := l.room(head, size)
	for _, p := range parts {
		to = to[copy(to, p):]
	}
	l.head.Store(head + int64(size))
	l.forget(now)
	close(*l.renew())
}

// room gives size bytes at the head, in a new segment where the last is too full.
func (l *log) room(head int64, size int) []byte {
	segments := *l.window.Load()
	if n := len(segments); n > 0 {
		last := segments[n-1]
		if used := int(head - last.base); used+size <= len(last.buf) {
			return last.buf[used:]
		}
	}
	// As large as what is kept now, so that a log is a handful of segments
	// whether it carries one price a minute or two thousand a tick.
	kept := int(head - l.floor.Load())
	s := &segment{base: head, buf: make([]byte, max(size, min(max(kept, minSegment), maxSegment)))}
	longer := append(slices.Clip(segments), s)
	l.window.Store(&longer)
	return s.buf
}

// forget drops what is too old or too much, but never the last frame.
func (l *log) forget(now time.Time) {
	head := l.head.Load()
	n := 0
	for n < len(l.marks)-1 && (now.Sub(l.marks[n].at) > maxLag || head-l.marks[n].off > maxBytes) {
		n++
	}
	if n == 0 {
		return
	}
	l.marks = l.marks[n:]
	floor := l.marks[0].off
	l.floor.Store(floor)
	segments := *l.window.Load()
	gone := 0
	for gone < len(segments)-1 && segments[gone+1].base <= floor {
		gone++
	}
	if gone > 0 {
		shorter := append([]*segment(nil), segments[gone:]...)
		l.window.Store(&shorter)
	}
}

// had is the last tick that a reader at off has had, if the log's owner is at
// seq. It reports false when off is no longer kept.
func (l *log) had(off int64, seq uint64) (had uint64, kept bool) {
	if off < l.floor.Load() {
		return 0, false
	}
	for _, m := range l.marks[l.markAt(off):] {
		if m.tick {
			return m.seq - 1, true
		}
	}
	return seq, true
}

// owes reports whether from off on there is, or was, a frame that is no tick.
func (l *log) owes(off int64) bool {
	if off < l.floor.Load() {
		return true
	}
	for _, m := range l.marks[l.markAt(off):] {
		if !m.tick {
			return true
		}
	}
	return false
}

// past is the offset of the first frame from off on that is not tick seq or an
// older one.
func (l *log) past(off int64, seq uint64) int64 {
	for _, m := range l.marks[l.markAt(off):] {
		if !m.tick || m.seq > seq {
			return m.off
		}
	}
	return l.head.Load()
}

// markAt is the index of the first mark from off on.
func (l *log) markAt(off int64) int {
	return sort.Search(len(l.marks), func(i int) bool { return l.marks[i].off >= off })
}
