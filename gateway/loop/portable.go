package loop

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"tickerd/gateway/bell"
	"tickerd/gateway/fanout"
)

const (
	// pieceSize is how much is read, and written, at once: between two pieces what
	// comes next can be chosen anew.
	pieceSize = 4 << 10

	// writePatience is how often it is looked how much of a piece was taken.
	writePatience = 250 * time.Millisecond
)

// portable drives each connection by two goroutines, one that reads and one that
// writes.
type portable struct {
	wake    bell.Bell // a stream may have grown
	running sync.WaitGroup

	mu    sync.Mutex
	links map[*pair]struct{}
}

// A pair is a connection as its two goroutines hold it.
type pair struct {
	owner *portable
	sock  net.Conn
	pace  *pace     // nil: the system's
	wake  bell.Bell // there may be something to write

	mu     sync.Mutex
	conn   Conn
	room   sync.Cond // Full may have changed
	alarm  *time.Timer
	closed bool
	lost   bool
	stream *fanout.Stream // as of the last time that nothing was left to write
	seen   int64          // and how far it had grown
}

func newPortable() *portable {
	return &portable{wake: bell.New(), links: map[*pair]struct{}{}}
}

// run wakes whose stream has grown, until done is closed. It ends when all
// connections have.
func (p *portable) run(done <-chan struct{}) {
	for {
		select {
		case <-p.wake:
			for _, k := range p.all() {
				k.signalGrown()
			}
		case <-done:
			for _, k := range p.all() {
				k.do(func(time.Time) { k.Close() })
			}
			p.running.Wait()
			return
		}
	}
}

func (p *portable) all() []*pair {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]*pair, 0, len(p.links))
	for k := range p.links {
		list = append(list, k)
	}
	return list
}

// add takes over a socket.
func (p *portable) add(sock net.Conn, open func(Link) Conn) {
	_ = sock.SetDeadline(time.Time{}) // fails where it is closed already
	k := &pair{owner: p, sock: sock, pace: newPace(sock), wake: bell.New()}
	k.room.L = &k.mu
	k.mu.Lock() // whoever finds it waits until it is open
	p.mu.Lock()
	p.links[k] = struct{}{}
	p.mu.Unlock()
	k.alarm = time.AfterFunc(longest, func() { k.do(func(time.Time) {}) })
	k.conn = open(k)
	k.tend(time.Now())
	k.mu.Unlock()

	p.running.Go(func() {
		var reading sync.WaitGroup
		reading.Go(k.read)
		k.write()
		reading.Wait()
		p.mu.Lock()
		delete(p.links, k)
		p.mu.Unlock()
	})
}

// do calls f, and tends the connection.
func (k *pair) do(f func(now time.Time)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	f(now)
	k.tend(now)
}

// tend is called under the mutex after whatever has happened.
func (k *pair) tend(now time.Time) {
	next := k.conn.Tend(now)
	if next.IsZero() {
		k.alarm.Stop()
	} else {
		k.alarm.Reset(max(next.Sub(now), 0))
	}
	k.room.Broadcast()
	k.wake.Ring()
}

// signalGrown signals if the stream has grown since all of it was written.
func (k *pair) signalGrown() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stream != nil && k.stream.Head() != k.seen {
		k.wake.Ring()
	}
}

// read gives the connection what the client sends.
func (k *pair) read() {
	buf := make([]byte, pieceSize)
	for k.wants() {
		n, err := k.sock.Read(buf)
		k.do(func(now time.Time) {
			if n > 0 && !k.closed && !k.lost {
				k.conn.Receive(now, buf[:n])
			}
			if err != nil {
				k.lose(now, err)
			}
		})
		if err != nil {
			return
		}
	}
}

// wants waits until the connection wants to be read; it never will again once it
// has ended.
func (k *pair) wants() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for !k.closed && !k.lost && k.conn.Full() {
		k.room.Wait()
	}
	return !k.closed && !k.lost
}

// write writes what there is to write until the connection has ended.
func (k *pair) write() {
	for {
		b, open := k.next()
		if !open {
			return
		}
		if len(b) == 0 {
			<-k.wake
			continue
		}
		piece := b[:min(len(b), pieceSize)]
		began := time.Now()
		n, err := k.writePiece(piece)
		k.pace.wrote(began, time.Now(), n == len(piece))
		k.do(func(now time.Time) {
			if k.closed {
				return
			}
			k.conn.Wrote(now, n)
			if err != nil {
				k.lose(now, err)
			}
		})
	}
}

// writePiece writes for a while. Over TLS a write that has timed out is the last:
// there it is only known of whole pieces that the client has taken them.
func (k *pair) writePiece(b []byte) (n int, err error) {
	if _, secure := k.sock.(*tls.Conn); secure {
		return k.sock.Write(b)
	}
	if err := k.sock.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return 0, err
	}
	n, err = k.sock.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}

// next is what the connection has to write; not once it has ended.
func (k *pair) next() (b []byte, open bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, false
	}
	for {
		if k.stream = k.conn.Stream(); k.stream != nil {
			k.seen = k.stream.Head() // before Next says that there is nothing
		}
		now := time.Now()
		b = k.conn.Next(now)
		switch {
		case k.closed:
			k.tend(now)
			return nil, false
		case len(b) > 0 || k.conn.Stream() == k.stream:
			return b, true
		}
	}
}

// lose is called under the mutex.
func (k *pair) lose(now time.Time, err error) {
	if !k.closed {
		k.lost = true
		k.conn.Lost(now, err)
	}
}

// Post is a [Link]'s.
func (k *pair) Post(f func(now time.Time)) { k.do(f) }

// CloseWrite is a [Link]'s.
func (k *pair) CloseWrite() {
	if half, ok := k.sock.(interface{ CloseWrite() error }); ok && !k.closed {
		// Beside the mutex, for over TLS it writes. It fails where the client is gone.
		k.owner.running.Go(func() { _ = half.CloseWrite() })
	}
}

// Close is a [Link]'s.
func (k *pair) Close() {
	if k.closed {
		return
	}
	k.closed = true
	// Beside the mutex, for TLS says goodbye first and may have to wait for that.
	k.owner.running.Go(func() { _ = k.sock.Close() })
	k.room.Broadcast()
	k.wake.Ring()
}

var _ Link = (*pair)(nil)
