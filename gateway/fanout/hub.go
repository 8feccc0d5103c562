package fanout

import (
	"fmt"
	"sync"
	"time"

	"tickerd/gateway/bell"
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
	start   time.Time
	changed func()
	wake    bell.Bell // tells Run that a stream became due earlier

	// turn is whose turn it is to append: a tick's, a status's, or that of what is
	// due. It is taken before mu, and kept while messages are scanned and compressed,
	// for which mu is not: only who appends has to wait then.
	turn    sync.Mutex
	batch   batch
	scanned ticker.Scanned
	touched []*Stream

	mu        sync.Mutex
	term      uint64
	seq       uint64
	ts        int64
	came      time.Duration // when the last tick did, after the hub's start
	adopted   uint64        // the tick of the last snapshot that was adopted
	aside     aside
	symbols   *symbols
	latest    [][]byte // each symbol's newest element; empty: it is gone
	expected  map[ticker.Symbol]struct{}
	news      set // the symbols that the last tick changed
	history   history
	status    *status
	streams   map[streamKey]*Stream
	interests interests
	agenda    agenda
	cached    []*Stream // those that have a snapshot
	composer  composer
}

// NewHub makes a hub that knows no price yet. Changed is called after something was
// appended to a stream, or to many: once for each tick, status, or time at which
// something was due, and by whoever appended. No lock is held then. It must not
// block; nil: nobody is told.
func NewHub(changed func()) *Hub {
	if changed == nil {
		changed = func() {}
	}
	return &Hub{
		start:     time.Now(),
		changed:   changed,
		wake:      bell.New(),
		symbols:   &symbols{index: map[string]int{}},
		streams:   map[streamKey]*Stream{},
		interests: interests{broad: map[*Stream]struct{}{}},
		expected:  map[ticker.Symbol]struct{}{},
	}
}

// Tick takes a tick as it came over the bus, of a publisher's term (0: unknown).
// One that is malformed or outdated is refused as a whole; one that does not follow
// the last is kept aside, with ErrMissed. The message then belongs to the hub.
func (h *Hub) Tick(msg []byte, term uint64) error {
	return h.append(func() error {
		if err := ticker.Scan(msg, &h.scanned); err != nil {
			return err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.take(msg, term)
	})
}

// append takes a turn, in which do fills the batch, and tells of it.
func (h *Hub) append(do func() error) error {
	h.turn.Lock()
	h.batch.begin(h.elapsed())
	err := do()
	if len(h.batch.waiting) > 0 {
		h.batch.compress()
		h.mu.Lock()
		h.batch.release()
		h.mu.Unlock()
	}
	appended := h.batch.appended
	h.turn.Unlock()
	if appended {
		h.changed()
	}
	return err
}

func (h *Hub) elapsed() time.Duration { return time.Since(h.start) }

// take takes the scanned tick, if it is a new one.
func (h *Hub) take(msg []byte, term uint64) error {
	t := &h.scanned
	switch newest := h.newest(); {
	case term < h.term:
		return fmt.Errorf("%w: %d after %d", ErrOldTerm, term, h.term)
	case h.adopted > 0 && t.Seq <= h.adopted && t.Seq <= newest:
		return nil // the snapshot has overtaken it
	case t.Seq <= newest:
		return fmt.Errorf("%w: %d after %d", ErrOldSeq, t.Seq, newest)
	}
	h.term, h.came = term, h.batch.at
	if t.Seq != h.seq+1 {
		return h.keepAside(msg)
	}
	h.spread(msg)
	return nil
}

// spread brings the scanned tick to the streams that see some of it.
func (h *Hub) spread(msg []byte) {
	t := &h.scanned
	h.seq, h.ts = t.Seq, t.TS
	h.dropSnapshots()
	count := h.learn(t.Data)
	h.history.add(h.batch.at, h.seq, msg)

	h.composer.begin(h.seq, h.ts, false)
	h.touched = h.interests.of(h.news, h.seq, h.touched[:0])
	for _, s := range h.touched {
		switch {
		case s.key.interval > 0:
			h.mark(s, h.news)
		case s.seen.shared(h.news) == count:
			h.batch.tick(s, h.seq, whole(msg))
		default:
			h.batch.tick(s, h.seq, h.composer.compose(h.latest, s.seen, h.news))
		}
	}
	clear(h.touched)
}

// Newest is the newest tick that every reader can have: its term, its seq, and how old
// it was when it came.
func (h *Hub) Newest() (term, seq uint64, lag time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ts > 0 && h.came > 0 {
		now := time.Now()
		lag = now.Sub(time.UnixMicro(h.ts)) - (now.Sub(h.start) - h.came)
	}
	return h.term, h.seq, max(lag, 0)
}

// learn keeps the newest of each symbol, and tells how many have changed.
func (h *Hub) learn(data []ticker.Element) (count int) {
	clear(h.news)
	next := 0 // publishers keep to an order
	for _, e := range data {
		i, known := h.symbols.find(e.Symbol, next)
		if !known {
			h.meet(data)
			i, _ = h.symbols.find(e.Symbol, next)
		}
		next = i + 1
		h.latest[i] = append(h.latest[i][:0], e.JSON...)
		if !h.news.has(i) {
			h.news.add(i)
			count++
		}
	}
	return count
}

// meet makes known what is new in a tick.
func (h *Hub) meet(data []ticker.Element) {
	h.symbols = h.symbols.with(data)
	n := len(h.symbols.names)
	h.latest = append(h.latest, make([][]byte, n-len(h.latest))...)
	h.news = h.news.grown(n)
	h.interests.grow(n)
	for _, s := range h.streams {
		h.interests.add(s, s.learn(h.symbols))
	}
}
