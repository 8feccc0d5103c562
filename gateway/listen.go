package gateway

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// The limits of a request's head.
const (
	headTimeout = 10 * time.Second
	maxHead     = 16 << 10 // bytes
)

// accept takes connections until the listener is closed. One that is out of
// descriptors waits and goes on.
func (g *Gateway) accept() {
	pause := time.Duration(0)
	for {
		sock, err := g.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			g.log.Warn("accept", "err", err, "retry_in", pause)
			time.Sleep(pause)
			continue
		}
		pause = 0
		if !g.meet(sock) {
			sock.Close()
			return
		}
		go g.greet(sock) // ended and waited for by shut
	}
}

// greet reads the beginning of a connection's first request and gives it to who
// it is for: the stream's upgrade is done here, on the raw connection, at a
// fraction of the cost of net/http, which gets everything else.
func (g *Gateway) greet(sock net.Conn) {
	defer g.serving.Done()
	// What goes to net/http has deadlines of its own there.
	_ = sock.SetDeadline(time.Now().Add(headTimeout))
	room := g.heads.Get().(*headRoom)
	defer g.heads.Put(room)
	b, forStream, err := readHead(sock, room[:0])
	g.met(sock)
	switch {
	case errors.Is(err, errHeadTooLarge):
		g.refuse(sock, "", refuseHead)
	case err != nil:
		sock.Close()
	case forStream:
		g.upgradeRaw(sock, b)
	default:
		_ = sock.SetDeadline(time.Time{})
		g.plain.give(&unread{Conn: sock, rest: bytes.Clone(b)})
	}
}

// meet remembers a connection so that it can be ended while it says nothing. It
// reports false when nobody is served any more.
func (g *Gateway) meet(sock net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.serving.Add(1)
	g.greeting[sock] = struct{}{}
	return true
}

func (g *Gateway) met(sock net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.greeting, sock)
}

const errHeadTooLarge = Error("request head too large")

// headEnd stands behind a head's last line.
var headEnd = []byte("\r\n\r\n")

// headRoom has room for most heads.
type headRoom [1 << 10]byte

// readHead reads, into room if there is enough, until it is known whom the request
// is for. For the stream it reads the whole head; b may hold more than that.
func readHead(sock net.Conn, room []byte) (b []byte, forStream bool, err error) {
	b = room
	for {
		if len(b) >= maxHead {
			return nil, true, errHeadTooLarge
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := sock.Read(b[len(b):min(cap(b), maxHead)])
		b = b[:len(b)+n]
		is, known := targetIs(b, "/ws/")
		switch {
		case known && !is:
			return b, false, nil
		case is && bytes.Contains(b, headEnd):
			return b, true, nil
		case err != nil:
			return nil, false, err
		}
	}
}

// unread is a connection of which something was read that is to be read again.
type unread struct {
	net.Conn
	rest []byte
}

func (c *unread) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// CloseWrite lets net/http end its side before the client has.
func (c *unread) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// handover is the listener from which net/http takes the connections that are
// for it.
type handover struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newHandover(addr net.Addr) *handover {
	return &handover{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// give hands over a connection, or closes it when nobody takes any more.
func (h *handover) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.done:
		c.Close()
	}
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *handover) Addr() net.Addr { return h.addr }

// peerOf is the address at the other end of a connection.
func peerOf(addr net.Addr) netip.Addr {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	ap, _ := netip.ParseAddrPort(addr.String())
	return ap.Addr().Unmap()
}

// listen binds a TCP address, together with other processes where reuse is set.
func listen(ctx context.Context, addr string, reuse bool) (net.Listener, error) {
	cfg := net.ListenConfig{
		Control:   control(reuse),
		KeepAlive: -1, // who is silent is pinged
	}
	return cfg.Listen(ctx, "tcp", addr)
}
