package standin

import (
	"slices"
	"time"
)

// A channel is a kind of topic.
type channel struct {
	name   string
	prices bool
	every  time.Duration // prices: when they have changed; 0: with each trade
}

// A topic is what a client subscribes: a channel of a market.
type topic struct {
	channel channel
	market  *market
	conns   []*conn
	next    time.Time // when something is to be said, if not with each trade
	told    uint64    // the last trade of which something was said
}

type topicKey struct{ channel, market string }

// subscribe lets c have a channel of a market.
func (v *venue) subscribe(c *conn, ch channel, m *market) *topic {
	key := topicKey{ch.name, m.name}
	t := v.topics[key]
	now := time.Now()
	if t == nil {
		t = &topic{channel: ch, market: m, next: now.Add(time.Duration(v.random.Int64N(int64(ch.every) + 1)))}
		v.topics[key] = t
	}
	if m.quote.at.IsZero() {
		m.step(now, v.faults.shift, v.random)
	}
	if !slices.Contains(t.conns, c) {
		t.conns = append(t.conns, c)
		c.topics = append(c.topics, t)
		v.changed = true
	}
	return t
}

// unsubscribe ends what c has, and reports whether it had it.
func (v *venue) unsubscribe(c *conn, ch channel, name string) bool {
	t := v.topics[topicKey{ch.name, name}]
	if t == nil || !slices.Contains(t.conns, c) {
		return false
	}
	c.topics = slices.DeleteFunc(c.topics, func(held *topic) bool { return held == t })
	v.release(t, c)
	return true
}

func (v *venue) release(t *topic, c *conn) {
	t.conns = slices.DeleteFunc(t.conns, func(other *conn) bool { return other == c })
	if len(t.conns) == 0 {
		delete(v.topics, topicKey{t.channel.name, t.market.name})
	}
	v.changed = true
}

// regroup finds anew what is traded, and what is to be said when.
func (v *venue) regroup() {
	if !v.changed {
		return
	}
	v.changed = false
	v.trading, v.timed = v.trading[:0], v.timed[:0]
	for _, m := range v.markets {
		m.live = m.live[:0]
	}
	wanted := map[*market]bool{}
	for _, t := range v.topics {
		switch {
		case t.channel.every > 0:
			v.timed = append(v.timed, t)
		default:
			t.market.live = append(t.market.live, t)
		}
		if t.channel.prices && !wanted[t.market] {
			wanted[t.market] = true
			v.trading = append(v.trading, t.market)
		}
	}
}
