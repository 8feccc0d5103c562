package bench

import (
	"iter"
	"time"
)

// A queue is sockets that wait, each for the same time: the first comes first.
type queue struct{ list []queued }

type queued struct {
	at   time.Time
	i    int    // which
	turn uint32 // and which of its sockets, one after another
}

func (q *queue) push(i int, turn uint32, at time.Time) {
	q.list = append(q.list, queued{at, i, turn})
}

func (q *queue) len() int { return len(q.list) }

// due takes out those that were queued at or before a time, and gives those that
// still stand.
func (q *queue) due(before time.Time, stands func(queued) bool) iter.Seq[int] {
	return func(yield func(int) bool) {
		for len(q.list) > 0 {
			first := q.list[0]
			if still := stands(first); still && first.at.After(before) {
				return
			} else if q.list = q.list[1:]; still && !yield(first.i) {
				return
			}
		}
	}
}
