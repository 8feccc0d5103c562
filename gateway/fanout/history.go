package fanout

import (
	"sort"
	"time"
)

// What is kept for those who come back, or change what they are subscribed to.
const (
	historyAge   = 10 * time.Second
	historyBytes = 4 << 20

	// resumeMargin is how long a resumption that was promised may take.
	resumeMargin = 5 * time.Second
)

// history is the last ticks as they came.
type history struct {
	ticks []past
	bytes int
	floor uint64 // everything after it is here, once there is something
}

type past struct {
	seq uint64
	at  time.Time
	msg []byte
}

func (h *history) add(now time.Time, seq uint64, msg []byte) {
	if h.floor == 0 {
		h.floor = seq // what came before we do not know
	}
	h.ticks = append(h.ticks, past{seq, now, msg})
	h.bytes += len(msg)
	n := 0
	for n < len(h.ticks)-1 && (now.Sub(h.ticks[n].at) > historyAge || h.bytes > historyBytes) {
		h.bytes -= len(h.ticks[n].msg)
		h.floor = h.ticks[n].seq
		h.ticks[n].msg = nil
		n++
	}
	h.ticks = h.ticks[n:]
}

// holds reports whether everything after seq is here, the newest being last.
func (h *history) holds(seq, last uint64) bool {
	return seq == last || len(h.ticks) > 0 && h.floor <= seq && seq <= last
}

// holdsFor is holds, for as long as resumeMargin from now.
func (h *history) holdsFor(now time.Time, seq, last uint64) bool {
	if len(h.ticks) == 0 || !h.holds(seq, last) {
		return false
	}
	later := h.after(seq)
	return len(later) == 0 || now.Sub(later[0].at) < historyAge-resumeMargin
}

// after is the ticks whose number is greater than seq.
func (h *history) after(seq uint64) []past {
	return h.ticks[sort.Search(len(h.ticks), func(i int) bool { return h.ticks[i].seq > seq }):]
}
