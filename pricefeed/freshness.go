package pricefeed

import (
	"time"

	"tickerd/bus"
	"tickerd/ticker"
)

// watch brings the states of all symbols up to date, and corrects told, which
// has one for each symbol. Where it had to is appended to news.
func (b *board) watch(now time.Time, told []string, news []int) []int {
	if b.staleAfter == 0 {
		return news
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.entries {
		e := &b.entries[i]
		e.state = b.judge(e, now)
		if told[i] != e.state {
			told[i] = e.state
			news = append(news, i)
		}
	}
	return news
}

// judge is the state of a symbol at now. A symbol that has not been heard over
// the present connection keeps its state for a while: it was down before, and
// that is no proof of life.
func (b *board) judge(e *entry, now time.Time) string {
	heard := !e.heard.Before(b.since)
	last := b.since
	if heard {
		last = e.heard
	}
	switch {
	case !b.connected || e.refused:
		return bus.Down
	case now.Sub(last) >= b.staleAfter:
		return bus.Stale
	case heard:
		return bus.Live
	}
	return e.state
}

// statuses groups the symbols that which lists, in its order, by their states,
// the worst first.
func statuses(source string, symbols []ticker.Symbol, states []string, which []int) []bus.Status {
	list := []bus.Status{}
	for _, state := range []string{bus.Down, bus.Stale, bus.Live} {
		s := bus.Status{Type: "status", Source: source, State: state}
		for _, i := range which {
			if states[i] == state {
				s.Symbols = append(s.Symbols, string(symbols[i]))
			}
		}
		if s.Symbols != nil {
			list = append(list, s)
		}
	}
	return list
}

// overall is the best of states: a source is as good as its best symbol.
func overall(states []string) string {
	best := bus.Down
	for _, state := range states {
		switch {
		case state == bus.Live:
			return bus.Live
		case state == bus.Stale:
			best = bus.Stale
		}
	}
	return best
}
