package exchange

import "tickerd/ticker"

// A Sink takes what an adapter learns. Its methods return at once, whatever
// becomes of the news, without a call of the adapter, and may be called by any
// goroutine.
type Sink interface {
	// Link tells whether there is a connection to the exchange. Nothing is known
	// of any symbol when a connection comes up, and nothing holds when it ends.
	Link(up bool)

	// Heard tells that the exchange has sent a message, whatever is in it.
	Heard()

	// Market tells that the exchange still serves s and has nothing newer (a
	// heartbeat), or that it does not serve s, which holds until it is served again.
	Market(s ticker.Symbol, served bool)

	// Price tells the newest trade of a symbol, which is thereby served.
	Price(p ticker.Price)
}
