package loop

import (
	"time"

	"tickerd/gateway/fanout"
)

// A Conn is one connection's side of the protocol. Its driver calls the methods,
// and the functions that were posted to its [Link], never two at once. None may
// block.
type Conn interface {
	// Receive takes what the client has sent. P is the driver's.
	Receive(now time.Time, p []byte)

	// Lost is called when nothing can be read any more: io.EOF says that the client
	// has ended its side, and may still read; anything else, that the socket failed,
	// and then the connection has to Close.
	Lost(now time.Time, err error)

	// Next gives what is to be written now, if anything. It must not change until
	// Wrote has told how much of it the socket has taken: none, where it is full.
	Next(now time.Time) []byte
	Wrote(now time.Time, n int)

	// Stream is what the connection follows: Next is asked when that has grown. It
	// may be nil.
	Stream() *fanout.Stream

	// Full reports whether nothing is to be read for now.
	Full() bool

	// Tend does what the time has come for, and gives the time at which it wants to
	// be called next; the zero Time: none. It is called first of all, and after
	// whatever else happens but the writing of a stream.
	Tend(now time.Time) (next time.Time)
}

// A Link is what a Conn knows of its driver.
type Link interface {
	// Post has f called, in the order in which it was posted. Anybody may call it,
	// at any time, but the functions that the driver calls.
	Post(f func(now time.Time))

	// CloseWrite tells the client that nothing more comes. Close ends the socket:
	// from then on only Tend is called, and what is posted. Both are for the
	// functions that the driver calls.
	CloseWrite()
	Close()
}

// longest bounds a driver's sleep.
const longest = time.Hour
