package gateway

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// notSent is how much may wait in the kernel unsent before a socket counts as
// full: what is to be sent is chosen when it can be sent.
const notSent = 4 << 10

// tune sets a client's socket up: fresh prices rather than queued ones, and an
// end when nothing that was sent is acknowledged for writeTimeout.
func tune(sock net.Conn) error {
	tcp, ok := sock.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSent)
		if set == nil {
			set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(writeTimeout.Milliseconds()))
		}
	})
	if err != nil {
		return err
	}
	return set
}

// reusePort lets other processes listen on the same port.
func reusePort(_, _ string, c syscall.RawConn) error {
	var set error
	err := c.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	if err != nil {
		return err
	}
	return set
}
