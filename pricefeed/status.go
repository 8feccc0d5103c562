package pricefeed

import (
	"time"

	"tickerd/bus"
)

// tell publishes which symbols have changed state. What cannot be published now
// is told with the next tick.
func (f *Feed) tell(now time.Time) {
	f.news = f.board.watch(now, f.told, f.news[:0])
	if len(f.news) == 0 {
		return
	}
	source := overall(f.told)
	f.health.Store(&source)
	for _, s := range statuses(f.cfg.Source, f.symbols, f.told, f.news) {
		if err := f.bus.PublishJSON(bus.StatusNews, s); err != nil {
			f.complain("publish status", err)
			for _, i := range f.news {
				f.told[i] = ""
			}
			return
		}
		f.logStatus(s)
	}
}

func (f *Feed) logStatus(s bus.Status) {
	const shown = 10
	log := f.log.Warn
	if s.State == bus.Live {
		log = f.log.Info
	}
	log("symbols are "+s.State, "source", s.Source, "count", len(s.Symbols), "symbols", s.Symbols[:min(len(s.Symbols), shown)])
}
