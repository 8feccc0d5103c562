package walk

import "math/rand/v2"

// A Span is where a price went within a time, in the smallest steps that it can move.
type Span struct{ Open, High, Low, Close int64 }

// Then is a span and the one that follows it, together.
func (s Span) Then(next Span) Span {
	return Span{s.Open, max(s.High, next.High), min(s.Low, next.Low), next.Close}
}

// split fills parts with a random walk through s; of each it says where it goes, not when.
// Over a part, a walk gets 1/√n as far as over n of them, and reach is about that.
func (s Span) split(parts []Span, reach int64, random *rand.PCG) {
	at, highest, lowest := s.Open, 0, 0
	for i := range parts {
		next := s.Close
		if left := int64(len(parts) - i); left > 1 {
			next = s.reflect(at + (s.Close-at)/left + upTo(2*reach, random) - reach)
		}
		parts[i] = Span{
			Open:  at,
			High:  min(max(at, next)+upTo(reach/2, random), s.High),
			Low:   max(min(at, next)-upTo(reach/2, random), s.Low),
			Close: next,
		}
		if parts[i].High > parts[highest].High {
			highest = i
		}
		if parts[i].Low < parts[lowest].Low {
			lowest = i
		}
		at = next
	}
	parts[highest].High, parts[lowest].Low = s.High, s.Low
}

// reflect turns a price back into the span that went beyond its end, by no more than
// its size.
func (s Span) reflect(price int64) int64 {
	switch {
	case price > s.High:
		price = 2*s.High - price
	case price < s.Low:
		price = 2*s.Low - price
	}
	return min(max(price, s.Low), s.High)
}

// upTo is a random number from 0 to most.
func upTo(most int64, random *rand.PCG) int64 {
	return int64(random.Uint64() % uint64(most+1))
}
