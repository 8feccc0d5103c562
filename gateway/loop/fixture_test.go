package loop_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tickerd/gateway/fanout"
	"tickerd/gateway/loop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is after how long a test gives up.
const patience = time.Minute

// newPool gives a pool that runs until the test ends.
func newPool(t *testing.T) *loop.Pool {
	t.Helper()
	pool := loop.New()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { pool.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return pool
}

// connect gives both ends of a TCP connection. The client's is closed when the test
// ends, and does not wait longer than a test may.
func connect(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := near.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return near.(*net.TCPConn), far.(*net.TCPConn)
}

// wait receives from a channel.
func wait[T any](t *testing.T, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatalf("%s: nothing happened", what)
	}
	return v
}

// alone finds out when two of a connection's functions run at once.
type alone struct {
	t    *testing.T
	busy atomic.Bool
}

// enter begins a function; what it gives ends it.
func (a *alone) enter(name string) (leave func()) {
	if !a.busy.CompareAndSwap(false, true) {
		a.t.Errorf("%s is called while another function runs", name)
	}
	return func() { a.busy.Store(false) }
}

// A peer is a connection that does what a test tells it to. Its fields are owned by
// the driver.
type peer struct {
	alone
	link  loop.Link
	event chan struct{} // has an element after something has happened

	calls    []string // the methods, the first few
	received []byte
	errs     []error
	out      []byte
	full     bool
	closed   bool
	fills    int // it is full at so many bytes; 0: never
	stream   *fanout.Stream

	// What is done beside that, if anything.
	tend func(now time.Time) time.Time
	next func()
}

// add gives the pool a socket with a new peer, which prepare, if any, is given to
// first.
func add(t *testing.T, pool *loop.Pool, sock net.Conn, prepare func(p *peer)) *peer {
	t.Helper()
	p := &peer{alone: alone{t: t}, event: make(chan struct{}, 1)}
	opened := make(chan struct{})
	pool.Add(sock, func(link loop.Link) loop.Conn {
		defer p.enter("open")()
		p.link = link
		if prepare != nil {
			prepare(p)
		}
		close(opened)
		return p
	})
	wait(t, "open", opened)
	return p
}

// do has f called by the driver, and waits for it.
func (p *peer) do(f func()) {
	p.t.Helper()
	done := make(chan struct{})
	p.link.Post(func(time.Time) {
		defer close(done)
		defer p.enter("posted function")()
		f()
	})
	wait(p.t, "Post", done)
}

// until waits for something to have become true.
func (p *peer) until(what string, is func() bool) {
	p.t.Helper()
	for {
		var yes bool
		p.do(func() { yes = is() })
		if yes {
			return
		}
		wait(p.t, what, p.event)
	}
}

// called notes a call.
func (p *peer) called(name string) (leave func()) {
	leave = p.enter(name)
	if len(p.calls) < 8 {
		p.calls = append(p.calls, name)
	}
	if p.closed && name != "Tend" {
		p.t.Errorf("%s is called after Close", name)
	}
	return leave
}

func (p *peer) happened() {
	select {
	case p.event <- struct{}{}:
	default:
	}
}

// close ends the socket.
func (p *peer) close() {
	p.closed = true
	p.link.Close()
}

func (p *peer) Receive(_ time.Time, b []byte) {
	defer p.called("Receive")()
	defer p.happened()
	if p.full {
		p.t.Error("Receive is called while Full")
	}
	p.received = append(p.received, b...)
	p.full = p.fills > 0 && len(p.received) >= p.fills
}

func (p *peer) Lost(_ time.Time, err error) {
	defer p.called("Lost")()
	defer p.happened()
	p.errs = append(p.errs, err)
}

func (p *peer) Next(time.Time) []byte {
	defer p.called("Next")()
	if p.next != nil {
		p.next()
	}
	return p.out
}

func (p *peer) Wrote(_ time.Time, n int) {
	defer p.called("Wrote")()
	defer p.happened()
	p.out = p.out[n:]
}

func (p *peer) Stream() *fanout.Stream {
	defer p.called("Stream")()
	return p.stream
}

func (p *peer) Full() bool {
	defer p.called("Full")()
	return p.full
}

func (p *peer) Tend(now time.Time) time.Time {
	defer p.called("Tend")()
	if p.tend != nil {
		return p.tend(now)
	}
	return time.Time{}
}

var _ loop.Conn = (*peer)(nil)
