package history

import "slices"

// A hole is a time in which the program did not run, in unix seconds.
type hole struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// holes are where an exchange is still to be asked, of each interval's name, the newest
// last: {"1m":[{"from":1700000000,"to":1700003600}]}.
type holes map[string][]hole

// maxHoles is how many of an interval are remembered. The oldest are forgotten.
const maxHoles = 64

// add adds a hole that is newer than the others, or goes on where the last ends.
func (h holes) add(i int, added hole) {
	if added.From >= added.To {
		return
	}
	list := h[intervals[i].name]
	if n := len(list); n > 0 && added.From <= list[n-1].To {
		list[n-1].To = max(list[n-1].To, added.To)
		return
	}
	list = append(list, added)
	h[intervals[i].name] = list[max(0, len(list)-maxHoles):]
}

// newest is the hole that is to be filled first.
func (h holes) newest(i int) (newest hole, found bool) {
	list := h[intervals[i].name]
	if len(list) == 0 {
		return hole{}, false
	}
	return list[len(list)-1], true
}

// filled takes away all of the newest hole that is not before from.
func (h holes) filled(i int, from int64) {
	name := intervals[i].name
	list := slices.Clone(h[name])
	if n := len(list); list[n-1].From >= from {
		list = list[:n-1]
	} else {
		list[n-1].To = from
	}
	if len(list) == 0 {
		delete(h, name)
		return
	}
	h[name] = list
}
