// Package bus is the one way by which tickerd's parts talk: an embedded NATS
// server, connections to it that cost no socket, and every subject with its
// payload. No other package imports NATS.
//
//	ticker.prices        the tick, byte for byte the client's "ticker" message   feed → gateways
//	ticker.status        Status                                                  feed → gateways
//	ticker.candles.<interval>.<symbol>  a closed candle: {"symbol","interval","data":[t,open,high,low,close]}
//	pricefeed.snapshot   empty, answered with a "ticker" message with every price    anyone → feed
//	pricefeed.status     empty, answered with []Status                               anyone → feed
//	pricefeed.candles    CandlesRequest, answered with CandlesResult             gateway → history
//	pricefeed.stats      empty or StatsRequest, answered with StatsResult        gateway → history
//	pricefeed.alive      Alive, where no tick says so                             feed → feeds, gateways
//	pricefeed.released   Alive, of a feed that publishes no more                 feed → feeds
//	node.<name>.alive    a voter's beat; node.list, .roll and .call: see package cluster  node → nodes
//	node.<name>.edge     the beat of a node without a vote: see there                node → nodes
//	node.<name>.users    how many connections users have there                   gateway → gateways
//	conn.<id>.join       Join, reply = the connection's address                  gateway → handlers, one of which claims it
//	conn.<id>.message    the client's frame as it came, reply = its address      gateway → the handler that holds it
//	conn.<id>.leave      Leave, once for each connection                         gateway → the handler that holds it
//	gateway.<node>.<id>  Answer; this is a connection's address                  handler → gateway
//	auth.exchange        ExchangeRequest, answered with ExchangeResult           gateway → auth
//	auth.exchange.<node> the same, of one node
//	auth.revoked         Revocation                                              auth → gateways
//	auth.revocations     where the last page ended, answered with []Revocation       gateway → auth, now and again
//	auth.keys.<verb>, auth.keys.<verb>.<node>  see package auth                  command line → auth
//	auth.journal.<kind>  see package auth; kept in the stream AUTH               auth → auth of all nodes
//	auth.changed         empty: something was put into that stream               auth → auth of all nodes
//	auth.used            when keys were exchanged: {"<key id>":1700000000,…}     auth → auth of all nodes
//
// Payloads are JSON, so that `nats sub 'ticker.>'` is a debugger. Times are unix
// seconds unless the name says _ms.
//
// # Who may do what
//
// A client of the NATS port that gives no credentials may subscribe to ticker.>
// and do nothing else. The user "operator" may do everything; its password is
// Config.OperatorPassword.
//
// # Who is slow
//
// What the server sends to a part of this process is taken at once and waits in
// the part's own memory. So none of our parts is slow to the server, which would
// hold up who sends, and cut off who does not read; a client of the NATS port is.
// An [Inbox] is read from that memory as fast as its taker can: none of what comes
// at once, when thousands of connections do, is lost.
//
// # The connection's address
//
// A gateway has one subscription, gateway.<node>.*, and gives it as the reply of
// every join and message. Where nobody is there to take one, the server answers
// at once at the same address with "no responders" ([NoResponders]): the
// gateway then knows that the handler is gone, without a time-out.
package bus
