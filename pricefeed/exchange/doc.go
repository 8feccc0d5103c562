// Package exchange is what the adapters of all exchanges share. A [Client] keeps
// WebSocket connections up and is polite about it, and puts what is said into a [Sink];
// [REST] asks for what has been before.
//
// An adapter is a [Protocol]: names, requests, and what messages mean. The rest is the
// client's, within the [Terms] of the exchange: when to connect, and how many times; what
// to ask for, over which connection, when what is wanted has changed; which price is
// newer.
//
//	client := exchange.NewClient(url, exchange.Terms{…}, protocol{}, log)
//	client.Subscribe(symbols)
//	err := client.Run(ctx, sink)
//
//	func (protocol) Handle(c *exchange.Conn, msg []byte) error {
//		f, err := decode(msg)
//		switch {
//		case err != nil:
//			c.Bad(msg, err)
//		case f.isTrade():
//			c.Price(f.market, exchange.Trade{Price: f.price, Time: f.time})
//		}
//		return nil
//	}
//
// # Connections
//
// A line is one connection, and those after it. Where an exchange bounds the markets
// of a connection there are several; what one of them loses is not served, and the others
// go on. A connection fails when the exchange ends it, says nothing for too long, or
// breaks the protocol; then the next waits, longer each time, up to a minute. One that
// ends as planned, because it is old or the exchange asks for it, works on until the next
// has taken its place: there is no gap, and what both say is said once.
package exchange
