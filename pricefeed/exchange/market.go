package exchange

import (
	"time"

	"tickerd/ticker"
)

// maxAhead is how far the exchange's clock may be ahead of ours. What is beyond
// was not a time of trade.
const maxAhead = time.Minute

// A Trade is what an exchange says of the last trade of a market.
type Trade struct {
	Price    ticker.Decimal
	Sequence uint64    // grows within a connection, though not by one; 0: not given
	Time     time.Time // zero: not given, or not readable
}

// market is what is known of a market that is wanted.
type market struct {
	symbols []ticker.Symbol // that the exchange's name stands for
	line    *line           // that it is on
	refused bool            // by the exchange, in this connection

	sequence uint64    // of the newest trade of this connection; 0: none yet
	time     time.Time // of the newest trade of all connections, which is never ahead of our clock
}

// reconnected forgets what does not hold beyond a connection.
func (m *market) reconnected() { m.sequence, m.refused = 0, false }

// take takes a trade, and returns its time in unix seconds, unless what came before
// was newer: by its sequence, or where there is nothing to compare that with, by its
// time. A time that is missing or absurd becomes now, the time of receipt.
func (m *market) take(t Trade, now time.Time) (timestamp int64, newer bool) {
	known := t.Time.Unix() > 0 && t.Time.Before(now.Add(maxAhead))
	ordered := t.Sequence != 0 && m.sequence != 0
	if ordered && t.Sequence <= m.sequence {
		return 0, false
	}
	if t.Sequence != 0 {
		m.sequence = t.Sequence
	}
	if known {
		if !ordered && t.Time.Before(m.time) {
			return 0, false
		}
		m.time = t.Time
		if t.Time.After(now) {
			m.time = now // one wrong time holds back nothing that follows
		}
	} else {
		t.Time = now
	}
	m.refused = false
	return t.Time.Unix(), true
}
