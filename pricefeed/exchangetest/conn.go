package exchangetest

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A Frame is what the client sent.
type Frame struct {
	Op      ws.OpCode
	Payload string
}

// Conn is one client's connection. It may be used by several goroutines.
type Conn struct {
	tb       testing.TB
	conn     net.Conn
	received chan Frame
	gone     chan struct{} // closed when nothing more is received

	write sync.Mutex
}

// receive takes what the client sends, until it is gone.
func (c *Conn) receive(r io.Reader) {
	defer close(c.gone)
	for {
		h, err := ws.ReadHeader(r)
		if err != nil {
			return
		}
		if err := ws.CheckHeader(h, ws.StateServerSide); err != nil {
			c.tb.Errorf("the client breaks the protocol: %v", err)
			return
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			return
		}
		ws.Cipher(payload, h.Mask, 0)
		select {
		case c.received <- Frame{h.OpCode, string(payload)}:
		default:
			c.tb.Errorf("the client sends more than anyone reads")
			return
		}
	}
}

// Next waits for the client's next frame, which may be a pong or close.
func (c *Conn) Next() Frame {
	c.tb.Helper()
	select {
	case f := <-c.received:
		return f
	default:
	}
	select {
	case f := <-c.received:
		return f
	case <-c.gone:
		select {
		case f := <-c.received: // it came before the end
			return f
		default:
		}
		c.tb.Fatal("the client is gone")
	case <-time.After(patience):
		c.tb.Fatalf("nothing from the client within %v", patience)
	}
	return Frame{}
}

// Read waits for the client's next text message.
func (c *Conn) Read() string {
	c.tb.Helper()
	for {
		if f := c.Next(); f.Op == ws.OpText {
			return f.Payload
		}
	}
}

// Received are the frames that came and that nothing has returned yet.
func (c *Conn) Received() []Frame {
	var list []Frame
	for {
		select {
		case f := <-c.received:
			list = append(list, f)
		default:
			return list
		}
	}
}

// Ended waits until the client has closed the connection, and returns the code
// of its close frame: 1005 when that gives none, 1006 without a close frame. What
// else it sent is lost.
func (c *Conn) Ended() ws.StatusCode {
	c.tb.Helper()
	select {
	case <-c.gone:
	case <-time.After(patience):
		c.tb.Fatalf("the client is still there after %v", patience)
	}
	for _, f := range c.Received() {
		switch {
		case f.Op == ws.OpClose && len(f.Payload) < 2:
			return ws.StatusNoStatusRcvd
		case f.Op == ws.OpClose:
			return ws.StatusCode(binary.BigEndian.Uint16([]byte(f.Payload)))
		}
	}
	return ws.StatusAbnormalClosure
}

// Send sends a text message.
func (c *Conn) Send(text string) { c.SendFrame(ws.NewTextFrame([]byte(text))) }

// SendFragments sends a text message in several frames.
func (c *Conn) SendFragments(parts ...string) {
	for i, part := range parts {
		op := ws.OpContinuation
		if i == 0 {
			op = ws.OpText
		}
		c.SendFrame(ws.NewFrame(op, i == len(parts)-1, []byte(part)))
	}
}

// Ping sends a ping; the pong comes by Next.
func (c *Conn) Ping(payload string) { c.SendFrame(ws.NewPingFrame([]byte(payload))) }

// Close sends a close frame and leaves the rest to the client.
func (c *Conn) Close(code ws.StatusCode, reason string) {
	c.SendFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, reason)))
}

// SendFrame sends any frame, also one that is against the protocol.
func (c *Conn) SendFrame(f ws.Frame) {
	b, err := ws.CompileFrame(f)
	if err != nil {
		c.tb.Errorf("compile frame: %v", err)
		return
	}
	c.SendRaw(b)
}

// SendRaw sends any bytes, also half a frame.
func (c *Conn) SendRaw(b []byte) {
	c.write.Lock()
	defer c.write.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(patience)) // fails on a closed connection, as does Write
	_, _ = c.conn.Write(b)                                // a client that is gone loses it
}

// Drop ends the connection without a word.
func (c *Conn) Drop() { _ = c.conn.Close() }
