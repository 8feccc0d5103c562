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

// aliveEvery is after how long without a tick is told who publishes, give or take half of
// it.
const aliveEvery = 250 * time.Millisecond

// publish is the feed's one loop: every tick, and every answer between two ticks. While
// another node publishes it follows the sources all the same, and tells nothing.
func (f *Feed) publish(ctx context.Context) error {
	defer close(f.ended)
	defer f.drop()
	pace := newPace(f.cfg.Interval)
	defer pace.stop()
	beat := time.NewTicker(aliveEvery / 2) // ticks may be a second apart
	defer beat.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case lease := <-f.leases:
			f.drop()
			if lease == nil {
				continue
			}
			if err := f.hold(lease); err != nil {
				return err
			}
		case symbols := <-f.lists:
			f.list(symbols)
		case m := <-f.requests.C:
			f.answer(m)
		case <-pace.C:
			last = f.wake(last)
			if pace.advance(last) {
				f.counters.late.Add(1)
			}
			f.turn(last)
		case <-beat.C:
			last = f.wake(last)
			if !f.failing.Load() { // what cannot be published is another node's to take over
				f.sayAlive(last)
			}
		}
	}
}

// wake gives the lease up where this node has done nothing since last for so long that it
// stood still, and is the time now.
func (f *Feed) wake(last time.Time) (now time.Time) {
	now = time.Now()
	if pause := now.Sub(last); pause > standstill {
		if pause > f.cfg.StaleAfter {
			f.missAll(last, now)
		}
		f.doubt()
	}
	return now
}

// hold makes lease the one to publish under. Others may have told something else
// meanwhile: all states are told again, and all prices.
func (f *Feed) hold(lease *bus.Lease) error {
	if err := f.requests.open(f.bus); err != nil {
		return fmt.Errorf("price feed: %w", err)
	}
	f.lease = lease
	f.term.Store(lease.Term())
	f.message.Header[bus.HeaderTerm] = []string{strconv.FormatUint(lease.Term(), 10)}
	f.goOn()
	f.untold = true
	f.watch(time.Now())
	f.log.Info("publishing prices", "source", f.cfg.Source, "symbols", len(f.symbols), "interval", f.cfg.Interval, "term", lease.Term())
	return nil
}

// goOn begins where another node has ended.
func (f *Feed) goOn() {
	prices, ts := f.heard.last()
	f.ts = max(f.ts, ts)
	for i := range f.markets {
		m := &f.markets[i]
		m.price.Price = "" // it is published anew
		if p, known := prices[f.symbols[i]]; known {
			m.price.Timestamp = max(m.price.Timestamp, p.Timestamp)
		}
	}
	if s, ok := f.player.(*simulator); ok {
		s.goOn(prices)
	}
}

// drop ends what hold has begun.
func (f *Feed) drop() {
	f.lease = nil
	f.term.Store(0)
	f.requests.close(f.unsubscribe)
}

// doubt gives the lease up after a standstill: where there are other nodes, one of them
// may have it by now.
func (f *Feed) doubt() {
	if f.lease == nil || f.peers == (alone{}) {
		return
	}
	f.drop()
	select {
	case f.doubts <- struct{}{}:
	default:
	}
}

// turn is one tick. What cannot be published waits, and the player with it: each of
// its steps is published by itself.
func (f *Feed) turn(now time.Time) {
	if f.lease == nil {
		f.watch(now)
		f.rest()
		return
	}
	if f.player != nil && !f.failing.Load() {
		f.player.Step(now, f.origins[0].board)
	}
	f.watch(now)
	f.collect()
	for len(f.batch) > 0 {
		err := f.send(now)
		failed := f.failing.Swap(err != nil)
		if err != nil {
			f.counters.failures.Add(1)
			f.complain("publish prices", err)
			return
		}
		if failed && now.Sub(f.spoke) > standstill {
			f.missAll(f.spoke, now)
		}
		f.spoke = now
	}
	f.sayAlive(now)
}

// sayAlive says who publishes, if nothing was published for a while.
func (f *Feed) sayAlive(now time.Time) {
	if f.lease == nil || now.Sub(f.spoke) < aliveEvery {
		return
	}
	if err := f.bus.PublishJSON(bus.PublisherAlive, bus.Alive{Node: f.node, Term: f.lease.Term(), Seq: f.seq}); err != nil {
		f.complain("publish "+bus.PublisherAlive, err)
		return
	}
	f.spoke = now
}

// rest has nothing wait, for hold has everything wait anew.
func (f *Feed) rest() {
	for _, i := range f.waiting {
		f.markets[i].waits = false
	}
	f.waiting = f.waiting[:0]
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
