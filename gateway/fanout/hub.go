package fanout

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tickerd/ticker"
)

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

// Ticks that are dropped.
const (
	ErrOldTerm = Error("tick of an older term")
	ErrOldSeq  = Error("tick whose seq does not grow")
)

// A Hub takes every tick once and keeps the streams. It is safe for concurrent
// use; nothing in it waits for a connection.
type Hub struct {
	start time.Time

	wake chan struct{} // tells Run that a stream became due earlier

	mu      sync.Mutex
	term    uint64
	seq     uint64
	ts      int64
	index   map[string]int // of a symbol in latest
	latest  []latest       // in the order in which the symbols appeared
	history history
	status  status
	streams map[streamKey]*stream
	timed   map[*stream]struct{} // those with an interval

	// Scratch of one call, kept for its memory.
	scanned  ticker.Scanned
	indexes  []int
	composer composer
}

// latest is a symbol's newest element.
type latest struct {
	symbol ticker.Symbol
	json   []byte
}

// NewHub makes a hub that knows no price yet.
func NewHub() *Hub {
	return &Hub{
		start:   time.Now(),
		wake:    make(chan struct{}, 1),
		index:   map[string]int{},
		streams: map[streamKey]*stream{},
		timed:   map[*stream]struct{}{},
	}
}

// Tick takes a tick as it came over the bus, of a publisher's term (0: unknown).
// One that is malformed or outdated is refused as a whole.
func (h *Hub) Tick(msg []byte, term uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if term < h.term {
		return fmt.Errorf("%w: %d after %d", ErrOldTerm, term, h.term)
	}
	if err := ticker.Scan(msg, &h.scanned); err != nil {
		return err
	}
	if h.scanned.Seq <= h.seq {
		return fmt.Errorf("%w: %d after %d", ErrOldSeq, h.scanned.Seq, h.seq)
	}
	h.term, h.seq, h.ts = term, h.scanned.Seq, h.scanned.TS
	h.learn(h.scanned.Data)
	now := time.Now()
	h.history.add(now, h.seq, msg)
	for _, s := range h.streams {
		s.learn(h.latest)
		if s.key.interval > 0 {
			h.mark(s, now)
			continue
		}
		if parts := h.compose(s, msg); parts != nil {
			s.append(now, h.seq, true, parts)
		}
	}
	return nil
}

// learn keeps the newest of each symbol, and notes the elements' indexes.
func (h *Hub) learn(data []ticker.Element) {
	h.indexes = h.indexes[:0]
	for _, e := range data {
		i, known := h.index[string(e.Symbol)]
		if !known {
			i = len(h.latest)
			h.index[string(e.Symbol)] = i
			h.latest = append(h.latest, latest{symbol: ticker.Symbol(e.Symbol)})
		}
		h.latest[i].json = append(h.latest[i].json[:0], e.JSON...)
		h.indexes = append(h.indexes, i)
	}
}

// compose gives the frame that s gets of the scanned tick msg: msg itself where
// it sees all of it, nil where it sees nothing.
func (h *Hub) compose(s *stream, msg []byte) [][]byte {
	c := &h.composer
	c.begin(h.scanned.Seq, h.scanned.TS, false)
	all := true
	for i, e := range h.scanned.Data {
		if s.sees[h.indexes[i]] {
			c.add(e.JSON)
		} else {
			all = false
		}
	}
	switch {
	case c.empty():
		return nil
	case all:
		return c.whole(msg)
	default:
		return c.end()
	}
}

// Run sends the streams with an interval what is due, until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if wait, some := h.sendDue(time.Now()); some {
			timer.Reset(wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-h.wake:
		}
	}
}

// mark notes in a stream with an interval what the scanned tick changed of it.
func (h *Hub) mark(s *stream, now time.Time) {
	clean := len(s.dirty) == 0
	for _, i := range h.indexes {
		if s.sees[i] && !s.isDirty[i] {
			s.isDirty[i] = true
			s.dirty = append(s.dirty, i)
		}
	}
	if !clean || len(s.dirty) == 0 {
		return
	}
	s.due = s.key.next(now.Sub(h.start))
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// sendDue appends the frames that are due, and tells how long it is to the next.
func (h *Hub) sendDue(now time.Time) (wait time.Duration, some bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	elapsed := now.Sub(h.start)
	for s := range h.timed {
		if len(s.dirty) == 0 {
			continue
		}
		if s.due > elapsed {
			if left := s.due - elapsed; !some || left < wait {
				wait, some = left, true
			}
			continue
		}
		c := &h.composer
		c.begin(h.seq, h.ts, false)
		for _, i := range s.dirty {
			c.add(h.latest[i].json)
			s.isDirty[i] = false
		}
		s.dirty = s.dirty[:0]
		s.append(now, h.seq, true, c.end())
	}
	return wait, some
}

// stream gives the stream of a view, to be given back with release.
func (h *Hub) stream(v View) *stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := streamKey{v.Key, v.Interval, phase(v.Interval, time.Since(h.start))}
	s := h.streams[key]
	if s == nil {
		s = &stream{key: key, view: v}
		s.init()
		s.learn(h.latest)
		h.streams[key] = s
		if v.Interval > 0 {
			h.timed[s] = struct{}{}
		}
	}
	s.readers++
	return s
}

// release gives a stream back; the last reader's ends it.
func (h *Hub) release(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.readers--
	if s.readers == 0 {
		delete(h.streams, s.key)
		delete(h.timed, s)
	}
}

// snapshot appends a frame with the newest price of everything that s sees, and
// then what of it is not live; with live also what is so again. It gives the
// snapshot's seq, and the offset at which to read on.
func (h *Hub) snapshot(s *stream, live bool, dst []byte) (frames []byte, seq uint64, off int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ts := h.ts
	if ts == 0 {
		ts = time.Now().UnixMicro()
	}
	c := &h.composer
	c.begin(h.seq, ts, true)
	for i, l := range h.latest {
		if s.sees[i] {
			c.add(l.json)
		}
	}
	dst = join(dst, c.end())
	return h.appendStatus(dst, s.view.May, live), h.seq, s.head.Load()
}

// had is the seq up to which a reader at off of s has had everything it sees. It
// reports false when off is no longer kept.
func (h *Hub) had(s *stream, off int64) (seq uint64, kept bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return s.had(off, h.seq)
}

// owes reports whether a reader at off of s may not have had all status messages.
func (h *Hub) owes(s *stream, off int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return s.owes(off)
}

// past is the offset from off on in s that skips what is not newer than seq.
func (h *Hub) past(s *stream, off int64, seq uint64) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return s.past(off, seq)
}

// follow appends the ticks after seq as a reader of s sees them, in one message
// where it has an interval, and then what is not live; with live also what is so
// again. It gives the seq of the last one, and the offset at which to read on. It
// reports false when they are no longer kept.
func (h *Hub) follow(s *stream, seq uint64, live bool, dst []byte) (frames []byte, upTo uint64, off int64, kept bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.history.holds(seq, h.seq) {
		return dst, 0, 0, false
	}
	changed := map[int]bool{}
	for _, t := range h.history.after(seq) {
		// What was scanned once is scanned again without error.
		if err := ticker.Scan(t.msg, &h.scanned); err != nil {
			return dst, 0, 0, false
		}
		h.indexes = h.indexes[:0]
		for _, e := range h.scanned.Data {
			i := h.index[string(e.Symbol)]
			h.indexes = append(h.indexes, i)
			changed[i] = true
		}
		if s.key.interval == 0 {
			dst = join(dst, h.compose(s, t.msg))
		}
	}
	if s.key.interval > 0 {
		dst = join(dst, h.merge(s, changed))
	}
	return h.appendStatus(dst, s.view.May, live), h.seq, s.head.Load(), true
}

// merge gives one frame with the newest of the changed symbols that s sees, nil
// where it sees none.
func (h *Hub) merge(s *stream, changed map[int]bool) [][]byte {
	c := &h.composer
	c.begin(h.seq, h.ts, false)
	for i, l := range h.latest {
		if changed[i] && s.sees[i] {
			c.add(l.json)
		}
	}
	if c.empty() {
		return nil
	}
	return c.end()
}

// CanResume reports whether a client that has had seq can be given what came
// after it, now and for some seconds more.
func (h *Hub) CanResume(seq uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.history.holdsFor(time.Now(), seq, h.seq)
}

// Knows reports whether there was a price of the symbol.
func (h *Hub) Knows(s ticker.Symbol) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, known := h.index[string(s)]
	return known
}

// ErrUnknownSymbol is AppendPrice's answer for a symbol without a price.
const ErrUnknownSymbol = Error("unknown symbol")

// AppendPrice appends the newest element of one symbol.
func (h *Hub) AppendPrice(dst []byte, s ticker.Symbol) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, known := h.index[string(s)]
	if !known {
		return dst, ErrUnknownSymbol
	}
	return append(dst, h.latest[i].json...), nil
}

// AppendPrices appends {"seq":…,"ts":…,"data":[…]} with all that sees lets through.
func (h *Hub) AppendPrices(dst []byte, sees func(ticker.Symbol) bool) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	dst = fmt.Appendf(dst, `{"seq":%d,"ts":%d,"data":[`, h.seq, h.ts)
	first := true
	for _, l := range h.latest {
		if !sees(l.symbol) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, l.json...)
	}
	return append(dst, ticker.Tail...)
}
