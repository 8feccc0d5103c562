//go:build !portable

package loop

import (
	"container/heap"
	"time"
)

// A timer is the time at which a link is to be tended. It may come too early, for
// most of what happens to a connection only puts it off: then it is set anew.
type timer struct {
	link *link
	at   time.Duration // since the loop began; 0: not set
	// index is the timer's place in its heap, if it is set.
	index int
}

// timers are a loop's, as a heap: an idle connection costs a pointer.
type timers struct {
	began time.Time
	heap  timerHeap
}

// set has the timer go off at the given time, or before; the zero Time: never.
func (ts *timers) set(t *timer, at time.Time) {
	switch {
	case at.IsZero() && t.at == 0:
	case at.IsZero():
		heap.Remove(&ts.heap, t.index)
		t.at = 0
	case t.at == 0:
		t.at = ts.since(at)
		heap.Push(&ts.heap, t)
	case ts.since(at) < t.at:
		t.at = ts.since(at)
		heap.Fix(&ts.heap, t.index)
	}
}

// since is at as timers have it.
func (ts *timers) since(at time.Time) time.Duration { return max(at.Sub(ts.began), 1) }

// due takes out a timer whose time has come, nil: there is none.
func (ts *timers) due(now time.Time) *timer {
	if len(ts.heap) == 0 || ts.heap[0].at > now.Sub(ts.began) {
		return nil
	}
	t := heap.Pop(&ts.heap).(*timer)
	t.at = 0
	return t
}

// wait is how long it is to the next.
func (ts *timers) wait(now time.Time) time.Duration {
	if len(ts.heap) == 0 {
		return longest
	}
	return min(max(ts.heap[0].at-now.Sub(ts.began), 0), longest)
}

// timerHeap is a [heap.Interface].
type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return t
}
