//go:build !portable

package loop

import (
	"time"

	"golang.org/x/sys/unix"
)

// A link is a connection as its loop holds it. It is owned by the loop.
type link struct {
	loop *loop
	conn Conn
	fd   int   // -1: closed
	slot int32 // in the loop's links

	full    bool // the socket takes nothing more for now
	more    bool // the socket may have more to be read
	touched bool // is in the loop's touched
	again   bool // is in the loop's again
	lost    bool // nothing more can be read
	buffer  sendBuffer

	member
	timer
}

// flush writes what there is to write, as far as the socket takes it.
func (k *link) flush() {
	l := k.loop
	for !k.full && k.fd >= 0 {
		b := k.conn.Next(l.now)
		if len(b) == 0 {
			return
		}
		n, errno := write(k.fd, b)
		l.writes++
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			n = 0
		default:
			k.lose(errno)
			return
		}
		if n < len(b) {
			k.full = true
			k.buffer.filled(l.moment())
		}
		k.conn.Wrote(l.now, n)
	}
}

func (k *link) lose(err error) {
	k.lost, k.more = true, false
	k.conn.Lost(k.loop.now, err)
}

// Post is a [Link]'s.
func (k *link) Post(f func(now time.Time)) { k.loop.post(post{k, f}) }

// CloseWrite is a [Link]'s.
func (k *link) CloseWrite() {
	if k.fd >= 0 {
		_ = unix.Shutdown(k.fd, unix.SHUT_WR) // fails where the client is gone already
	}
}

// Close is a [Link]'s.
func (k *link) Close() {
	if k.fd < 0 {
		return
	}
	_ = unix.Close(k.fd) // epoll forgets it, too
	k.fd = -1
	l := k.loop
	l.links[k.slot] = nil
	l.free = append(l.free, k.slot)
	l.mu.Lock()
	l.load--
	l.mu.Unlock()
}

var _ Link = (*link)(nil)
