package floor

import (
	"bytes"
	"context"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// goodbyeSize has room for a client's close frame: what was not read would reset the
// connection.
const goodbyeSize = 2 + 4 + ws.MaxControlFramePayloadSize

// A bare is a floor of mode [Bare].
type bare struct {
	watching sync.WaitGroup

	// Owned by run.
	sockets []*socket
	tick    template

	mu   sync.Mutex
	came []*socket
	gone []*socket // those that were closed, or said anything
}

// A socket is a client. Only run writes to it, and closes it.
type socket struct {
	conn  *net.TCPConn
	fd    int
	place int    // among the sockets
	rest  []byte // of a frame of which the socket took a part
}

func newBare() (*bare, error) { return &bare{}, nil }

func (b *bare) add(conn *net.TCPConn) {
	s := &socket{conn: conn}
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { s.fd = int(fd) }) // valid until run closes conn
	}
	if err != nil {
		_ = conn.Close()
		return
	}
	b.mu.Lock()
	b.came = append(b.came, s)
	b.mu.Unlock()
	b.watching.Go(func() {
		_, _ = conn.Read(make([]byte, goodbyeSize))
		b.mu.Lock()
		defer b.mu.Unlock()
		b.gone = append(b.gone, s)
	})
}

// run writes each tick to all sockets. A tick that was due while the one before was
// still being written is stamped with the time at which a publisher beside this
// loop would have published it.
func (b *bare) run(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var p pace
	var stamp time.Time
	for seq := uint64(1); ; seq++ {
		now, overdue, ok := p.next(ctx)
		if !ok {
			break
		}
		b.welcome(greetingAt(seq-1, now))
		at := now.Add(-overdue)
		if earliest := stamp.Add(time.Microsecond); at.Before(earliest) { // the one before was late itself
			at = earliest
		}
		stamp = at
		f := b.tick.set(seq, at)
		for _, s := range b.sockets {
			s.send(f)
		}
	}
	b.welcome(nil)
	for _, s := range b.sockets {
		_ = s.conn.Close()
	}
	b.watching.Wait()
}

// welcome greets those who came since the last tick, and closes those who left.
func (b *bare) welcome(greeting []byte) {
	b.mu.Lock()
	came, gone := b.came, b.gone
	b.came, b.gone = nil, nil
	b.mu.Unlock()
	for _, s := range came {
		s.place = len(b.sockets)
		b.sockets = append(b.sockets, s)
		s.send(greeting)
	}
	for _, s := range gone {
		_ = s.conn.Close()
		last := len(b.sockets) - 1
		b.sockets[s.place] = b.sockets[last]
		b.sockets[s.place].place = s.place
		b.sockets[last] = nil
		b.sockets = b.sockets[:last]
	}
}

// send writes a frame, behind what is left of the one before. If the socket takes
// nothing of it, the client misses it.
func (s *socket) send(frame []byte) {
	if len(s.rest) > 0 {
		if s.rest = s.rest[write(s.fd, s.rest):]; len(s.rest) > 0 {
			return
		}
	}
	if n := write(s.fd, frame); 0 < n && n < len(frame) {
		s.rest = bytes.Clone(frame[n:])
	}
}

// write gives how much the socket has taken: nothing where it is full, or broken,
// of which its reader hears.
func write(fd int, p []byte) int {
	if len(p) == 0 {
		return 0
	}
	// Raw, for it never blocks.
	n, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if errno != 0 {
		return 0
	}
	return int(n)
}
