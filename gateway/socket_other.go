//go:build !linux

package gateway

import (
	"errors"
	"syscall"
)

// control leaves sockets as the system makes them.
func control(reuse bool) func(network, address string, c syscall.RawConn) error {
	return func(string, string, syscall.RawConn) error {
		if reuse {
			return errors.New("reuse_port works on Linux only")
		}
		return nil
	}
}
