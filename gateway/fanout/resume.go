package fanout

import (
	"bytes"

	"tickerd/gateway/frame"
	"tickerd/ticker"
)

// A resumption is what a reader of a stream is given who has had some tick. What it
// is made of never changes, so that nobody waits while it is made.
type resumption struct {
	ticks    [][]byte // the messages that came since, of which the last is
	seq      uint64   // has this number
	ts       int64
	symbols  *symbols
	seen     set
	all      bool // seen is everything
	interval bool
	encoding Encoding
	status   *status
	may      func(ticker.Symbol) bool

	// Scratch of one tick.
	scanned  ticker.Scanned
	head     []byte
	elements [][]byte
}

// resumption gives what a reader of s missed that has had seq, and where to read
// on. It reports false when that is no longer kept.
func (h *Hub) resumption(s *Stream, seq uint64) (r resumption, at position, kept bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.history.holds(seq, h.seq) {
		return r, at, false
	}
	return resumption{
		ticks: h.history.after(seq), seq: h.seq, ts: h.ts,
		symbols: h.symbols, seen: s.seen, all: s.count == s.known,
		interval: s.key.interval > 0, encoding: s.key.encoding,
		status: h.status, may: s.may,
	}, s.end(h.seq), true
}

// frames gives the ticks as the stream has them, in one message where it has an
// interval, and then what is not live; with live also what is.
func (r *resumption) frames(live bool) (frames []byte) {
	if r.interval {
		frames = r.merged()
	} else {
		frames = make([]byte, 0, r.size())
		for _, msg := range r.ticks {
			frames = r.appendTick(frames, msg)
		}
	}
	return r.status.appendTo(frames, r.encoding, r.may, live)
}

// size is enough for all ticks.
func (r *resumption) size() (size int) {
	for _, msg := range r.ticks {
		size += r.encoding.around() + len(msg)
	}
	return size
}

// appendTick appends what is seen of one tick.
func (r *resumption) appendTick(dst, msg []byte) []byte {
	t := rescan(msg, &r.scanned)
	r.elements = r.elements[:0]
	for _, e := range t.Data {
		if r.all || r.sees(e) {
			r.elements = append(r.elements, e.JSON)
		}
	}
	switch len(r.elements) {
	case 0:
		return dst
	case len(t.Data):
		return r.append(dst, t.Seq, whole(msg))
	}
	r.head = ticker.AppendHead(r.head[:0], t.Seq, t.TS, false)
	return r.append(dst, t.Seq, composed(r.head, r.elements))
}

// merged is one frame with the newest of all that is seen of the ticks.
func (r *resumption) merged() []byte {
	changed := newSet(len(r.symbols.names))
	latest := make([][]byte, len(r.symbols.names))
	for _, msg := range r.ticks {
		for _, e := range rescan(msg, &r.scanned).Data {
			i := r.symbols.index[string(e.Symbol)]
			changed.add(i)
			latest[i] = e.JSON
		}
	}
	if changed.shared(r.seen) == 0 {
		return nil
	}
	var c composer
	c.begin(r.seq, r.ts, false)
	return r.append(nil, r.seq, c.compose(latest, changed, r.seen))
}

func (r *resumption) sees(e ticker.Element) bool {
	i, known := r.symbols.index[string(e.Symbol)]
	return known && r.seen.has(i)
}

// append appends the message of tick seq, framed as the stream has it.
func (r *resumption) append(dst []byte, seq uint64, m message) []byte {
	if r.encoding == Deflate {
		plain := m.appendTo(make([]byte, 0, m.size))
		var b bytes.Buffer
		frame.Deflate(&b, plain)
		m = smaller(plain, b.Bytes())
	}
	return m.appendFrame(dst, r.encoding, origin{seq, true})
}

// CanResume reports whether a client that has had seq can be given what came
// after it, now and for some seconds more.
func (h *Hub) CanResume(seq uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.history.holdsFor(h.elapsed(), seq, h.seq)
}
