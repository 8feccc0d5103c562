package loop

import (
	"context"
	"net"
	"time"
)

// A Pool is all the drivers of a gateway. Make one with New and let it live with
// Run.
type Pool struct {
	loops    loops
	portable *portable
}

// New makes the drivers.
func New() *Pool { return &Pool{newLoops(), newPortable()} }

// Changed says that streams may have grown. It does not wait for anything.
func (p *Pool) Changed() {
	p.loops.signal()
	p.portable.wake.Ring()
}

// Add takes over a socket, which is the driver's from then on, whatever happens. It
// has no deadline any more.
// Open makes its connection, and is the first function that the driver calls.
func (p *Pool) Add(sock net.Conn, open func(Link) Conn) {
	if !p.loops.add(sock, open) {
		p.portable.add(sock, open)
	}
}

// Each has f called for every connection whose socket is open.
func (p *Pool) Each(f func(now time.Time, c Conn)) {
	p.loops.each(f)
	for _, k := range p.portable.all() {
		k.Post(func(now time.Time) {
			if !k.closed {
				f(now, k.conn)
			}
		})
	}
}

// Run drives until ctx ends, and closes the sockets that are left then. What is
// added later is not driven.
func (p *Pool) Run(ctx context.Context) {
	p.portable.run(ctx.Done())
	p.loops.end()
}
