package pricefeed

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tickerd/bus"
	"tickerd/ticker"
)

// maxTick is how long a tick becomes, in bytes, far below the 1 MiB of a message of
// NATS. What does not fit is a tick of its own.
const (
	maxTick = 256 << 10
	maxHead = 128 // before and behind the prices
)

// publish is the feed's one loop: every tick, and every answer between two ticks.
func (f *Feed) publish(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case lease := <-f.leases:
		f.hold(lease)
	}
	requests := make(chan *bus.Msg, maxRequests)
	for _, subject := range []string{bus.PriceSnapshot, bus.PriceStatus} {
		sub, err := f.bus.SubscribeChan(subject, requests)
		if err != nil {
			return fmt.Errorf("price feed: subscribe %s: %w", subject, err)
		}
		defer f.unsubscribe(sub)
	}
	pace := newPace(f.cfg.Interval)
	defer pace.stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case lease := <-f.leases:
			f.hold(lease)
		case symbols := <-f.lists:
			f.list(symbols)
		case m := <-requests:
			f.answer(m)
		case <-pace.C:
			now := time.Now()
			if pace.advance(now) {
				f.counters.late.Add(1)
			}
			f.turn(now)
		}
	}
}

// hold makes lease the one to publish under. Others may have told something else
// meanwhile: all states are told again.
func (f *Feed) hold(lease *bus.Lease) {
	f.lease = lease
	f.message.Header[bus.HeaderTerm] = []string{strconv.FormatUint(lease.Term(), 10)}
	f.untold = true
	f.watch(time.Now())
	f.log.Info("publishing prices", "source", f.cfg.Source, "symbols", len(f.symbols), "interval", f.cfg.Interval, "term", lease.Term())
}

// turn is one tick. What cannot be published waits, and the player with it: each of
// its steps is published by itself.
func (f *Feed) turn(now time.Time) {
	if f.player != nil && !f.failing.Load() {
		f.player.Step(now, f.origins[0].board)
	}
	f.watch(now)
	f.collect()
	for len(f.batch) > 0 {
		err := f.send(now)
		f.failing.Store(err != nil)
		if err != nil {
			f.counters.failures.Add(1)
			f.complain("publish prices", err)
			return
		}
	}
}

// collect makes a batch of what the next tick has to say: of the waiting symbols the
// prices that are live and would read otherwise. The others wait no longer.
func (f *Feed) collect() {
	f.batch = f.batch[:0]
	waiting := f.waiting
	f.waiting = f.waiting[:0]
	for n, i := range waiting {
		m, v := &f.markets[i], f.verdicts[n]
		m.waits = false
		if v.state != bus.Live || v.price.Price == "" {
			continue
		}
		v.price.Timestamp = max(v.price.Timestamp, m.price.Timestamp)
		if v.price != m.price {
			m.waits = true
			f.waiting = append(f.waiting, i)
			f.batch = append(f.batch, v.price)
		}
	}
}

// send publishes a tick of the first prices of the batch, encoded once and for all
// clients, and takes them out of it.
func (f *Feed) send(now time.Time) error {
	seq, err := f.lease.NextSeq()
	if err != nil {
		return err
	}
	n := fit(f.batch)
	tick := ticker.Tick{Seq: seq, TS: stamp(now, f.ts), Data: f.batch[:n]}
	f.message.Data = tick.AppendJSON(f.message.Data[:0])
	if err := f.bus.PublishMsg(&f.message); err != nil {
		return err
	}
	if f.history != nil {
		f.history.Add(tick)
	}
	f.seq, f.ts = tick.Seq, tick.TS
	for k, i := range f.waiting[:n] {
		f.markets[i].price, f.markets[i].waits = f.batch[k], false
	}
	f.batch, f.waiting = slices.Delete(f.batch, 0, n), slices.Delete(f.waiting, 0, n)
	f.counters.ticks.Add(1)
	f.counters.prices.Add(uint64(n))
	return nil
}

// fit is how many of prices a tick takes, one at least.
func fit(prices []ticker.Price) int {
	const around = len(`{"symbol":"","price":,"timestamp":},`) + 20
	size := maxHead
	for n, p := range prices {
		if size += around + len(p.Symbol) + len(p.Price); size > maxTick && n > 0 {
			return n
		}
	}
	return len(prices)
}

// stamp is the time of a tick after one of last, in unix µs: the clock's, but
// for a clock that was set back a little, whose time is waited for.
func stamp(now time.Time, last int64) int64 {
	ts := now.UnixMicro()
	if ts <= last && last-ts < time.Second.Microseconds() {
		return last + 1
	}
	return ts
}

// complain logs a failure of what is tried a hundred times a second.
func (f *Feed) complain(what string, err error) {
	f.trouble.Do(func() { f.log.Error(what, "err", err) })
}

func (f *Feed) unsubscribe(sub *bus.Subscription) {
	if err := sub.Unsubscribe(); err != nil {
		f.log.Debug("unsubscribe", "err", err) // the connection has ended, and all its subscriptions
	}
}
