// Package history keeps candles: what became of each price within every second,
// minute, hour and day, and the figures of the last 24 hours.
//
//	ticker.candles.<interval>.<symbol>  a closed candle: {"symbol","interval","data":[t,open,high,low,close]}      history → anyone
//	pricefeed.candles                   {"symbol","interval","limit","end"}, answered with {"symbol","interval","data":[…]}    anyone → history
//	pricefeed.stats                     empty or {"from"}, answered with {"data":[{"symbol","open","high","low","last",…},…],"next"}  anyone → history
//
// To use it: [Defaults], [Config.Validate], [Open], then [History.Run] for as long as
// the node lives, [History.Add] with every tick, and [History.Fill] beside them where
// there is an exchange to ask for what was before.
//
// # From ticks to candles
//
// A tick belongs to the second of its ts, whatever came before it. So where a clock is
// set back, a candle of that time that has closed is open once more, goes on with the
// new prices, and is published again; what was published of a time that is still to
// come is not shown until then.
//
// [History.Add] touches the open second and no more. Once it has closed, which is with
// the first tick of another or a second later, a minute takes it in, and five minutes a
// minute, an hour these, and a day hours. An interval without a price has no candle.
//
// # Rows and blocks
//
// What closes is put at once, of all symbols together, as one message into the stream
// HISTORY_ROWS: a row. (Where that would be very long it is several.) A symbol's candles are read together, though: so when 512
// intervals are over, their rows are turned, symbol by symbol, into blocks, one message
// each, in the stream HISTORY_<interval>; then the rows go. A page is a few blocks, and
// what is in memory: the rows that are not in blocks yet, and the open candles. A
// start reads the rows, and makes the open candles of them; so even a crash costs no
// more than the open second.
//
//	history.<source>.rows.<interval>                    the rows
//	history.<source>.<interval>.<symbol>.<block>        a block; <block> is its start divided by its length
//	history.<source>.holes.<symbol>                     where the exchange is still to be asked
//
// Candles of another source of prices are another history: a simulator's never stand
// beside an exchange's.
//
// # Holes
//
// The time in which the program did not run is a hole, and so is that in which prices
// were missed while it ran ([History.Missed]). [History.Fill] asks the exchange for what
// happened meanwhile, of the newest first, until it has no more. A candle of ours stays,
// but for being widened by what the exchange says of the same interval.
//
// # The last 24 hours
//
// They are counted in steps of five minutes: the figures are of at least 24 hours, and
// of less than 24 hours and five minutes.
package history
