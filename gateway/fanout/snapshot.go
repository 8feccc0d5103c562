package fanout

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"tickerd/gateway/frame"
	"tickerd/ticker"
)

// A snapshot is what all begin with who come to a stream until the next tick or
// status: every price of its view, and behind that what is not live. It is made by
// the first who asks for it.
type snapshot struct {
	status *status
	may    func(ticker.Symbol) bool

	framing  sync.Once
	message  []byte // until it is framed
	seq      uint64
	encoding Encoding
	prices   []byte // framed

	told [2]told // what is not live, and what is live too
}

// told is a snapshot's frames with one choice of statuses behind the prices.
type told struct {
	once   sync.Once
	frames []byte
}

// frames gives the frames; with live also those that tell what is live.
func (n *snapshot) frames(live bool) []byte {
	n.framing.Do(n.frame)
	t := &n.told[0]
	if live {
		t = &n.told[1]
	}
	t.once.Do(func() { t.frames = n.status.appendTo(slices.Clip(n.prices), n.encoding, n.may, live) })
	return t.frames
}

func (n *snapshot) frame() {
	m := whole(n.message)
	if n.encoding == Deflate {
		var b bytes.Buffer
		frame.Deflate(&b, n.message)
		m = smaller(n.message, b.Bytes())
	}
	o := origin{n.seq, true}
	n.prices, n.message = m.appendFrame(make([]byte, 0, m.frameSize(n.encoding, o)), n.encoding, o), nil
}

// snapshot gives the snapshot of s, and where to read on.
func (h *Hub) snapshot(s *Stream) (n *snapshot, at position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n = s.snapshot
	if n == nil {
		n = &snapshot{status: h.status, may: s.may, message: h.prices(s), seq: h.seq, encoding: s.key.encoding}
	}
	if s.snapshot == nil && s.readers > 1 { // else nobody would come for it
		s.snapshot = n
		h.cached = append(h.cached, s)
	}
	return n, s.end(h.seq)
}

// prices is the message with every price that s sees.
func (h *Hub) prices(s *Stream) []byte {
	ts := h.ts
	if ts == 0 {
		ts = time.Now().UnixMicro()
	}
	h.composer.begin(h.seq, ts, true)
	m := h.composer.compose(h.latest, s.seen, s.seen)
	return m.appendTo(make([]byte, 0, m.size))
}

// dropSnapshots lets go of what was true until now.
func (h *Hub) dropSnapshots() {
	for i, s := range h.cached {
		s.snapshot = nil
		h.cached[i] = nil
	}
	h.cached = h.cached[:0]
}
