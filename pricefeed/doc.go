// Package pricefeed brings prices in and publishes them: a [Feed] takes them from
// one source or several, keeps the newest of each symbol, and every interval (10 ms)
// puts what has changed into one message.
//
//	ticker.prices       the tick, with the headers Tickerd-Node and Tickerd-Term        feed → gateways
//	ticker.status       bus.Status, when symbols turn live, stale or down               feed → gateways
//	pricefeed.snapshot  empty, answered with a "ticker" message of every known price    gateway → feed
//	pricefeed.status    empty, answered with a list of bus.Status                       gateway → feed
//
// To use it: [Defaults], [Config.Validate], [New], then [Feed.Run] for as long as
// the node lives; [Feed.Subscribe], [Feed.Ready] and [Feed.Stats] at any time.
//
// # Sources
//
// An exchange's adapter (pricefeed/coinbase, kraken, binance) is a [Source]: it pushes
// prices, as they come, onto a board of its own. The simulator and a recording
// (pricefeed/replay) are played by the feed, a step for each tick, so that no two of
// their steps ever become one. Prices are decimal digits from end to end, never a
// float.
//
// A further exchange is a package beside coinbase on top of pricefeed/exchange,
// a name in config.go, and a line in open.go. Its tests connect it to
// pricefeed/exchangetest.
//
// # One price of several
//
// With the source "composite" the price of a symbol is the median of what those
// exchanges say that are live, without those that are far from it. Who stands behind
// it is told in the status of the composite; the states of the exchanges are told as
// those of its parts.
//
// # What a change is
//
// A symbol has changed when its element in the tick would read otherwise: another
// price, other digits, or a trade in another second. A further trade at the same
// price in the same second says nothing new and is not published.
//
// # Freshness
//
// A symbol is live when the exchange has, over the present connection, sent a
// price or a heartbeat of it within stale_after; otherwise stale; and down while
// there is no connection or the exchange refuses the symbol. A new connection
// changes nothing by itself: symbols stay down until they are heard of. Prices of
// symbols that are not live are not published; what came in the meantime is, when
// they are live again. The simulator's symbols are always live, without a word.
package pricefeed
