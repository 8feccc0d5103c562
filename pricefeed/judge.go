package pricefeed

import (
	"slices"
	"time"
)

// watch tells whose state has changed, and finds the verdicts on all symbols of which
// something else is said. They wait until they are published.
func (f *Feed) watch(now time.Time) {
	if f.untold {
		f.untold = false
		f.forget()
	}
	for _, o := range f.origins {
		o.watch(now)
		f.tellOrigin(o)
	}
	f.gather()
	for o, origin := range f.origins {
		f.rows[o] = origin.board.look(f.waiting, f.rows[o])
	}
	f.verdicts = f.verdicts[:0]
	var each [maxSources]said
	for n, i := range f.waiting {
		for o := range f.origins {
			each[o] = f.rows[o][n]
		}
		f.verdicts = append(f.verdicts, judge(each[:len(f.origins)], f.cfg.Composite.Band, f.markets[i].outliers))
	}
	f.noteMissed(now)
	f.tellVerdicts()
}

// gather adds to the waiting symbols those of which something else is said.
func (f *Feed) gather() {
	before := len(f.waiting)
	for _, o := range f.origins {
		f.waiting = o.board.gather(f.waiting)
	}
	fresh := f.waiting[before:]
	f.waiting = f.waiting[:before]
	for _, i := range fresh {
		if m := &f.markets[i]; !m.waits {
			m.waits = true
			f.waiting = append(f.waiting, i)
		}
	}
	slices.Sort(f.waiting)
}

// forget has all states told anew.
func (f *Feed) forget() {
	for _, o := range f.origins {
		o.forget()
	}
	f.waiting = f.waiting[:0]
	for i := range f.markets {
		m := &f.markets[i]
		m.state, m.waits = "", true
		f.waiting = append(f.waiting, i)
	}
}
