package gateway

import (
	"context"
	"net"
	"time"
	"unsafe"

	"tickerd/bus"
)

// ConnSize is the bytes of a connection, but for what it points at.
const ConnSize = unsafe.Sizeof(conn{})

// JoinAfterLeave has a connection that has left learn what was lost of it, and gives
// what it has to say thereupon.
func JoinAfterLeave(g *Gateway) (letters int) {
	c := &conn{gw: g, left: true, stage: parted, life: life{state: counting, lost: 1}}
	c.counted(time.Now())
	c.life.state = claimed
	c.unheld(time.Now(), "conn.x.message")
	return len(g.courier.letters)
}

// ListenOn is Listen on a listener that the test made.
func (g *Gateway) ListenOn(ctx context.Context, l net.Listener) error {
	return g.listenOn(ctx, l)
}

// ParseHead is parseHead, taken apart.
func ParseHead(b []byte) (method, target, proto string, fields [][2]string, err error) {
	h, err := parseHead(b)
	for _, f := range h.fields {
		fields = append(fields, [2]string{f.name, f.value})
	}
	return h.method, h.target, h.proto, fields, err
}

// CheckHead is parseHead, of which only is asked whether it works.
func CheckHead(b []byte) error {
	_, err := parseHead(b)
	return err
}

// Took reports whether the gateway has taken a tick, one of the last.
func (g *Gateway) Took(seq uint64) bool { return g.hub.CanResume(seq) }

// Places is how many users and addresses hold a place.
func (g *Gateway) Places() (users, addrs int) {
	g.places.mu.Lock()
	defer g.places.mu.Unlock()
	return len(g.places.users), len(g.places.addrs)
}

// Bind is listen, where no others listen.
func Bind(ctx context.Context, addr string) (net.Listener, error) { return listen(ctx, addr, false) }

// TakeCount is what the bus does with what a node tells of its users.
func (g *Gateway) TakeCount(subject string, data []byte) {
	g.census.take(&bus.Msg{Subject: subject, Data: data})
}

// Elsewhere is how many nodes have told of users, and of how many.
func (g *Gateway) Elsewhere() (nodes, users int) {
	g.places.mu.Lock()
	defer g.places.mu.Unlock()
	return len(g.places.others), len(g.places.elsewhere)
}
