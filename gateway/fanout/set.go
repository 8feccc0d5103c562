package fanout

import (
	"iter"
	"math/bits"
)

// A set is a set of symbols, by their index. What lies beyond its end is not in it.
type set []uint64

const wordBits = 64

// newSet makes an empty set with room for the symbols below n.
func newSet(n int) set { return make(set, (n+wordBits-1)/wordBits) }

// grown is a copy of s with room for the symbols below n.
func (s set) grown(n int) set {
	t := newSet(n)
	copy(t, s)
	return t
}

func (s set) has(i int) bool {
	return i/wordBits < len(s) && s[i/wordBits]>>(i%wordBits)&1 != 0
}

func (s set) add(i int) { s[i/wordBits] |= 1 << (i % wordBits) }

// addAll adds what is in both a and b, for which s has room.
func (s set) addAll(a, b set) {
	for w := range min(len(a), len(b)) {
		s[w] |= a[w] & b[w]
	}
}

func (s set) isEmpty() bool {
	for _, word := range s {
		if word != 0 {
			return false
		}
	}
	return true
}

// shared is how many symbols are in both.
func (s set) shared(t set) (n int) {
	for w := range min(len(s), len(t)) {
		n += bits.OnesCount64(s[w] & t[w])
	}
	return n
}

// rank is how many symbols below i are in s.
func (s set) rank(i int) (n int) {
	for _, word := range s[:i/wordBits] {
		n += bits.OnesCount64(word)
	}
	if i%wordBits == 0 {
		return n
	}
	return n + bits.OnesCount64(s[i/wordBits]<<(wordBits-i%wordBits))
}

// both goes through what is in s and in t, in order.
func both(s, t set) iter.Seq[int] {
	return func(yield func(int) bool) {
		for w := range min(len(s), len(t)) {
			for word := s[w] & t[w]; word != 0; word &= word - 1 {
				if !yield(w*wordBits + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}

// all goes through s in order.
func (s set) all() iter.Seq[int] { return both(s, s) }
