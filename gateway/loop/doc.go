// Package loop drives connections. What a connection is and says is its [Conn]: a
// state machine without a lock, a goroutine, a buffer or a timer of its own. A
// driver gives it what its socket has read, writes what it has to say, and tells
// it the time; never two of these at once.
//
// There are two drivers, and a [Pool] chooses for each socket. On Linux a plain TCP
// socket belongs to one of the loops, of which there is one for each processor: a
// loop waits for all its sockets together, with epoll, and makes raw system calls
// that never block. Whatever else a socket is (TLS in the process, another system)
// is driven by two goroutines, one that reads and one that writes.
//
// Built with the tag "portable", Linux has the second driver alone: the tests pass
// on both.
package loop
