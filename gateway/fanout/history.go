package fanout

import "time"

// What is kept for those who come back, or change what they are subscribed to.
const (
	historyAge   = 10 * time.Second
	historyBytes = 4 << 20

	// resumeMargin is how long a resumption that was promised may take.
	resumeMargin = 5 * time.Second
)

// history is the last ticks as they came.
type history struct {
	ticks queue[past]
	bytes int
	floor uint64 // everything after it is here, once there is something
}

// past is a tick that was. Its message belongs to the history, and never changes.
type past struct {
	seq uint64
	at  time.Duration // after the hub's start
	msg []byte
}

func (h *history) add(at time.Duration, seq uint64, msg []byte) {
	if h.floor == 0 {
		h.floor = seq // what came before we do not know
	}
	h.ticks.push(past{seq, at, msg})
	h.bytes += len(msg)
	n := 0
	for n < h.ticks.len()-1 {
		t := h.ticks.at(n)
		if at-t.at <= historyAge && h.bytes <= historyBytes {
			break
		}
		h.bytes -= len(t.msg)
		h.floor = t.seq
		n++
	}
	h.ticks.drop(n)
}

// holds reports whether everything after seq is here, the newest being last.
func (h *history) holds(seq, last uint64) bool {
	return seq == last || h.ticks.len() > 0 && h.floor <= seq && seq <= last
}

// holdsFor is holds, for as long as resumeMargin from now.
func (h *history) holdsFor(now time.Duration, seq, last uint64) bool {
	if last == 0 || !h.holds(seq, last) {
		return false
	}
	later := h.indexAfter(seq)
	return later == h.ticks.len() || now-h.ticks.at(later).at < historyAge-resumeMargin
}

// after is the messages of the ticks whose number is greater than seq.
func (h *history) after(seq uint64) (messages [][]byte) {
	for i := h.indexAfter(seq); i < h.ticks.len(); i++ {
		messages = append(messages, h.ticks.at(i).msg)
	}
	return messages
}

func (h *history) indexAfter(seq uint64) int {
	return h.ticks.search(func(t *past) bool { return t.seq > seq })
}
