package exchange

import "tickerd/ticker"

// A Protocol is what an adapter is made of: how its exchange names markets, is asked
// for them, and tells of them. Its methods return at once, and are called by one
// goroutine at a time.
type Protocol interface {
	// Name is the exchange's name of a symbol's market; symbols may share one.
	Name(s ticker.Symbol) string

	// Request is the message that subscribes to the markets of these names, which
	// are at most Terms.PerRequest, or ends their subscription.
	Request(names []string, subscribe bool) []byte

	// Handle takes a message, and tells c what it says. It keeps nothing of msg. An
	// error gives the connection up; a message that makes no sense is none.
	Handle(c *Conn, msg []byte) error
}
