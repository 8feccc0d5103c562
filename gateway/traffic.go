package gateway

import (
	"slices"
	"time"
)

// lossTimeout is how long the loss of a message may take to be told. The server
// tells it at once.
const lossTimeout = 5 * time.Second

// A traffic is what a client has said and a handler is not known to have.
type traffic struct {
	held   [][]byte // messages that wait for a handler
	sent   []sent   // those whose loss may yet be told
	bytes  int      // in both
	passed uint64   // how many messages were ever sent
	fenced bool     // a fence is under way that confirms some
}

// sent is a message on its way to the handler.
type sent struct {
	at      time.Duration
	message []byte
}

// underWay is how many bytes there are.
func (t *traffic) underWay() int {
	if t == nil {
		return 0
	}
	return t.bytes
}

// pass notes that a message, which is counted already, is sent. A fence is due
// behind it, or not.
func (t *traffic) pass(now time.Duration, message []byte) (fence bool) {
	t.sent = append(t.sent, sent{now, message})
	t.passed++
	fence = t.bytes > maxUnderWay/2 && !t.fenced
	t.fenced = t.fenced || fence
	return fence
}

// confirm forgets the messages of which so many were sent before a fence that has
// come.
func (t *traffic) confirm(before uint64) { t.drop(len(t.sent) - int(t.passed-before)) }

// recall holds the messages again of which so many, the last, were lost; the others
// have arrived.
func (t *traffic) recall(lost int) {
	t.drop(len(t.sent) - lost)
	again := make([][]byte, 0, len(t.sent)+len(t.held))
	for _, s := range t.sent {
		again = append(again, s.message)
	}
	t.held, t.sent = append(again, t.held...), nil
}

// forget drops the messages whose loss would have been told, and tells how long
// it is until there are more; 0: there are none.
func (t *traffic) forget(now time.Duration) (wait time.Duration) {
	old := 0
	for old < len(t.sent) && now-t.sent[old].at >= lossTimeout {
		old++
	}
	t.drop(old)
	if len(t.sent) == 0 {
		return 0
	}
	return lossTimeout - (now - t.sent[0].at)
}

// drop forgets the first n messages that were sent.
func (t *traffic) drop(n int) {
	if n <= 0 {
		return
	}
	for _, s := range t.sent[:n] {
		t.bytes -= len(s.message)
	}
	if t.sent = slices.Delete(t.sent, 0, n); len(t.sent) == 0 {
		t.sent = nil
	}
}

// isOver reports whether nothing would be missed.
func (t *traffic) isOver() bool { return len(t.held) == 0 && len(t.sent) == 0 && !t.fenced }
