package exchange

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"time"

	"github.com/gobwas/ws"
)

const (
	dialTimeout = 10 * time.Second // for address, connection, TLS and upgrade together
	maxHead     = 64 << 10         // of a refusal that is read for its Retry-After
	readBuffer  = 32 << 10
	userAgent   = "tickerd"
)

// awaitDial waits until another attempt to connect may be made. It reports whether ctx
// goes on.
func (c *Client) awaitDial(ctx context.Context) bool {
	for sleep(ctx, c.dials.Reserve().Delay()) {
		refusal := c.ban.refusal(time.Now())
		if refusal == nil {
			return true
		}
		if !sleep(ctx, refusal.RetryAfter) {
			return false
		}
	}
	return false
}

// dial makes a connection that is upgraded to WebSocket. An answer other than
// 101 is a *StatusError.
func (c *Client) dial(ctx context.Context) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var retryAfter time.Duration
	dialer := ws.Dialer{
		NetDial:   c.dialProxied,
		TLSConfig: c.tls,
		Header:    ws.HandshakeHeaderHTTP{"User-Agent": {userAgent}},
		OnStatusError: func(_ int, _ []byte, answer io.Reader) {
			retryAfter = readRetryAfter(answer)
		},
	}
	conn, early, _, err := dialer.Dial(ctx, c.url)
	if status, ok := errors.AsType[ws.StatusError](err); ok {
		err = &StatusError{Status: int(status), RetryAfter: retryAfter}
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.url, err)
	}
	var source io.Reader = conn
	if early != nil { // messages that came together with the answer
		head, _ := early.Peek(early.Buffered()) // what is buffered can be peeked at
		source = io.MultiReader(bytes.NewReader(bytes.Clone(head)), conn)
		ws.PutReader(early)
	}
	return newSocket(conn, source, c.terms), nil
}

// readRetryAfter reads the head of a refusal, and leaves its body alone.
func readRetryAfter(answer io.Reader) time.Duration {
	head := textproto.NewReader(bufio.NewReader(io.LimitReader(answer, maxHead)))
	if _, err := head.ReadLine(); err != nil {
		return 0
	}
	header, err := head.ReadMIMEHeader()
	if err != nil {
		return 0
	}
	return parseRetryAfter(header.Get("Retry-After"), time.Now())
}
