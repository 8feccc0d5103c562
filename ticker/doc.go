// Package ticker holds the nouns that every part of tickerd shares: a [Symbol]
// ("BTC-USD"), a [Decimal] ("42000.12", digits that never passed through a
// float), a [Price] (a symbol, its last trade and when that was), a [Tick] (the
// prices that changed within one interval, under one sequence number) and
// [Rules] (which symbols a connection wants).
//
// A tick is one JSON object, the same bytes on the bus and at the client:
//
//	{"type":"ticker","seq":173,"ts":1700000000123456,"data":[{"symbol":"BTC-USD","price":42000.12,"timestamp":1700000000}]}
//
// Who makes ticks uses [Tick.AppendJSON]; who passes them on uses [Scan], which
// finds the elements without decoding or copying them.
package ticker
