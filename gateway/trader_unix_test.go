//go:build unix

package gateway_test

import (
	"errors"
	"syscall"
)

// tight makes a socket's buffers small, but not so small that what comes does not
// fit: that the kernel would drop, and its sender would wait longer each time.
func tight(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10),
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 1))
	})
	return errors.Join(err, failed)
}
