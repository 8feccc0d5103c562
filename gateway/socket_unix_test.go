//go:build unix

package gateway_test

import (
	"errors"
	"syscall"
)

// small makes a socket's buffers small. With a yet smaller one for what comes, the
// kernel often tells of new room only when it is probed, a few times in a second.
func small(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8<<10),
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 1))
	})
	return errors.Join(err, failed)
}
