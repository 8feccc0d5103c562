package pricefeed

import (
	"slices"

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
	markets := make([]market, len(symbols))
	var gone []ticker.Symbol
	for i, s := range f.symbols {
		if n := slices.Index(symbols, s); n >= 0 {
			markets[n] = f.markets[i]
		} else {
			gone = append(gone, s)
		}
	}
	f.tell(f.ofGone(gone))
	f.gone = slices.DeleteFunc(append(f.gone, gone...), func(s ticker.Symbol) bool { return slices.Contains(symbols, s) })
	f.symbols, f.markets = symbols, markets
	for _, o := range f.origins {
		o.list(symbols)
	}
	if s, ok := f.player.(*simulator); ok {
		s.subscribe(symbols)
	}
	if f.history != nil {
		f.history.SetSymbols(symbols)
	}
	f.untold = true
	f.log.Info("symbols have changed", "symbols", len(symbols), "gone", len(gone))
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

// list makes symbols those of the origin.
func (o *origin) list(symbols []ticker.Symbol) {
	o.board.list(symbols)
	o.told = make([]string, len(symbols))
	if o.source != nil {
		o.source.Subscribe(symbols)
	}
}
