package floor

import (
	"context"
	"net"
	"time"

	"tickerd/gateway/loop"
)

// An upgrade is a floor of mode [Upgrade].
type upgrade struct {
	pool     *loop.Pool
	greeting []byte
}

func newUpgrade() *upgrade { return &upgrade{loop.New(), greetingAt(1, time.Now())} }

func (u *upgrade) add(sock *net.TCPConn) {
	u.pool.Add(sock, func(link loop.Link) loop.Conn { return &follower{link: link, rest: u.greeting} })
}

func (u *upgrade) run(ctx context.Context) { u.pool.Run(ctx) }
