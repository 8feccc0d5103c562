package fanout

// A queue is first in, first out. It lives in a ring whose memory it goes on using,
// and gives back when it has become far too much.
type queue[T any] struct {
	ring  []T // its length is a power of two
	first int
	n     int
}

const minRing = 4

func (q *queue[T]) len() int { return q.n }

// at is the i-th from the front.
func (q *queue[T]) at(i int) *T { return &q.ring[(q.first+i)&(len(q.ring)-1)] }

func (q *queue[T]) push(v T) {
	switch {
	case q.n == len(q.ring):
		q.resize(max(2*q.n, minRing))
	case len(q.ring) > minRing && q.n < len(q.ring)/8:
		q.resize(len(q.ring) / 4)
	}
	q.n++
	*q.at(q.n - 1) = v
}

// drop removes the first n.
func (q *queue[T]) drop(n int) {
	var zero T
	for i := range n {
		*q.at(i) = zero
	}
	if n > 0 {
		q.first = (q.first + n) & (len(q.ring) - 1)
		q.n -= n
	}
}

func (q *queue[T]) resize(size int) {
	ring := make([]T, size)
	for i := range q.n {
		ring[i] = *q.at(i)
	}
	q.ring, q.first = ring, 0
}

// search is the index of the first of which is is true, as it is of all after it.
func (q *queue[T]) search(is func(*T) bool) int {
	low, high := 0, q.n
	for low < high {
		if mid := int(uint(low+high) >> 1); is(q.at(mid)) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}
