package fanout

import (
	"time"

	"tickerd/ticker"
)

// A Stream is the frames that the connections with one view share. Of its size, with
// one connection and nothing sent, see BenchmarkIdleStream.
type Stream struct {
	log
	key  streamKey
	sees func(ticker.Symbol) bool
	may  func(ticker.Symbol) bool

	// Guarded by the hub's mutex.
	readers  int
	known    int       // how many symbols were asked for
	count    int       // how many of them it sees,
	seen     set       // and which; replaced when it changes
	slots    []int32   // in the lists of interests, one for each symbol in seen
	broad    bool      // stands there with none of them
	touched  uint64    // the last tick of which it sees something
	pending  uint64    // the tick that is being compressed for it; 0: none
	snapshot *snapshot // for the next who comes; nil: none yet
	timing   timing    // of a stream with an interval
}

// newStream makes the stream of a view. It asks what that sees of the symbols.
func newStream(v View, key streamKey, known *symbols) *Stream {
	s := &Stream{key: key, sees: v.Sees, may: v.May}
	s.learn(known)
	return s
}

// learn asks for the symbols that have appeared since, and gives the index from
// which on they stand.
func (s *Stream) learn(known *symbols) (from int) {
	from = s.known
	if from == len(known.names) {
		return from
	}
	seen := s.seen.grown(len(known.names))
	for i, name := range known.names[from:] {
		if s.sees(name) {
			seen.add(from + i)
			s.count++
		}
	}
	s.seen, s.known = seen, len(known.names)
	return from
}

// Head is the offset behind the last frame. It may be asked at any time.
func (s *Stream) Head() int64 { return s.head.Load() }

// had is the last tick that a reader at off has had; seq is the newest.
func (s *Stream) had(off int64, seq uint64) (had uint64, kept bool) {
	if s.pending > 0 {
		seq = s.pending - 1
	}
	return s.log.had(off, seq)
}

// A position is where a reader of a stream goes on.
type position struct {
	off int64

	// upTo is the seq that the reader was brought up to apart from the stream, as long
	// as that may yet bring what the reader has had; 0: it will not.
	upTo uint64
}

// end is the position of a reader that has had all up to seq, the newest.
func (s *Stream) end(seq uint64) position {
	if s.pending == 0 && s.timing.dirty.isEmpty() {
		seq = 0
	}
	return position{s.head.Load(), seq}
}

// write appends a frame with one message.
func (s *Stream) write(at time.Duration, o origin, m message) {
	size := m.frameSize(s.key.encoding, o)
	m.appendFrame(s.room(size)[:0], s.key.encoding, o)
	s.commit(at, o, size)
}
