package gateway

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// notSent is how much may wait in the kernel unsent before a socket counts as
// full: what is to be sent is chosen when it can be sent.
const notSent = 4 << 10

// control sets up a socket that will listen, perhaps together with other processes,
// and so those that are accepted there: fresh prices rather than queued ones, and an
// end when nothing that was sent is acknowledged for writeTimeout.
func control(reuse bool) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var set error
		err := c.Control(func(own uintptr) {
			fd := int(own)
			set = errors.Join(
				unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSent),
				unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(writeTimeout.Milliseconds())))
			if reuse {
				set = errors.Join(set, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
			}
		})
		return errors.Join(err, set)
	}
}
