// Package replay writes what a server sends into a file, and plays such a file as if
// its prices came now.
//
// A recording has a line for each "ticker" message, as clients get it:
//
//	{"type":"ticker","snapshot":true,"seq":172,"ts":1700000000113456,"data":[{"symbol":"BTC-USD",…},{"symbol":"ETH-USD",…}]}
//	{"type":"ticker","seq":173,"ts":1700000000123456,"data":[{"symbol":"BTC-USD","price":42000.12,"timestamp":1700000000}]}
//
// A snapshot is its beginning, or stands behind a gap. A [Writer] compresses the lines
// with Zstandard, so that zstdcat shows them; a [Player] takes that, gzip and bare
// lines, whatever the file is called. A file that was cut off is good to its last whole
// line.
//
// To play one: [Defaults], [Config.Validate], [NewPlayer], then [Player.Run] for as long
// as the feed lives, and a [Player.Step] each interval.
//
// # Time
//
// Ticks are played at the distances that they were published at ("ts"), divided by the
// speed. One that was published before its predecessor follows it at once, and a pause
// of more than a minute is a pause of a minute. Behind the end, after a tenth of a
// second, comes the beginning.
//
// A price is as old as it was, divided by the speed too: at speed 1 each "timestamp" is
// moved by the same whole seconds. It never goes back, in the next round neither.
package replay
