package bench

import (
	"errors"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A state is how far a socket is.
type state uint8

const (
	closedState state = iota // there is no socket
	connecting               // it is being connected
	asking                   // the handshake's answer is waited for
	reading                  // it has messages
	holding                  // it is open, and not read
	leaving                  // a close frame was sent; the server is to close
)

// A sock is a client's socket.
type sock struct {
	kept  *[maxRest]byte // what was received and is not complete; nil: nothing
	fd    int32          // -1: none
	turn  uint32         // how many sockets the client has had
	rest  uint8          // how many bytes are kept
	state state
}

// dialSocket begins a connection from source, if that is valid, to addr.
func dialSocket(source netip.Addr, addr netip.AddrPort) (fd int, err error) {
	family := unix.AF_INET
	if !addr.Addr().Is4() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if source.IsValid() {
		// A port is chosen when the other end is known: it may then be in use towards
		// other ends.
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return -1, err
		}
		if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(source, 0))); err != nil {
			return -1, err
		}
	}
	if err := unix.Connect(fd, sockaddr(addr)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return -1, err
	}
	return fd, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// The calls of the hot path do not block, so the scheduler need not know of them.

// read reads what is there, 0 bytes at the end. EINTR counts as nothing there.
func read(fd int32, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	switch errno {
	case 0:
		return int(n), 0
	case unix.EINTR:
		return 0, unix.EAGAIN
	}
	return 0, errno
}

// write writes as much as there is room for.
func write(fd int32, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// epollNow returns how many events there are.
func epollNow(fd int, events []unix.EpollEvent) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
