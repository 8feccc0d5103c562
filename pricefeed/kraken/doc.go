// Package kraken brings in the prices of Kraken: a [Source] subscribes to the channel
// "ticker" of its public WebSocket API, version 2, which needs no key.
//
//	← {"channel":"status","type":"update","data":[{"system":"online","version":"2.0.10",…}]}
//	→ {"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD","XYZ/USD"],"event_trigger":"bbo","snapshot":true}}
//	← {"method":"subscribe","result":{"channel":"ticker","symbol":"BTC/USD",…},"success":true,…}            for each symbol
//	← {"error":"Currency pair not supported XYZ/USD","method":"subscribe","success":false,"symbol":"XYZ/USD",…}
//	← {"channel":"ticker","type":"snapshot","data":[{"symbol":"BTC/USD","last":84737.5,…,"timestamp":"2026-10-03T20:58:33.794283Z"}]}
//	← {"channel":"ticker","type":"update","data":[…]}            when the best bid or offer, or the last trade, has changed
//	← {"channel":"heartbeat"}                                    every second in which there is nothing else
//	→ {"method":"ping"}
//	← {"method":"pong",…}
//	← {"Error":"Exceeded msg rate"}
//
// [Frame.Decode] reads a message. A price is the last trade, with the digits of the JSON
// number. There is no sequence: what is new is decided by the time. That updates come
// with the best bid and offer, and not with trades alone, is a market's sign of life;
// the heartbeat is only the connection's. A symbol that the exchange refuses is reported
// as not served, and the others go on.
//
// The formats are those of https://docs.kraken.com/api/docs/websocket-v2/ticker, /status,
// /heartbeat and /ping, and for candles of
// https://docs.kraken.com/api/docs/rest-api/get-ohlc-data.
package kraken
