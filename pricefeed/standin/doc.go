// Package standin stands in for three exchanges: a [Server] speaks as Coinbase Exchange,
// Kraken (v2) and Binance Spot do, on one port, so that what takes prices from them can be
// tried without the internet, and can be shown what it will not see there for years.
//
//	ws://…/coinbase    http://…/coinbase/products/BTC-USD/candles?granularity=60
//	ws://…/kraken      http://…/kraken/0/public/OHLC?pair=XBTUSD&interval=1
//	ws://…/binance     http://…/binance/api/v3/klines?symbol=BTCUSDT&interval=1m
//
// Every symbol exists, unless it is said not to. All exchanges trade it around one and the
// same walk (package walk), each a little off it, and at times of its own. What one gets as
// candles is where the prices of the feed were, and where they would have been before.
//
// The exchanges keep to their documents, and hold their clients to them: subscriptions are
// answered, and errors are; there are heartbeats and pings; who connects or sends too often
// is refused; who does not subscribe, says nothing, or does not answer a ping is sent away.
// Where a document leaves a number open, a strict one was taken.
//
// A [Fault] makes an exchange do wrong, from the beginning or by a request:
//
//	curl -d kraken:silence http://…/faults      // from now on
//	curl -X DELETE http://…/faults              // all is well again
//	curl -d drop=1 http://…/faults              // at the next price
package standin
