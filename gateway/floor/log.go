package floor

import (
	"context"
	"net"
	"sync"
	"time"

	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
	"tickerd/gateway/loop"
	"tickerd/ticker"
)

// everything is the view of all clients.
var everything = fanout.View{Key: "*", Sees: func(ticker.Symbol) bool { return true }}

// A log is a floor of mode [Log].
type log struct {
	pool *loop.Pool
	hub  *fanout.Hub
}

func newLog() (*log, error) {
	l := &log{pool: loop.New()}
	l.hub = fanout.NewHub(l.pool.Changed)
	return l, l.hub.Tick(tickAt(1, time.Now()), 0) // so that there is a snapshot
}

func (l *log) add(sock *net.TCPConn) {
	l.pool.Add(sock, func(link loop.Link) loop.Conn {
		f := &follower{link: link, cursor: fanout.NewCursor(l.hub)}
		f.rest = append(frame.AppendText(nil, []byte(welcome)), f.cursor.Subscribe(everything)...)
		return f
	})
}

func (l *log) run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { l.pool.Run(ctx) })
	defer running.Wait()
	var p pace
	for seq := uint64(2); ; seq++ {
		now, _, ok := p.next(ctx)
		if !ok {
			return
		}
		if err := l.hub.Tick(tickAt(seq, now), 0); err != nil {
			panic(err) // no tick is malformed, or older than the one before
		}
	}
}
