// Package binance brings in the prices of Binance Spot: a [Source] subscribes to the
// streams "<symbol>@ticker" of its public WebSocket feed, combined, which needs no key.
//
//	→ {"method":"SUBSCRIBE","params":["btcusdt@ticker","ethusdt@ticker"],"id":1}
//	← {"result":null,"id":1}                                     whether or not there is such a symbol
//	← {"error":{"code":2,"msg":"Invalid request: …"},"id":1}     or without the envelope
//	← {"stream":"btcusdt@ticker","data":{"e":"24hrTicker","E":1791061111127,"s":"BTCUSDT","c":"84737.58000000",…}}
//	← {"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1791061111127}}
//
// [Decode] reads a message. Its members differ by case: "c" is the last price, "C" the
// end of the day that the statistics are of. There is no sequence: what is new is decided
// by the time of the event, "E". A symbol that does not exist is subscribed like any
// other, and nothing comes of it.
//
// The exchange has no market in US dollars. Config.QuoteAlias says which of its quotes
// stands for another: with "USD=USDT" the symbol BTC-USD is the market BTCUSDT, whose
// price is that in Tether.
//
// A connection has 1024 streams at most, and lives for 24 hours. So there are as many
// connections as it takes, and each is replaced before its time, or when the exchange
// announces its end, by one that works already. Messages of 4096 bytes and more, the
// exchange does not read.
//
// The formats are those of
// https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams, and for
// candles of https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints.
package binance
