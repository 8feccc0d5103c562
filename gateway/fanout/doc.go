// Package fanout turns one sequence of ticks into what each of very many
// connections is to be sent, without a queue or a buffer for any of them.
//
// A [Hub] takes every tick once. For each [View] that somebody has (which
// symbols, at which interval) it keeps one stream: a log of encoded WebSocket
// frames that all connections with that view share. A connection is a [Cursor], an
// offset into its stream's log: it writes whatever it has not had, in one call if
// the machine is busy, and starts over from a snapshot when it has fallen so far
// behind that the log no longer keeps what it would need. Nothing that one
// connection does is felt by another.
package fanout
