package history

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"tickerd/ticker"
)

// An Asker asks an exchange for the candles of a symbol from a time on: the oldest
// first, and as many as one request gives, which is 300 at least.
type Asker func(ctx context.Context, s ticker.Symbol, interval time.Duration, from time.Time) ([]ticker.Candle, error)

const (
	// pageLength is how many candles every exchange gives at once.
	pageLength = 300

	// fillIdle is how often is looked for new symbols when all holes are filled.
	fillIdle = time.Second

	fillRetry  = time.Second // after a failure, whoever is asked for
	longestTry = 10 * time.Minute

	// settle is how long an interval is over before it is asked for: an exchange takes a
	// while to close its candles, and its clock is not ours.
	settle = 5 * time.Second
)

// fillOrder is what is asked first: so what many look at is there soon.
var fillOrder = [...]int{day, hour, fiveMinutes, minute}

// A filler fills holes with what an exchange says.
type filler struct {
	h       *History
	ask     Asker
	markets map[ticker.Symbol]*market
}

func newFiller(h *History, ask Asker) *filler {
	return &filler{h: h, ask: ask, markets: map[ticker.Symbol]*market{}}
}

// A market is what is still to be asked of a symbol.
type market struct {
	symbol ticker.Symbol
	slot   int
	holes  holes
	delay  time.Duration // the next after a failure
	due    time.Time     // not before
}

// Fill asks the exchange for what happened while the program did not run, or missed it,
// until ctx ends: one page of each symbol and interval, the newest first, then the next
// page. An interval is asked for when it is over. What fails is tried again, less and less
// often. It is called beside each Run.
func (h *History) Fill(ctx context.Context, ask Asker) {
	select {
	case <-h.ready:
	case <-ctx.Done():
		return
	}
	f := newFiller(h, ask)
	idle := time.NewTicker(fillIdle)
	defer idle.Stop()
	progress := rate.Sometimes{Interval: time.Minute}
	for pages := 0; ctx.Err() == nil; {
		asked, failed := f.round(ctx)
		if pages += asked; asked > 0 {
			progress.Do(func() { h.log.Info("filling history", "symbols", len(f.markets), "pages", pages) })
			continue
		}
		if pages > 0 && !failed {
			h.log.Info("history is filled", "symbols", len(f.markets), "pages", pages)
			pages = 0
		}
		select {
		case <-idle.C:
		case <-ctx.Done():
		}
	}
}

// round asks for a page of each symbol and interval that has a hole, and returns how
// many that were, and whether there is one that could not be had.
func (f *filler) round(ctx context.Context) (asked int, failed bool) {
	for _, i := range fillOrder {
		for _, symbol := range *f.h.symbols.Load() {
			done, err := f.page(ctx, symbol, i)
			if ctx.Err() != nil {
				return asked, failed
			}
			if done {
				asked++
			}
			if err != nil {
				failed = true
			}
		}
	}
	return asked, failed
}

// errLater is of what has failed, and is not due yet.
const errLater = Error("is tried later")

// page asks for a page, if there is a hole.
func (f *filler) page(ctx context.Context, symbol ticker.Symbol, i int) (asked bool, err error) {
	m := f.markets[symbol]
	if m != nil && f.h.now().Before(m.due) {
		return false, errLater
	}
	if err = f.note(ctx); err == nil {
		m, err = f.market(ctx, symbol)
	}
	if err == nil {
		asked, err = f.fill(ctx, m, i)
	}
	if err == nil {
		m.delay = 0
		return asked, nil
	}
	if ctx.Err() == nil {
		f.fail(ctx, symbol, i, m, err)
	}
	return false, err
}

// fail tells of a failure and waits a little: the exchange may be tired of us.
func (f *filler) fail(ctx context.Context, symbol ticker.Symbol, i int, m *market, err error) {
	wait := fillRetry
	if m != nil {
		m.delay = min(max(2*m.delay, fillRetry), longestTry)
		wait = m.delay/2 + rand.N(m.delay)
		m.due = f.h.now().Add(wait)
	}
	f.h.log.Warn("fill history", "symbol", symbol, "interval", intervals[i].name, "err", err, "retry_in", wait.Round(time.Second))
	select {
	case <-time.After(fillRetry):
	case <-ctx.Done():
	}
}

// note keeps what was missed since the last time.
func (f *filler) note(ctx context.Context) error {
	for symbol, missed := range f.h.outages.all() {
		m, err := f.market(ctx, symbol)
		if err != nil {
			return err
		}
		for _, i := range fillOrder {
			m.holes.add(i, missed)
		}
		if err := f.h.store.putHoles(ctx, symbol, m.holes); err != nil {
			return err
		}
		f.h.outages.drop(symbol, missed)
	}
	return nil
}

// market is a symbol's, which begins with the holes that are kept, and the one before
// this start.
func (f *filler) market(ctx context.Context, symbol ticker.Symbol) (*market, error) {
	if m := f.markets[symbol]; m != nil {
		return m, nil
	}
	kept, err := f.h.store.getHoles(ctx, symbol)
	if errors.Is(err, ErrDamaged) {
		f.h.log.Warn("read history", "err", err)
		err = nil
	}
	if err != nil {
		return nil, err
	}
	m := &market{symbol: symbol, slot: f.h.book.slot(symbol), holes: holes{}}
	for _, i := range fillOrder {
		m.holes[intervals[i].name] = kept[intervals[i].name]
	}
	known, err := f.known(ctx, symbol)
	if err != nil {
		return nil, err
	}
	now := f.h.now()
	for _, i := range fillOrder {
		from := now.Add(-f.h.cfg.keep(i)).Unix()
		if known > 0 && kept != nil {
			from = known
		}
		m.holes.add(i, hole{From: from, To: now.Unix()})
	}
	if err := f.h.store.putHoles(ctx, symbol, m.holes); err != nil {
		return nil, err
	}
	f.markets[symbol] = m
	return m, nil
}

// known is how far the candles reach that are from before this start, 0 where there are
// none: to the end of the last minute, unless that was cut off behind one of its seconds.
func (f *filler) known(ctx context.Context, symbol ticker.Symbol) (end int64, err error) {
	began := f.h.began.Unix()
	minutes, err := f.h.newest(ctx, minute, symbol, intervals[minute].floor(began), 1)
	if err != nil || len(minutes) == 0 {
		return 0, err
	}
	seconds, err := f.h.newest(ctx, second, symbol, began, 1)
	if err != nil {
		return 0, err
	}
	last := minutes[0].Start
	if n := len(seconds); n > 0 && seconds[n-1].Start >= last {
		return seconds[n-1].Start + intervals[second].length, nil
	}
	return last + intervals[minute].length, nil
}

// fill asks for the newest page of the newest hole. What of it is in an interval that is
// not over stays.
func (f *filler) fill(ctx context.Context, m *market, i int) (asked bool, err error) {
	in, now := intervals[i], f.h.now()
	h, found := m.holes.newest(i, in.floor(now.Add(-settle).Unix()))
	if !found {
		return false, nil
	}
	oldest := now.Add(-f.h.cfg.keep(i)).Unix()
	begin, end := in.floor(max(h.From, oldest)), in.ceil(h.To)
	from := max(begin, end-pageLength*in.length)
	if from >= end {
		m.holes.filled(i, h.From, h.To)
		return false, f.h.store.putHoles(ctx, m.symbol, m.holes)
	}
	given, err := f.ask(ctx, m.symbol, in.duration(), time.Unix(from, 0))
	if err != nil {
		return false, err
	}
	silent := len(given) == 0
	given = sound(given, in, begin, end)
	switch {
	case silent:
		if from, err = f.traded(ctx, m.symbol, i, from); err != nil {
			return false, err
		}
	case len(between(given, from, end)) == 0:
		from = h.From // the exchange has no more
	}
	if err := f.keep(ctx, m, i, given); err != nil {
		return false, err
	}
	if from <= begin {
		from = h.From
	}
	m.holes.filled(i, from, end)
	return true, f.h.store.putHoles(ctx, m.symbol, m.holes)
}

// traded is up to when, before a time, there was a trade, 0 if that is not known: an
// exchange that has nothing of a page may have something of those before. Longer
// intervals tell, of which more is asked at once.
func (f *filler) traded(ctx context.Context, symbol ticker.Symbol, i int, before int64) (int64, error) {
	if i == day {
		return 0, nil
	}
	longer := hour
	if i == hour {
		longer = day
	}
	candles, err := f.h.newest(ctx, longer, symbol, before, 1)
	if err != nil || len(candles) == 0 {
		return 0, err
	}
	return min(before, candles[0].Start+intervals[longer].length), nil
}

// keep has candles put into their blocks, and what is made of them made anew.
func (f *filler) keep(ctx context.Context, m *market, i int, given []ticker.Candle) error {
	for len(given) > 0 {
		block := intervals[i].block(given[0].Start)
		page := between(given, given[0].Start, intervals[i].begin(block+1))
		job := fill{i, m.symbol, block, page, make(chan error, 1)}
		select {
		case f.h.keeper.fills <- job:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case err := <-job.done:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		given = given[len(page):]
	}
	f.h.figures.forget(m.symbol)
	if i == day {
		return nil
	}
	return f.h.rebuild(ctx, i+1, m.slot)
}

// sound are the candles that begin from one time to another, in the order of time, as
// far as they are candles.
func sound(given []ticker.Candle, in interval, from, to int64) []ticker.Candle {
	var candles []ticker.Candle
	for _, c := range given {
		if c.Start == in.floor(c.Start) && c.Start >= from && c.Start < to && isSound(c) {
			candles = append(candles, c)
		}
	}
	slices.SortStableFunc(candles, func(a, b ticker.Candle) int { return compareStart(a, b.Start) })
	return slices.CompactFunc(candles, func(a, b ticker.Candle) bool { return a.Start == b.Start })
}

func isSound(c ticker.Candle) bool {
	for _, p := range [...]ticker.Decimal{c.Open, c.High, c.Low, c.Close} {
		if len(p) > maxDigits || !p.Positive() || !isDecimal([]byte(p)) || p.Compare(c.High) > 0 || p.Compare(c.Low) < 0 {
			return false
		}
	}
	return true
}
