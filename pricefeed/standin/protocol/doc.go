// Package protocol is what three exchanges and their clients say to each other about
// prices, as the exchanges document it, with every field: a type for each message, which
// encoding/json writes as the exchange does.
//
// Where an exchange gives a number as a number, the type has a [json.Number], and where
// it gives it in a string, a string: digits stay as they are.
//
// The documents are
// https://docs.cdp.coinbase.com/exchange/websocket-feed/channels,
// https://docs.kraken.com/api/docs/websocket-v2/ticker and
// https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams.
package protocol
