// Package exchangetest is a stand-in for an exchange: a [Server] on a free port
// of 127.0.0.1 that speaks WebSocket and does what a test tells it, right or
// wrong. Whatever is tested connects to its URL as to the exchange itself.
//
//	s := exchangetest.New(t)
//	… start what is tested, with s.URL() as the exchange's address …
//	c := s.AcceptCoinbase()              // it has connected and subscribed
//	c.Trade("BTC-USD", "84737.58")
//	c.Send("garbage")
//	c.Drop()                             // it will connect again
//	c = s.AcceptCoinbase("ETH-USD")      // and be told that ETH-USD does not exist
//
// A [Conn] knows nothing of any exchange: it sends and receives frames. What an
// exchange documents is a layer on top of it, such as [Coinbase].
//
// What waits, waits ten seconds and then fails the test; it must be called from
// the test's goroutine. What is sent to a client that has gone is lost without
// notice.
package exchangetest
