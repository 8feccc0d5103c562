package fanout

import (
	"maps"

	"tickerd/ticker"
)

// symbols are those of which there was ever a price, numbered in the order in which
// they appeared. It never changes: when more appear there is a new one.
type symbols struct {
	names []ticker.Symbol
	index map[string]int
}

// find gives the index of a symbol. Guess is where it may stand.
func (s *symbols) find(name []byte, guess int) (i int, known bool) {
	if guess < len(s.names) && string(s.names[guess]) == string(name) {
		return guess, true
	}
	i, known = s.index[string(name)]
	return i, known
}

// with is s and what is new in a tick.
func (s *symbols) with(data []ticker.Element) *symbols {
	more := &symbols{s.names, maps.Clone(s.index)}
	for _, e := range data {
		if _, known := more.index[string(e.Symbol)]; !known {
			more.index[string(e.Symbol)] = len(more.names)
			more.names = append(more.names, ticker.Symbol(e.Symbol))
		}
	}
	return more
}

// seen is the set of symbols that sees lets through.
func (s *symbols) seen(sees func(ticker.Symbol) bool) set {
	seen := newSet(len(s.names))
	for i, name := range s.names {
		if sees(name) {
			seen.add(i)
		}
	}
	return seen
}
