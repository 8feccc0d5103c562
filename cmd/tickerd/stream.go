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
	answer wsutil.FrameHandlerFunc // of control frames
}

func newStream(conn net.Conn, r *bufio.Reader) *stream {
	answer := wsutil.ControlFrameHandler(conn, ws.StateClientSide)
	return &stream{conn: conn, answer: answer, reader: wsutil.Reader{
		Source:         r,
		State:          ws.StateClientSide,
		CheckUTF8:      true,
		MaxMessageSize: maxMessage,
		OnIntermediate: answer,
	}}
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
// said why it ends the stream.
func (s *stream) receive() ([]byte, error) {
	for {
		if err := s.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return nil, err
		}
		head, err := s.reader.NextFrame()
		if err == nil && !head.OpCode.IsControl() {
			return io.ReadAll(&s.reader)
		}
		if err == nil {
			err = s.answer(head, &s.reader)
		}
		if end, ok := errors.AsType[wsutil.ClosedError](err); ok {
			return nil, &closed{int(end.Code), end.Reason}
		}
		if err != nil {
			return nil, fmt.Errorf("connection lost: %w", err)
		}
	}
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
