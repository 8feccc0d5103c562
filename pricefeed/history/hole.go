package history

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"tickerd/ticker"
)

// A hole is a time of which there may be prices that were not taken in, in unix seconds.
type hole struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// holes are where an exchange is still to be asked, of each interval's name, the newest
// last: {"1m":[{"from":1700000000,"to":1700003600}]}.
type holes map[string][]hole

// maxHoles is how many of an interval are remembered. The oldest are forgotten.
const maxHoles = 64

// add adds a hole. Those that touch become one.
func (h holes) add(i int, added hole) {
	if added.From >= added.To {
		return
	}
	list := append(slices.Clone(h[intervals[i].name]), added)
	slices.SortFunc(list, func(a, b hole) int { return cmp.Compare(a.From, b.From) })
	joined := list[:1]
	for _, next := range list[1:] {
		if last := &joined[len(joined)-1]; next.From <= last.To {
			last.To = max(last.To, next.To)
		} else {
			joined = append(joined, next)
		}
	}
	h[intervals[i].name] = joined[max(0, len(joined)-maxHoles):]
}

// newest is the hole that is to be filled first, as far as it is before a time.
func (h holes) newest(i int, before int64) (newest hole, found bool) {
	for _, newest := range slices.Backward(h[intervals[i].name]) {
		if newest.From < before {
			newest.To = min(newest.To, before)
			return newest, true
		}
	}
	return hole{}, false
}

// filled takes away what is from one time to another.
func (h holes) filled(i int, from, to int64) {
	name := intervals[i].name
	var left []hole
	for _, o := range h[name] {
		for _, rest := range []hole{{o.From, min(o.To, from)}, {max(o.From, to), o.To}} {
			if rest.From < rest.To {
				left = append(left, rest)
			}
		}
	}
	if left == nil {
		delete(h, name)
		return
	}
	h[name] = left
}

// outages are the holes that came about while the program ran, until they are kept.
type outages struct {
	mu    sync.Mutex
	holes map[ticker.Symbol]hole
}

// add adds a hole of a symbol, which has one at most: from the first to the last.
func (o *outages) add(s ticker.Symbol, added hole) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if before, known := o.holes[s]; known {
		added = hole{min(added.From, before.From), max(added.To, before.To)}
	}
	o.holes[s] = added
}

// all copies them.
func (o *outages) all() map[ticker.Symbol]hole {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.holes)
}

// drop takes away what is kept, unless it has grown meanwhile.
func (o *outages) drop(s ticker.Symbol, kept hole) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.holes[s] == kept {
		delete(o.holes, s)
	}
}
