package fanout

// maxSlots is in how many lists a stream stands. One that sees more symbols is
// asked at every tick instead.
const maxSlots = 64

// interests are the streams by the symbols that they see, so that a tick comes only
// to those of which it changes something.
type interests struct {
	narrow [][]*Stream          // by symbol
	broad  map[*Stream]struct{} // those that see more than maxSlots of them
}

// grow makes room for the symbols below n.
func (in *interests) grow(n int) {
	for len(in.narrow) < n {
		in.narrow = append(in.narrow, nil)
	}
}

// add enters s with what it sees of the symbols from an index on. The others it is
// entered with.
func (in *interests) add(s *Stream, from int) {
	switch {
	case s.broad:
		return
	case s.count > maxSlots:
		in.remove(s)
		s.broad = true
		in.broad[s] = struct{}{}
		return
	}
	for i := range s.seen.all() {
		if i < from {
			continue
		}
		s.slots = append(s.slots, int32(len(in.narrow[i])))
		in.narrow[i] = append(in.narrow[i], s)
	}
}

// remove takes s out.
func (in *interests) remove(s *Stream) {
	if s.broad {
		delete(in.broad, s)
		return
	}
	entered := 0
	for i := range s.seen.all() {
		if entered == len(s.slots) {
			break
		}
		in.vacate(i, s.slots[entered])
		entered++
	}
	s.slots = nil
}

// vacate takes a slot of a symbol's list. The last stream there moves into it.
func (in *interests) vacate(symbol int, slot int32) {
	list := in.narrow[symbol]
	end := len(list) - 1
	last := list[end]
	list[slot] = last
	last.slots[last.seen.rank(symbol)] = slot
	list[end] = nil
	in.narrow[symbol] = list[:end]
}

// of appends the streams that see some of what tick seq changed, each once.
func (in *interests) of(changed set, seq uint64, list []*Stream) []*Stream {
	for s := range in.broad {
		if s.seen.shared(changed) > 0 {
			list = append(list, s)
		}
	}
	for i := range changed.all() {
		for _, s := range in.narrow[i] {
			if s.touched != seq {
				s.touched = seq
				list = append(list, s)
			}
		}
	}
	return list
}
