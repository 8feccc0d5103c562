package pricefeed

import (
	"time"

	"tickerd/bus"
)

// watch brings the states of all symbols up to date, and reports whether one may
// have changed.
func (b *board) watch(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.restless && (b.staleAfter == 0 || now.Before(b.due)) {
		return false
	}
	b.judgeAll(now)
	return true
}

// correct brings told, which has a state for each symbol, up to date. Where it had
// to is appended to news.
func (b *board) correct(told []string, news []int) []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.entries {
		if state := b.entries[i].state; told[i] != state {
			told[i] = state
			news = append(news, i)
		}
	}
	return news
}

// judgeAll finds the states of all symbols, and when the next of them will change
// by itself.
func (b *board) judgeAll(now time.Time) {
	b.restless, b.due = false, now.Add(max(b.staleAfter, 0))
	if b.staleAfter == 0 {
		return
	}
	for i := range b.entries {
		e := &b.entries[i]
		state, until := b.judge(e, now)
		if until.After(now) && until.Before(b.due) {
			b.due = until
		}
		if state != e.state {
			e.state = state
			b.change(i)
		}
	}
}

// judge is the state of a symbol at now, and until when at most it lasts without a
// word. A symbol that has not been heard over the present connection keeps its state
// for a while: it was down before, and that is no proof of life.
func (b *board) judge(e *entry, now time.Time) (state string, until time.Time) {
	heard := !e.heard.Before(b.since)
	last := b.since
	if heard {
		last = e.heard
	}
	until = last.Add(b.staleAfter)
	switch {
	case !b.connected || e.refused:
		return bus.Down, until
	case !now.Before(until):
		return bus.Stale, until
	case heard:
		return bus.Live, until
	}
	return e.state, until
}

// best is the best of states.
func best(states []string) string {
	found := bus.Down
	for _, state := range states {
		switch state {
		case bus.Live:
			return bus.Live
		case bus.Stale:
			found = bus.Stale
		}
	}
	return found
}
