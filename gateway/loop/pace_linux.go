package loop

import (
	"net"
	"syscall"
	"time"
)

// A pace has the send buffer of a pair's socket follow the line, as a link's does.
// Of a socket that Go's poller has it is not told when it is full: a write takes long
// then. One that took long because the machine was busy is taken for another, and
// lets the buffer grow sooner.
type pace struct {
	raw    syscall.RawConn
	began  time.Time
	buffer sendBuffer
	full   bool
}

// leastWait is what a write takes at least that found no room.
const leastWait = time.Millisecond

// newPace gives nil for what is no TCP socket, in the clear or under TLS.
func newPace(sock net.Conn) *pace {
	if outer, ok := sock.(interface{ NetConn() net.Conn }); ok {
		sock = outer.NetConn()
	}
	tcp, ok := sock.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	p := &pace{raw: raw, began: time.Now()}
	p.do(p.buffer.begin)
	return p
}

// wrote takes note of a write, of which all was taken or not.
func (p *pace) wrote(began, ended time.Time, all bool) {
	switch {
	case p == nil || all && !p.full && ended.Sub(began) < leastWait:
		return
	case !p.full:
		p.full = true
		p.buffer.filled(momentAt(began.Sub(p.began)))
	}
	if all {
		p.full = false
		p.do(func(fd int) { p.buffer.drained(fd, momentAt(ended.Sub(p.began))) })
	}
}

// do calls f, unless the socket is closed.
func (p *pace) do(f func(fd int)) { _ = p.raw.Control(func(fd uintptr) { f(int(fd)) }) }
