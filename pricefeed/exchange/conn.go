package exchange

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/gobwas/ws"
)

const (
	// MaxMessage bounds what an exchange may send, fragments together, in bytes.
	// The largest that one is known to send is a tenth of it.
	MaxMessage = 1 << 20

	writeTimeout = 5 * time.Second
	closeTimeout = time.Second // for our close frame; the exchange's is not awaited
	shownOfBad   = 100         // bytes of a bad message that are logged
)

// Conn is one connection to an exchange. Only its Talk uses it.
type Conn struct {
	client  *Client
	conn    net.Conn
	reader  *bufio.Reader
	head    [ws.MaxHeaderSize]byte
	message []byte // the last one read
	closing bool   // a close frame has been sent
}

// Read returns the next message, its fragments put together; it is valid until
// the next call. Pings are answered on the way, but only a message breaks the
// silence: when none has come for Terms.Silence, it is ErrSilent. Text and
// binary are the same here. After an error the connection is of no use.
func (c *Conn) Read(ctx context.Context) ([]byte, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(c.client.terms.Silence)); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // the interruption came before the deadline was set
		return nil, err
	}
	err := c.readMessage()
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
		err = ErrSilent
	}
	if err != nil {
		return nil, err
	}
	c.client.counters.messages.Add(1)
	return c.message, nil
}

func (c *Conn) readMessage() error {
	c.message = c.message[:0]
	state := ws.StateClientSide
	for {
		h, err := ws.ReadHeaderBuffer(c.reader, c.head[:])
		if err != nil {
			return err
		}
		if err := ws.CheckHeader(h, state); err != nil {
			return err
		}
		if h.OpCode.IsControl() {
			if err := c.control(h); err != nil {
				return err
			}
			continue
		}
		if h.Length > int64(MaxMessage-len(c.message)) {
			return ErrTooBig
		}
		start := len(c.message)
		c.message = slices.Grow(c.message, int(h.Length))[:start+int(h.Length)]
		if _, err := io.ReadFull(c.reader, c.message[start:]); err != nil || h.Fin {
			return err
		}
		state = state.Set(ws.StateFragmented)
	}
}

// control handles a control frame; one that closes is a *ClosedError.
func (c *Conn) control(h ws.Header) error {
	var buf [ws.MaxControlFramePayloadSize]byte
	payload := buf[:h.Length]
	if _, err := io.ReadFull(c.reader, payload); err != nil {
		return err
	}
	switch h.OpCode {
	case ws.OpPing:
		// RFC 6455, section 5.5.3: when pings come too fast, an answer may be left
		// out, for the next ping is coming.
		if c.client.sends.Allow() {
			return c.send(ws.NewPongFrame(payload), writeTimeout)
		}
	case ws.OpClose:
		closed := &ClosedError{Code: ws.StatusNoStatusRcvd}
		if len(payload) >= 2 {
			closed.Code = ws.StatusCode(binary.BigEndian.Uint16(payload))
			closed.Reason = string(payload[2:])
			payload = payload[:2]
		}
		c.closing = true
		// The exchange may be gone already: that it closed is what counts.
		_ = c.send(ws.NewCloseFrame(payload), closeTimeout)
		return closed
	}
	return nil
}

// Write sends a text message, when the exchange's limit on messages allows it.
func (c *Conn) Write(ctx context.Context, text []byte) error {
	if err := c.client.sends.Wait(ctx); err != nil {
		return err
	}
	return c.send(ws.NewTextFrame(text), writeTimeout)
}

func (c *Conn) send(f ws.Frame, timeout time.Duration) error {
	bytes, err := ws.CompileFrame(ws.MaskFrame(f))
	if err != nil {
		return err
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err = c.conn.Write(bytes)
	return err
}

// Bad counts a message that made no sense, and logs one now and then.
func (c *Conn) Bad(msg []byte, err error) {
	c.client.counters.bad.Add(1)
	c.client.badLog.Do(func() {
		shown := msg[:min(len(msg), shownOfBad)]
		c.client.log.Warn("bad message from the exchange", "err", err, "message", fmt.Sprintf("%q", shown), "bytes", len(msg))
	})
}

// Outdated counts a message that was older than what had come before.
func (c *Conn) Outdated() { c.client.counters.outdated.Add(1) }

// interrupt ends a Read or Write from without.
func (c *Conn) interrupt() {
	// It fails on a closed connection only, which is interrupted already.
	_ = c.conn.SetDeadline(time.Unix(1, 0))
}

// close says goodbye with the code for the reason, and does not wait for an answer.
func (c *Conn) close(reason error) {
	code := ws.StatusNormalClosure
	if _, breach := errors.AsType[ws.ProtocolError](reason); breach {
		code = ws.StatusProtocolError
	} else if errors.Is(reason, ErrTooBig) {
		code = ws.StatusMessageTooBig
	}
	if !c.closing {
		// Whoever does not take it any more does not need it.
		_ = c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(code, "")), closeTimeout)
	}
	_ = c.conn.Close() // nothing is left that could be lost
}
