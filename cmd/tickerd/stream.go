package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

const (
	// silence is how long a stream may say nothing: the server pings one that was
	// quiet for half of it.
	silence = time.Minute
	// maxMessage is more than any message, a snapshot of thousands of symbols too.
	maxMessage = 16 << 20
	// sendTimeout bounds the sending of one small frame.
	sendTimeout = 2 * time.Second
)

// A stream is one WebSocket connection to a server. One goroutine may receive
// while others send: a frame is a single Write, which net.Conn keeps whole.
type stream struct {
	conn   net.Conn
	reader wsutil.Reader
}

func newStream(conn net.Conn, r *bufio.Reader) *stream {
	s := &stream{conn: conn}
	s.reader = wsutil.Reader{
		Source:         r,
		State:          ws.StateClientSide,
		CheckUTF8:      true,
		MaxMessageSize: maxMessage,
		OnIntermediate: s.control,
	}
	return s
}

// closed is a stream that the server has ended; the range of the code says whether
// to connect again.
type closed struct {
	code   int
	reason string
}

func (c *closed) Error() string {
	return fmt.Sprintf("closed by the server: %d %s", c.code, printable(c.reason))
}

// lasting reports whether connecting again is of no use.
func (c *closed) lasting() bool { return 4500 <= c.code && c.code <= 4999 }

// receive waits for the next message. Its error is *closed when the server has
// ended the stream.
func (s *stream) receive() ([]byte, error) {
	for {
		if err := s.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return nil, lost(err)
		}
		head, err := s.reader.NextFrame()
		if err != nil {
			return nil, lost(err)
		}
		if !head.OpCode.IsControl() {
			message, err := io.ReadAll(&s.reader)
			return message, lost(err)
		}
		if err := s.control(head, &s.reader); err != nil {
			return nil, lost(err)
		}
	}
}

// control answers a control frame. wsutil's own handler knows no 1013, which it
// takes for a breach.
func (s *stream) control(head ws.Header, r io.Reader) error {
	payload, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	switch head.OpCode {
	case ws.OpPing:
		return s.write(ws.NewPongFrame(payload))
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(payload)
		_ = s.write(ws.NewCloseFrame(payload[:min(len(payload), 2)])) // a courtesy
		return &closed{int(code), reason}
	}
	return nil
}

// lost is err where it does not say itself how the stream ended.
func lost(err error) error {
	if _, ok := errors.AsType[*closed](err); ok || err == nil {
		return err
	}
	return fmt.Errorf("connection lost: %w", err)
}

// send sends one text message.
func (s *stream) send(payload []byte) error { return s.write(ws.NewTextFrame(payload)) }

// leave tells the server that the client goes.
func (s *stream) leave() error {
	return s.write(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
}

func (s *stream) write(f ws.Frame) error {
	data, err := ws.CompileFrame(ws.MaskFrame(f))
	if err != nil {
		return err
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	_, err = s.conn.Write(data)
	return err
}

// close ends the stream.
func (s *stream) close() error { return s.conn.Close() }
