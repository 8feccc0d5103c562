package fanout

import (
	"sync/atomic"
	"time"
)

// What a log keeps. A cursor that is further behind starts over from a snapshot:
// on a slow line it shows a fresh price then, not one from the end of a queue.
const (
	maxLag   = time.Second
	maxBytes = 1 << 20
)

// A segment is as large as what is kept, within these: a log is a handful of
// segments whether it carries one price a minute or two thousand a tick.
const (
	minSegment = 512
	maxSegment = 64 << 10
)

// A log is an append-only sequence of frames at absolute offsets. One writer
// appends; any number of readers read without a lock, for nothing is ever
// overwritten: what is no longer kept is left to the garbage collector.
type log struct {
	head  atomic.Int64            // the offset behind the last frame
	floor atomic.Int64            // the first offset that is kept, a frame's beginning
	last  atomic.Pointer[segment] // nil before the first frame

	// Guarded by the hub's mutex.
	marks queue[mark] // of the frames that are kept
}

// A segment holds the bytes from base up to the next segment's base. No frame
// stands in two.
type segment struct {
	base int64
	buf  []byte                  // as long as its capacity; filled as far as the log's head tells
	prev atomic.Pointer[segment] // nil when that is no longer kept
}

// A mark is where a frame begins. It holds no pointer, so that the garbage
// collector need not look at it.
type mark struct {
	off int64
	at  time.Duration // when it was appended, after the hub's start
	origin
}

// repeats reports whether the frame brings nothing to who has had seq.
func (m *mark) repeats(seq uint64) bool { return m.tick && m.seq <= seq }

// read gives what stands at off, up to the end of its segment, and nothing at the
// head. It reports false when that is no longer kept. The bytes never change.
func (l *log) read(off int64) (b []byte, kept bool) {
	end := l.head.Load() // before the segments: every byte below it is in one, or dropped
	if off < l.floor.Load() {
		return nil, false
	}
	if off >= end {
		return nil, true
	}
	for s := l.last.Load(); s != nil; s = s.prev.Load() {
		if s.base <= off {
			return s.buf[off-s.base : end-s.base], true
		}
		end = min(end, s.base)
	}
	return nil, false
}

// room gives size bytes at the head, to be filled before commit.
func (l *log) room(size int) []byte {
	head := l.head.Load()
	fit := min(max(int(head-l.floor.Load()), minSegment), maxSegment)
	last := l.last.Load()
	if last != nil {
		// One that is left from busier times is not held until it is full.
		used := int(head - last.base)
		if used+size <= len(last.buf) && len(last.buf) <= 8*max(fit, size) {
			return last.buf[used : used+size]
		}
	}
	s := &segment{base: head, buf: make([]byte, max(size, fit))}
	s.prev.Store(last)
	l.last.Store(s)
	return s.buf[:size]
}

// commit adds the frame that now stands in the size bytes of room.
func (l *log) commit(at time.Duration, o origin, size int) {
	head := l.head.Load()
	l.marks.push(mark{head, at, o})
	l.head.Store(head + int64(size))
	l.forget(at)
}

// forget drops what is too old or too much, but never the last frame.
func (l *log) forget(now time.Duration) {
	head := l.head.Load()
	n := 0
	for n < l.marks.len()-1 {
		if m := l.marks.at(n); now-m.at <= maxLag && head-m.off <= maxBytes {
			break
		}
		n++
	}
	if n == 0 {
		return
	}
	l.marks.drop(n)
	floor := l.marks.at(0).off
	l.floor.Store(floor)
	s := l.last.Load()
	for s != nil && s.base > floor {
		s = s.prev.Load()
	}
	if s != nil {
		s.prev.Store(nil)
	}
}

// had is the last tick that a reader at off has had, if the log's owner has
// appended all up to seq. It reports false when off is no longer kept.
func (l *log) had(off int64, seq uint64) (had uint64, kept bool) {
	if off < l.floor.Load() {
		return 0, false
	}
	for i := l.markAt(off); i < l.marks.len(); i++ {
		if m := l.marks.at(i); m.tick {
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
	for i := l.markAt(off); i < l.marks.len(); i++ {
		if !l.marks.at(i).tick {
			return true
		}
	}
	return false
}

// after is the offset from off on where a reader goes on that has had seq by other
// means, and the one up to which there is no frame that repeats what it has had.
// All says that none will come any more.
func (l *log) after(off int64, seq uint64) (from, to int64, all bool) {
	to = l.head.Load()
	if off < l.floor.Load() {
		return off, to, false
	}
	i := l.markAt(off)
	for i < l.marks.len() && l.marks.at(i).repeats(seq) {
		i++
	}
	if i == l.marks.len() {
		return to, to, false
	}
	from = l.marks.at(i).off
	for ; i < l.marks.len(); i++ {
		switch m := l.marks.at(i); {
		case m.repeats(seq):
			return from, m.off, false
		case m.tick:
			return from, to, true
		}
	}
	return from, to, false
}

// late reports whether the first frame from off on was appended before then, or is
// no longer kept.
func (l *log) late(off int64, then time.Duration) bool {
	if off < l.floor.Load() {
		return true
	}
	i := l.markAt(off)
	return i < l.marks.len() && l.marks.at(i).at < then
}

// markAt is the index of the first mark from off on.
func (l *log) markAt(off int64) int {
	return l.marks.search(func(m *mark) bool { return m.off >= off })
}
