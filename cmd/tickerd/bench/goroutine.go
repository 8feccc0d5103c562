package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// goroutineBuffer is what a connection reads into.
const goroutineBuffer = 8 << 10

// pace is how often one who must wait for its turn asks for it again.
const pace = 5 * time.Millisecond

// sendTimeout bounds the sending of a small frame.
const sendTimeout = 2 * time.Second

// carryByGoroutine is a carrier for every system, and for TLS: a goroutine for each
// connection, with a buffer of its own.
func carryByGoroutine(ctx context.Context, s *shard) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	for i := range s.clients {
		l := &line{shard: s, client: &s.clients[i], serial: s.serial(i)}
		if !l.turn(ctx) {
			return nil
		}
		clients.Go(func() { l.live(ctx) })
	}
	return nil
}

// A line is one client with a goroutine of its own.
type line struct {
	*shard
	client *client
	serial int
	conn   net.Conn
	buf    []byte // its beginning is the rest of what was received
	rest   int
}

// turn waits until a handshake may begin, and counts it as begun; false: ctx has
// ended.
func (l *line) turn(ctx context.Context) bool {
	for {
		now := time.Now()
		l.mu.Lock()
		ok := l.may(now)
		if ok {
			l.beginning(l.client, now.UnixMicro())
		}
		l.mu.Unlock()
		if ok {
			return true
		}
		if !sleep(ctx, pace) {
			return false
		}
	}
}

// sleep waits; false: ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// live is a connection, or one after another if they churn. The first one's turn has
// come.
func (l *line) live(ctx context.Context) {
	l.buf = make([]byte, maxRest+goroutineBuffer)
	for {
		joined := l.connection(ctx)
		if !l.config.Churn || l.client.slow {
			return
		}
		if !joined && !sleep(ctx, retryAfter) || !l.turn(ctx) {
			return
		}
	}
}

// connection is one connection from its beginning to its end; joined says that it has
// come as far as one that churns is to come.
func (l *line) connection(ctx context.Context) (joined bool) {
	early, err := l.connect(ctx)
	if l.conn != nil {
		defer l.conn.Close()
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failing(failureOf(err))
		return false
	}
	if l.client.slow {
		<-ctx.Done()
		return false
	}
	var limit time.Time
	if l.config.Churn {
		limit = time.UnixMicro(l.client.began).Add(handshakeTimeout)
	}
	_ = l.conn.SetDeadline(limit)
	defer context.AfterFunc(ctx, func() { _ = l.conn.SetReadDeadline(time.Now()) })()
	return l.follow(ctx, early)
}

// connect goes through the handshake and returns how many bytes of frames have come
// with the answer; they stand at the beginning of buf.
func (l *line) connect(ctx context.Context) (early int, err error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	l.conn, err = l.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = l.conn.SetDeadline(time.Now()) })()
	key := l.target.key(l.serial)
	if _, err := l.conn.Write(l.target.appendRequest(nil, l.serial)); err != nil {
		return 0, err
	}
	var head []byte
	for {
		n, err := l.conn.Read(l.buf)
		head = append(head, l.buf[:n]...)
		a, complete, refused := parseAnswer(head, key, err != nil)
		switch {
		case refused != nil && err != nil && !errors.Is(err, io.EOF):
			return 0, err
		case refused != nil:
			return 0, refused
		case complete:
			now := time.Now().UnixMicro()
			l.mu.Lock()
			defer l.mu.Unlock()
			l.opening(l.client, a.deflate, now)
			l.buf = append(l.buf[:0], head[a.size:]...)
			l.buf = l.buf[:cap(l.buf)]
			return len(head) - a.size, nil
		}
	}
}

// dial opens the connection, with TLS if that is wanted. On an error there is none.
func (l *line) dial(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	if source := l.target.source(l.serial); source.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: source.AsSlice()}
	}
	conn, err := dialer.DialContext(ctx, "tcp", l.target.addr.String())
	if err != nil || !l.config.secure() {
		return conn, err
	}
	c := l.config.TLS.Clone()
	if c == nil {
		c = &tls.Config{}
	}
	if c.ServerName == "" {
		c.ServerName = l.config.URL.Hostname()
	}
	secured := tls.Client(conn, c)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// follow reads until the connection ends, or the client has had all that it is to
// have.
func (l *line) follow(ctx context.Context, early int) (joined bool) {
	fresh := early
	for {
		o := l.take(fresh)
		if len(o.reply) > 0 {
			_ = l.send(o.reply) // if it fails, so will reading
		}
		switch {
		case o.end != 0:
			return false
		case o.done || ctx.Err() != nil:
			l.leave()
			return o.done
		}
		n, err := l.conn.Read(l.buf[l.rest:])
		if fresh = n; n > 0 || err == nil {
			continue
		}
		l.lose(ctx, err)
		return false
	}
}

// lose ends a connection on which nothing more can be read.
func (l *line) lose(ctx context.Context, err error) {
	late := errors.Is(err, os.ErrDeadlineExceeded)
	l.mu.Lock()
	switch {
	case ctx.Err() != nil:
	case late:
		l.giveUp(l.client)
	default:
		l.ending(l.client, int(ws.StatusAbnormalClosure))
	}
	l.mu.Unlock()
	if late {
		l.leave()
	}
}

// take hands over the rest and what is fresh. The reply is the caller's.
func (l *line) take(fresh int) outcome {
	b := l.buf[:l.rest+fresh]
	now := time.Now().UnixMicro()
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.receive(l.client, b, fresh, now)
	o.reply = bytes.Clone(o.reply)
	l.rest = copy(l.buf, b[o.taken:])
	if o.end != 0 {
		l.ending(l.client, o.end)
	}
	return o
}

// leave closes the connection as RFC 6455 wants it, and waits for the server to agree.
func (l *line) leave() {
	l.mu.Lock()
	l.leaving(l.client)
	l.mu.Unlock()
	if l.send(goodbye()) != nil || l.conn.SetReadDeadline(time.Now().Add(closeTimeout)) != nil {
		return
	}
	_, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{l.conn}, l.buf)
}

func (l *line) send(b []byte) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	_, err := l.conn.Write(b)
	return err
}

// goodbye is the frame with which a client leaves.
func goodbye() []byte {
	return appendFrame(nil, ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))
}
