package fanout

import "time"

// What follows is asked by cursors, each of which reads a stream.

// stream gives the stream of a view, to be given back with release. What a new one
// sees is asked while nobody waits for it.
func (h *Hub) stream(v View) *Stream {
	key := v.keyAt(h.elapsed())
	s, known := h.join(key, nil)
	if s == nil {
		s, _ = h.join(key, newStream(v, key, known))
	}
	return s
}

// join gives the stream of a key, for which fresh is taken if there is none.
func (h *Hub) join(key streamKey, fresh *Stream) (s *Stream, known *symbols) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s = h.streams[key]
	if s == nil && fresh != nil {
		s = fresh
		s.learn(h.symbols)
		h.interests.add(s, 0)
		h.streams[key] = s
	}
	if s != nil {
		s.readers++
	}
	return s, h.symbols
}

// release gives a stream back; the last reader's ends it.
func (h *Hub) release(s *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.readers--
	if s.readers == 0 {
		delete(h.streams, s.key)
		h.interests.remove(s)
		h.agenda.remove(s)
	}
}

// had is the seq up to which a reader at off of s has had everything it sees. It
// reports false when off is no longer kept.
func (h *Hub) had(s *Stream, off int64) (seq uint64, kept bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return s.had(off, h.seq)
}

// owes reports whether a reader at off of s may not have had all status messages.
func (h *Hub) owes(s *Stream, off int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return s.owes(off)
}

// after is the log's.
func (h *Hub) after(s *Stream, off int64, seq uint64) (from, to int64, all bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return s.after(off, seq)
}

// late reports whether what a reader at off of s has not had is older than most.
func (h *Hub) late(s *Stream, off int64, now time.Time, most time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return s.late(off, now.Sub(h.start)-most)
}
