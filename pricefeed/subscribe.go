package pricefeed

import (
	"tickerd/bus"
	"tickerd/ticker"
)

// Subscribe makes symbols those of the feed, each of them once and at least one, until
// the next restart. Connections to exchanges stay.
func (f *Feed) Subscribe(symbols []ticker.Symbol) {
	for {
		select {
		case f.lists <- symbols:
			return
		case <-f.lists: // which came before, and nobody has taken
		}
	}
}

// list makes symbols those of the feed. Those that are none of them any more are down.
// A recording is played as it began.
func (f *Feed) list(symbols []ticker.Symbol) {
	if f.cfg.Source == SourceReplay {
		f.log.Warn("symbols of a recording change at the next start")
		return
	}
	kept, gone := moved(f.symbols, symbols)
	f.tell(f.ofGone(gone))
	_, f.gone = moved(append(f.gone, gone...), symbols)
	f.gone = f.gone[max(0, len(f.gone)-maxSymbols):]
	markets := make([]market, len(symbols))
	for from, to := range kept {
		markets[to] = f.markets[from]
	}
	f.symbols, f.markets, f.waiting = symbols, markets, f.waiting[:0]
	for i := range markets {
		markets[i].waits = true
		f.waiting = append(f.waiting, i)
	}
	for _, o := range f.origins {
		o.list(symbols, kept)
	}
	if s, ok := f.player.(*simulator); ok {
		s.subscribe(symbols)
	}
	if f.history != nil {
		f.history.SetSymbols(symbols)
	}
	f.log.Info("symbols have changed", "symbols", len(symbols), "gone", len(gone))
}

// moved tells where those of some symbols are among others, by where they were, and which
// are none of these.
func moved(symbols, others []ticker.Symbol) (kept map[int]int, gone []ticker.Symbol) {
	index := make(map[ticker.Symbol]int, len(others))
	for i, s := range others {
		index[s] = i
	}
	kept = make(map[int]int, len(symbols))
	for i, s := range symbols {
		if to, found := index[s]; found {
			kept[i] = to
		} else {
			gone = append(gone, s)
		}
	}
	return kept, gone
}

// ofGone is what is told of symbols that are not published any more.
func (f *Feed) ofGone(symbols []ticker.Symbol) (list []bus.Status) {
	if len(symbols) == 0 {
		return nil
	}
	status := bus.Status{Type: "status", State: bus.Down, Gone: true}
	for _, s := range symbols {
		status.Symbols = append(status.Symbols, string(s))
	}
	if f.isComposite() {
		status.Source = SourceComposite
		list = append(list, status)
		status.PartOf = SourceComposite
	}
	for _, o := range f.origins {
		status.Source = o.name
		list = append(list, status)
	}
	return list
}

// list makes symbols those of the origin. Kept says where those are that it had.
func (o *origin) list(symbols []ticker.Symbol, kept map[int]int) {
	o.board.list(symbols)
	told := make([]string, len(symbols))
	for from, to := range kept {
		told[to] = o.told[from]
	}
	o.told, o.untold = told, true
	if o.source != nil {
		o.source.Subscribe(symbols)
	}
}
