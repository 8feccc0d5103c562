//go:build unix

package gateway_test

import (
	"errors"
	"syscall"
)

// small makes a socket's buffers as small as they can be.
func small(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1),
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 1))
	})
	return errors.Join(err, failed)
}
