// Package coinbase brings in the prices of Coinbase Exchange: a [Source]
// subscribes to the channels "ticker" and "heartbeat" of its public WebSocket
// feed, which needs no key, and has the candles of the past from its REST interface.
//
//	→ {"type":"subscribe","product_ids":["BTC-USD"],"channels":["ticker","heartbeat"]}
//	← {"type":"subscriptions","channels":[{"name":"ticker","product_ids":["BTC-USD"]},…]}
//	← {"type":"ticker","sequence":137212619516,"product_id":"BTC-USD","price":"84737.58",…,"time":"2026-10-03T20:58:31.127510Z",…}
//	← {"type":"heartbeat","sequence":137212619517,"product_id":"BTC-USD",…}        every second, for each product
//	← {"type":"error","message":"Failed to subscribe","reason":"XYZ-USD is not a valid product"}
//
// [Decode] reads a message. What it means for a product is decided by its
// sequence, which grows within a connection though not by one, and from one
// connection to the next by its time. A product that the exchange refuses is
// reported as not served, and the others go on.
//
// The formats are those of
// https://docs.cdp.coinbase.com/exchange/websocket-feed/overview, /channels,
// /errors and /rate-limits, and for candles of
// https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproductcandles.
package coinbase
