//go:build !linux

package gateway

import (
	"errors"
	"net"
	"syscall"
)

// tune leaves a client's socket as the system makes it.
func tune(net.Conn) error { return nil }

func reusePort(string, string, syscall.RawConn) error {
	return errors.New("reuse_port works on Linux only")
}
