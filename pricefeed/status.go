package pricefeed

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"

	"tickerd/bus"
	"tickerd/ticker"
)

// tellOrigin publishes which symbols have changed state at an origin.
func (f *Feed) tellOrigin(o *origin) {
	if len(o.news) == 0 {
		return
	}
	if !f.isComposite() {
		f.isHealthy(o.told)
	}
	f.tell(f.ofOrigin(o, o.news))
}

// isComposite reports whether prices are what several sources agree on.
func (f *Feed) isComposite() bool { return f.cfg.Source == SourceComposite }

// ofOrigin is what was told of the symbols that which lists, in its order, by their
// states, the worst first.
func (f *Feed) ofOrigin(o *origin, which []int) []bus.Status {
	g := grouped{}
	for _, i := range which {
		g.add(o.told[i], 0, f.symbols[i])
	}
	list := g.statuses(o.name, nil)
	if f.isComposite() {
		for i := range list {
			list[i].PartOf = SourceComposite
		}
	}
	return list
}

// tellVerdicts publishes on which symbols the verdict is another: whether there is a
// price, and which sources stand behind it.
func (f *Feed) tellVerdicts() {
	if !f.isComposite() {
		return
	}
	f.news = f.news[:0]
	for n, i := range f.waiting {
		m, v := &f.markets[i], f.verdicts[n]
		f.reportOutliers(i, v.outliers&^m.outliers)
		if v.state != m.state || v.from != m.from {
			f.news = append(f.news, i)
		}
		m.state, m.from, m.outliers = v.state, v.from, v.outliers
	}
	if len(f.news) == 0 {
		return
	}
	states := make([]string, len(f.markets))
	for i, m := range f.markets {
		states[i] = m.state
	}
	f.isHealthy(states)
	f.tell(f.ofComposite(f.news))
}

// ofComposite is what was told of the symbols that which lists, in its order, by
// their states and the sources behind them, the worst first.
func (f *Feed) ofComposite(which []int) []bus.Status {
	g := grouped{}
	for _, i := range which {
		g.add(f.markets[i].state, f.markets[i].from, f.symbols[i])
	}
	return g.statuses(SourceComposite, f.origins)
}

// reportOutliers logs which sources' prices of a symbol are left out from now on.
func (f *Feed) reportOutliers(i int, out sources) {
	for o, origin := range f.origins {
		if out.has(o) {
			origin.outliers.Add(1)
			f.outlierLog.Do(func() {
				f.log.Warn("a price is far from the others, and left out", "source", origin.name, "symbol", f.symbols[i])
			})
		}
	}
}

// isHealthy notes the state of the feed, which is that of its best symbol.
func (f *Feed) isHealthy(states []string) {
	state := best(states)
	f.health.Store(&state)
}

// tell publishes statuses, where this node publishes. If that fails, all is told again
// with the next tick.
func (f *Feed) tell(list []bus.Status) {
	if f.lease == nil {
		return
	}
	for _, s := range list {
		if err := f.bus.PublishJSON(bus.StatusNews, s); err != nil {
			f.complain("publish status", err)
			f.untold = true
			return
		}
		f.statusLog.Do(func() { f.logStatus(s) })
	}
}

func (f *Feed) logStatus(s bus.Status) {
	const shown = 10
	level := slog.LevelWarn
	if s.State == bus.Live {
		level = slog.LevelInfo
	}
	log := f.log.With("source", s.Source, "count", len(s.Symbols), "symbols", s.Symbols[:min(len(s.Symbols), shown)])
	if s.Sources != nil {
		log = log.With("sources", s.Sources)
	}
	log.Log(context.Background(), level, "symbols are "+s.State)
}

// A grouped is symbols by what is told of them.
type grouped map[standing][]string

// A standing is a symbol's state, and the sources behind it.
type standing struct {
	state string
	from  sources
}

func (g grouped) add(state string, from sources, s ticker.Symbol) {
	key := standing{state, from}
	g[key] = append(g[key], string(s))
}

// statuses lists the groups, the worst state first. Origins has the names of the
// sources.
func (g grouped) statuses(source string, origins []*origin) []bus.Status {
	list := []bus.Status{}
	keys := slices.SortedFunc(maps.Keys(g), func(a, b standing) int { return cmp.Compare(a.from, b.from) })
	for _, state := range []string{bus.Down, bus.Stale, bus.Live} {
		for _, key := range keys {
			if key.state == state {
				list = append(list, bus.Status{
					Type: "status", Source: source, State: state, Symbols: g[key], Sources: key.from.names(origins),
				})
			}
		}
	}
	return list
}
