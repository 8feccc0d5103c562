package fanout

import (
	"bytes"
	"fmt"

	"tickerd/ticker"
)

// ErrMissed tells that ticks are missing between the last that was taken and one that
// the hub has heard of. What came behind them is kept aside, and every reader sees what
// was true before them, until Adopt fills the gap or GoOn gives it up.
const ErrMissed = Error("ticks were missed")

// maxAside is how many bytes of ticks are kept aside. With more, the gap is given up.
const maxAside = historyBytes

// aside is the ticks that have come behind a gap, in order.
type aside struct {
	ticks queue[past]
	bytes int
}

func (a *aside) add(p past) {
	a.ticks.push(p)
	a.bytes += len(p.msg)
}

func (a *aside) drop() {
	a.bytes -= len(a.ticks.at(0).msg)
	a.ticks.drop(1)
}

// newest is the newest tick that the hub has, if only aside.
func (h *Hub) newest() uint64 {
	if n := h.aside.ticks.len(); n > 0 {
		return h.aside.ticks.at(n - 1).seq
	}
	return h.seq
}

// keepAside keeps the tick that was scanned, which came behind a gap.
func (h *Hub) keepAside(msg []byte) error {
	h.aside.add(past{h.scanned.Seq, h.batch.at, msg})
	if h.aside.bytes <= maxAside {
		return ErrMissed
	}
	h.giveUp()
	return nil
}

// Alive takes in that the publisher of a term lives, and which tick was its last. From
// then on ticks of older terms are refused, and so is it itself: ErrOldTerm. It is
// ErrMissed when that tick has not come.
func (h *Hub) Alive(term, seq uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if term < h.term {
		return fmt.Errorf("%w: %d after %d", ErrOldTerm, term, h.term)
	}
	h.term = term
	if seq > h.newest() {
		return ErrMissed
	}
	return nil
}

// Adopt takes the publisher's snapshot, as it came over the bus, of its term (0:
// unknown). Where that tells something that the hub has missed, all streams go on with a
// snapshot, and nobody can resume from before it; else nothing happens. ErrOldTerm and
// ErrOldSeq say that it is outdated, ErrMissed that there is still a gap behind it.
func (h *Hub) Adopt(msg []byte, term uint64) error {
	return h.append(func() error {
		if err := ticker.Scan(msg, &h.scanned); err != nil {
			return err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.adopt(term)
	})
}

// adopt takes the snapshot that was scanned.
func (h *Hub) adopt(term uint64) error {
	t := &h.scanned
	switch {
	case term > 0 && term < h.term:
		return fmt.Errorf("%w: %d after %d", ErrOldTerm, term, h.term)
	case t.Seq < h.seq:
		return fmt.Errorf("%w: %d after %d", ErrOldSeq, t.Seq, h.seq)
	}
	h.term = max(h.term, term)
	if t.Seq > h.seq || h.isNews(t.Data) {
		h.seq, h.ts, h.adopted = t.Seq, t.TS, t.Seq
		h.learn(t.Data)
		h.catchUp(false)
		h.startOver()
	}
	if h.aside.ticks.len() > 0 {
		return ErrMissed
	}
	return nil
}

// isNews reports whether one of the elements is not the newest of its symbol here.
func (h *Hub) isNews(data []ticker.Element) bool {
	for n, e := range data {
		if i, known := h.symbols.find(e.Symbol, n); !known || !bytes.Equal(h.latest[i], e.JSON) {
			return true
		}
	}
	return false
}

// GoOn gives up what was missed: all streams go on with a snapshot of what is known.
func (h *Hub) GoOn() {
	_ = h.append(func() error { // which appends without error
		h.mu.Lock()
		defer h.mu.Unlock()
		h.giveUp()
		return nil
	})
}

func (h *Hub) giveUp() {
	if h.aside.ticks.len() > 0 {
		h.catchUp(true)
		h.startOver()
	}
}

// catchUp learns from the ticks that were kept aside: up to the next gap, or over all.
func (h *Hub) catchUp(over bool) {
	for h.aside.ticks.len() > 0 {
		p := *h.aside.ticks.at(0)
		if p.seq > h.seq && p.seq-h.seq > 1 && !over {
			return
		}
		if p.seq > h.seq {
			t := rescan(p.msg, &h.scanned)
			h.seq, h.ts = t.Seq, t.TS
			h.learn(t.Data)
		}
		h.aside.drop()
	}
}

// startOver has every stream go on with a snapshot: at once, or when its interval ends.
func (h *Hub) startOver() {
	h.dropSnapshots()
	h.history = history{floor: h.seq}
	h.composer.begin(h.seq, h.ts, true)
	for _, s := range h.streams {
		switch {
		case s.count == 0:
		case s.key.interval > 0:
			s.timing.anew = true
			h.mark(s, s.seen)
		default:
			h.batch.tick(s, h.seq, h.composer.compose(h.latest, s.seen, s.seen))
		}
	}
}

// rescan takes a message apart that was scanned before.
func rescan(msg []byte, into *ticker.Scanned) *ticker.Scanned {
	if err := ticker.Scan(msg, into); err != nil {
		panic(err) // it was good then
	}
	return into
}
