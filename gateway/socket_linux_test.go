package gateway_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"tickerd/gateway"
)

// A socket that is accepted has what the listener's was set up with.
func TestAcceptedSocket(t *testing.T) {
	l, err := gateway.Bind(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	sock, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	raw, err := sock.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		for name, option := range map[string]struct{ level, name, want int }{
			"TCP_NODELAY":       {unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			"TCP_NOTSENT_LOWAT": {unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 4 << 10},
			"TCP_USER_TIMEOUT":  {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 30_000},
			"SO_KEEPALIVE":      {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0},
		} {
			if got, err := unix.GetsockoptInt(int(fd), option.level, option.name); err != nil || got != option.want {
				t.Errorf("%s is %d, %v, want %d", name, got, err, option.want)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
