// Package walk makes prices up: a random walk that is a function of time. It has no
// state, so that a program that is started anew goes on where another one ended, and the
// history that one asks for is that of the prices which others have seen.
//
// A walk is made from above. The [Span] of all time is split into parts, each of those
// again, down to days, hours, minutes and seconds; a part begins where the one before it
// ended, none leaves the range of the whole, and one of them reaches its high and one its
// low. So the candles of every interval fit together, whatever was looked at first.
package walk
