package history

import "tickerd/ticker"

// A page of the book is one that is to become a block.
type page struct {
	interval int
	block    int64
	slot     int
	symbol   ticker.Symbol
	data     []byte
}

// load puts a row that was read from the stream, where it has the number seq.
func (b *book) load(i int, r *row, seq uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.put(i, r)
	b.keep(i, r.start, seq)
}

// kept takes note that a row is in the stream.
func (b *book) kept(i int, start int64, seq uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(i, start, seq)
}

func (b *book) keep(i int, start int64, seq uint64) {
	if t := b.shelves[i].tails[intervals[i].block(start)]; t != nil && t.first == 0 {
		t.first = seq
	}
}

// ripe finds a page that is complete.
func (b *book) ripe() (p page, found bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.shelves {
		s := &b.shelves[i]
		for block, t := range s.tails {
			if block == s.block {
				continue
			}
			for slot, c := range t.columns {
				if c.data != nil {
					return page{i, block, slot, b.symbols[slot], c.data}, true
				}
			}
			delete(s.tails, block)
			s.trim = true
		}
	}
	return page{}, false
}

// turned takes away a page that has become a block, unless it has changed meanwhile.
func (b *book) turned(p page) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.shelves[p.interval].tails[p.block]
	if t == nil {
		return
	}
	if c := &t.columns[p.slot]; len(c.data) == len(p.data) && &c.data[0] == &p.data[0] {
		*c = column{}
	}
}

// trimmable is an interval whose rows below the number before are in blocks.
func (b *book) trimmable() (i int, before uint64, found bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.shelves {
		s := &b.shelves[i]
		if !s.trim {
			continue
		}
		if before := s.oldest(); before > 0 {
			s.trim = false
			return i, before, true
		}
	}
	return 0, 0, false
}

// oldest is the number of the oldest row that is in a tail, 0 where one has rows that
// have none yet.
func (s *shelf) oldest() uint64 {
	oldest := uint64(0)
	for _, t := range s.tails {
		if t.first == 0 {
			return 0
		}
		if oldest == 0 || t.first < oldest {
			oldest = t.first
		}
	}
	return oldest
}
