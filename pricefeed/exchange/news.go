package exchange

import (
	"fmt"
	"time"

	"tickerd/ticker"
)

const (
	shownOfBad    = 100 // bytes of a bad message that are logged
	shownOfReason = 200 // characters of what an exchange says of an error
)

// Price tells of the last trade of the market of that name. An old trade is counted,
// and one of a market that is not wanted is nothing.
func (c *Conn) Price(name string, t Trade) {
	m := c.client.markets[name]
	if m == nil {
		return
	}
	timestamp, newer := m.take(t, time.Now())
	if !newer {
		c.client.counters.outdated.Add(1)
		return
	}
	for _, s := range m.symbols {
		c.client.sink.Price(ticker.Price{Symbol: s, Price: t.Price, Timestamp: timestamp})
	}
}

// Alive tells that the exchange has sent a sign of life of a market, and no price.
// A market that it refuses has none.
func (c *Conn) Alive(name string) {
	if m := c.client.markets[name]; m != nil && !m.refused {
		c.client.serve(m, true)
	}
}

// Accepted tells that the exchange has taken the subscription to a market: whatever it
// said before, prices will come.
func (c *Conn) Accepted(name string) {
	if m := c.client.markets[name]; m != nil {
		m.refused = false
	}
}

// Refused tells that the exchange does not serve a market, and why.
func (c *Conn) Refused(name, reason string) {
	m := c.client.markets[name]
	if m == nil || m.refused {
		return
	}
	m.refused = true
	c.client.log.Error("the exchange does not serve a market", "symbols", m.symbols, "reason", clip(reason))
	c.client.serve(m, false)
}

// Subscribed tells all markets that are subscribed now. Requests are answered one after
// the other: what was asked for no later than any of these is accepted or refused.
func (c *Conn) Subscribed(names []string) {
	listed := make(map[string]bool, len(names))
	answered := 0
	for _, name := range names {
		listed[name] = true
		answered = max(answered, c.asked[name])
	}
	for _, name := range c.line.names {
		switch {
		case listed[name]:
			c.Accepted(name)
		case 0 < c.asked[name] && c.asked[name] <= answered:
			c.Refused(name, "not among the subscriptions")
		}
	}
}

// Retire tells that the connection should be replaced, for a reason that is no failure.
// It works on until another has taken its place.
func (c *Conn) Retire(reason string) { c.finish(retirement(reason)) }

// Complaint tells of an error that the exchange reports, which is logged now and then.
func (c *Conn) Complaint(reason string) {
	c.client.complaintLog.Do(func() {
		c.client.log.Warn("the exchange reports an error", "reason", clip(reason))
	})
}

// Bad counts a message that made no sense, and logs one now and then.
func (c *Conn) Bad(msg []byte, err error) {
	c.client.counters.bad.Add(1)
	c.client.badLog.Do(func() {
		shown := msg[:min(len(msg), shownOfBad)]
		c.client.log.Warn("bad message from the exchange", "err", err, "message", fmt.Sprintf("%q", shown), "bytes", len(msg))
	})
}

// clip shortens what an exchange says.
func clip(text string) string { return fmt.Sprintf("%.*s", shownOfReason, text) }
