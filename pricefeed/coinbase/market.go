package coinbase

import (
	"time"

	"tickerd/ticker"
)

// maxAhead is how far the exchange's clock may be ahead of ours. What is beyond
// was not a time of trade.
const maxAhead = time.Minute

// market is what is known of one product.
type market struct {
	symbol   ticker.Symbol
	sequence uint64    // of the newest ticker of this connection; 0: none yet
	time     time.Time // of the newest ticker of all connections
	refused  bool      // by the exchange, in this connection
}

// reconnected forgets what does not hold beyond a connection.
func (m *market) reconnected() {
	m.sequence, m.refused = 0, false
}

// price reads a ticker, unless what came before was newer: by its sequence, or
// where there is nothing to compare that with, by its time. A time that is
// missing or absurd becomes now, the time of receipt.
func (m *market) price(f Frame, now time.Time) (p ticker.Price, newer bool) {
	known := f.Time.Unix() > 0 && f.Time.Before(now.Add(maxAhead))
	ordered := f.Sequence != 0 && m.sequence != 0
	if ordered && f.Sequence <= m.sequence {
		return p, false
	}
	if f.Sequence != 0 {
		m.sequence = f.Sequence
	}
	if known {
		if !ordered && f.Time.Before(m.time) {
			return p, false
		}
		m.time = f.Time
	} else {
		f.Time = now
	}
	m.refused = false
	return ticker.Price{Symbol: m.symbol, Price: f.Price, Timestamp: f.Time.Unix()}, true
}
