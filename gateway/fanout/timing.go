package fanout

import (
	"container/heap"
	"context"
	"time"
)

// timing is what a stream with an interval has yet to send.
type timing struct {
	dirty set           // what has changed since its last frame
	anew  bool          // the next frame is a snapshot
	due   time.Duration // when the next is, after the hub's start; while something has
	index int           // in the agenda
}

// An agenda is the streams that have something to send, the earliest first. It is
// a heap.
type agenda []*Stream

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].timing.due < a[j].timing.due }

func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].timing.index, a[j].timing.index = i, j
}

// Push is for package heap.
func (a *agenda) Push(x any) {
	s := x.(*Stream)
	s.timing.index = len(*a)
	*a = append(*a, s)
}

// Pop is for package heap.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	s := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	return s
}

// mark notes what has changed of s at elapsed. It reports whether s is now the
// first that is due.
func (a *agenda) mark(s *Stream, changed set, elapsed time.Duration) (first bool) {
	t := &s.timing
	clean := t.dirty.isEmpty()
	if len(t.dirty) < len(s.seen) {
		t.dirty = t.dirty.grown(s.known)
	}
	t.dirty.addAll(s.seen, changed)
	if !clean {
		return false
	}
	t.due = s.key.next(elapsed)
	heap.Push(a, s)
	return (*a)[0] == s
}

// take removes the first stream that is due at elapsed, nil if none is. Then wait
// tells how long it is to the next, if there is some.
func (a *agenda) take(elapsed time.Duration) (s *Stream, wait time.Duration, some bool) {
	if len(*a) == 0 {
		return nil, 0, false
	}
	if left := (*a)[0].timing.due - elapsed; left > 0 {
		return nil, left, true
	}
	return heap.Pop(a).(*Stream), 0, false
}

// remove takes s out if it is in.
func (a *agenda) remove(s *Stream) {
	if !s.timing.dirty.isEmpty() {
		heap.Remove(a, s.timing.index)
		clear(s.timing.dirty)
	}
}

// mark notes in a stream with an interval what has changed of it.
func (h *Hub) mark(s *Stream, changed set) {
	if h.agenda.mark(s, changed, h.batch.at) {
		h.wake.Ring()
	}
}

// Run sends the streams with an interval what is due, until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if wait, some := h.sendDue(); some {
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

// sendDue appends the frames that are due, and tells how long it is to the next.
func (h *Hub) sendDue() (wait time.Duration, some bool) {
	// What is due appends without error.
	_ = h.append(func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		var s *Stream
		for {
			if s, wait, some = h.agenda.take(h.batch.at); s == nil {
				return nil
			}
			h.composer.begin(h.seq, h.ts, s.timing.anew)
			h.batch.tick(s, h.seq, h.composer.compose(h.latest, s.seen, s.timing.dirty))
			clear(s.timing.dirty)
			s.timing.anew = false
		}
	})
	return wait, some
}
