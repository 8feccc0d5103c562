package pricefeed

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"tickerd/bus"
	"tickerd/ticker"
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
	clear(f.told)
	f.tell(time.Now())
	f.log.Info("publishing prices", "source", f.cfg.Source, "symbols", len(f.symbols), "interval", f.cfg.Interval, "term", lease.Term())
}

// turn is one tick. What cannot be published stays changed, and the simulator
// waits until it is: each of its steps is published by itself.
func (f *Feed) turn(now time.Time) {
	f.tell(now)
	if f.simulator != nil && !f.failing.Load() {
		f.simulator.step(now, f.board)
	}
	f.board.take(&f.tick)
	if len(f.tick.prices) == 0 {
		return
	}
	err := f.send(now)
	f.failing.Store(err != nil)
	if err != nil {
		f.board.putBack(&f.tick)
		f.counters.failures.Add(1)
		f.complain("publish prices", err)
	}
}

// send publishes the tick, encoded once and for all clients.
func (f *Feed) send(now time.Time) error {
	seq, err := f.lease.NextSeq()
	if err != nil {
		return err
	}
	tick := ticker.Tick{Seq: seq, TS: stamp(now, f.ts), Data: f.tick.prices}
	f.message.Data = tick.AppendJSON(f.message.Data[:0])
	if err := f.bus.PublishMsg(&f.message); err != nil {
		return err
	}
	f.seq, f.ts = tick.Seq, tick.TS
	for i, p := range f.tick.prices {
		f.published[f.tick.index[i]] = p
	}
	f.counters.ticks.Add(1)
	f.counters.prices.Add(uint64(len(f.tick.prices)))
	return nil
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
