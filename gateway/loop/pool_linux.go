//go:build !portable

package loop

import (
	"cmp"
	"errors"
	"net"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// loops are one for each processor.
type loops []*loop

func newLoops() loops {
	ls := make(loops, runtime.GOMAXPROCS(0))
	for i := range ls {
		ls[i] = newLoop()
	}
	return ls
}

// end ends all loops that run, and waits for them.
func (ls loops) end() {
	for _, l := range ls {
		close(l.done)
	}
	for _, l := range ls {
		l.running.Wait()
	}
}

func (ls loops) signal() {
	for _, l := range ls {
		l.grown.Store(true)
		l.wake.Ring()
	}
}

// add gives a plain TCP socket to the loop that has the fewest, and reports false
// for any other.
func (ls loops) add(sock net.Conn, open func(Link) Conn) bool {
	tcp, ok := sock.(*net.TCPConn)
	if !ok {
		return false
	}
	least := slices.MinFunc(ls, func(a, b *loop) int { return cmp.Compare(a.busy(), b.busy()) })
	if least.start() != nil {
		return false // without epoll there is still the other driver
	}
	fd, err := detach(tcp)
	if err != nil {
		return false
	}
	least.add(fd, open)
	return true
}

func (ls loops) each(f func(now time.Time, c Conn)) {
	for _, l := range ls {
		if l.busy() == 0 {
			continue // it may never begin
		}
		l.post(post{nil, func(now time.Time) {
			for _, k := range l.links {
				if k != nil {
					f(now, k.conn)
					l.touch(k)
				}
			}
		}})
	}
}

// detach takes a socket's descriptor away from Go, and its poller.
func detach(sock *net.TCPConn) (fd int, err error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return 0, err
	}
	var dup error
	err = raw.Control(func(own uintptr) {
		fd, dup = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(err, dup); err != nil {
		return 0, err
	}
	_ = sock.Close() // the socket lives on in fd
	return fd, nil
}
