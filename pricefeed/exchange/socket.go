package exchange

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/time/rate"
)

const (
	// MaxMessage bounds what an exchange may send, fragments together, in bytes.
	// The largest that one is known to send is a tenth of it.
	MaxMessage = 1 << 20

	writeTimeout = 5 * time.Second
	closeTimeout = time.Second // for our close frame; the exchange's is not awaited

	// pongEvery is the time between two pongs at least. RFC 6455, section 5.5.3:
	// when pings come faster, an answer may be left out, for the next ping is coming.
	pongEvery = time.Second
)

// socket is one WebSocket connection. One goroutine may read while others write.
type socket struct {
	conn    net.Conn
	silence time.Duration // without a message it is given up
	texts   *rate.Limiter
	pongs   *rate.Limiter // of their own: no request delays a pong
	closing atomic.Bool   // a close frame has been sent

	// Owned by the reader.
	reader  *bufio.Reader
	head    [ws.MaxHeaderSize]byte
	message []byte // the last one read
}

func newSocket(conn net.Conn, source io.Reader, terms Terms) *socket {
	return &socket{
		conn:    conn,
		silence: terms.Silence,
		texts:   rate.NewLimiter(rate.Every(terms.MessageEvery), 1),
		pongs:   rate.NewLimiter(rate.Every(pongEvery), 1),
		reader:  bufio.NewReaderSize(source, readBuffer),
	}
}

// read returns the next message, its fragments put together; it is valid until
// the next call. Pings are answered on the way, but only a message breaks the
// silence: when none has come for that long, it is ErrSilent. Text and binary are
// the same here. After an error the socket is of no use.
func (s *socket) read(ctx context.Context) ([]byte, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(s.silence)); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // the interruption came before the deadline was set
		return nil, err
	}
	err := s.readMessage()
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
		err = ErrSilent
	}
	return s.message, err
}

func (s *socket) readMessage() error {
	s.message = s.message[:0]
	state := ws.StateClientSide
	for {
		h, err := ws.ReadHeaderBuffer(s.reader, s.head[:])
		if err != nil {
			return err
		}
		if err := ws.CheckHeader(h, state); err != nil {
			return err
		}
		if h.OpCode.IsControl() {
			if err := s.control(h); err != nil {
				return err
			}
			continue
		}
		if h.Length > int64(MaxMessage-len(s.message)) {
			return ErrTooBig
		}
		start := len(s.message)
		s.message = slices.Grow(s.message, int(h.Length))[:start+int(h.Length)]
		if _, err := io.ReadFull(s.reader, s.message[start:]); err != nil || h.Fin {
			return err
		}
		state = state.Set(ws.StateFragmented)
	}
}

// control handles a control frame; one that closes is a *ClosedError.
func (s *socket) control(h ws.Header) error {
	var buf [ws.MaxControlFramePayloadSize]byte
	payload := buf[:h.Length]
	if _, err := io.ReadFull(s.reader, payload); err != nil {
		return err
	}
	switch h.OpCode {
	case ws.OpPing:
		if s.pongs.Allow() {
			return s.send(ws.NewPongFrame(payload), writeTimeout)
		}
	case ws.OpClose:
		closed := &ClosedError{Code: ws.StatusNoStatusRcvd}
		if len(payload) >= 2 {
			closed.Code = ws.StatusCode(binary.BigEndian.Uint16(payload))
			closed.Reason = string(payload[2:])
			payload = payload[:2]
		}
		s.sendClose(payload)
		return closed
	}
	return nil
}

// write sends a text message, when the limit allows it.
func (s *socket) write(ctx context.Context, text []byte) error {
	if err := s.texts.Wait(ctx); err != nil {
		return err
	}
	return s.send(ws.NewTextFrame(text), writeTimeout)
}

// send writes a frame as a whole, beside those of other goroutines.
func (s *socket) send(f ws.Frame, timeout time.Duration) error {
	bytes, err := ws.CompileFrame(ws.MaskFrame(f))
	if err != nil {
		return err
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err = s.conn.Write(bytes)
	return err
}

// sendClose sends a close frame, once.
func (s *socket) sendClose(body []byte) {
	if !s.closing.Swap(true) {
		// Whoever does not take it any more does not need it.
		_ = s.send(ws.NewCloseFrame(body), closeTimeout)
	}
}

// interrupt ends a read or write from without.
func (s *socket) interrupt() {
	// It fails on a closed connection only, which is interrupted already.
	_ = s.conn.SetDeadline(time.Unix(1, 0))
}

// close says goodbye with the code for the reason, and does not wait for an answer.
func (s *socket) close(reason error) {
	code := ws.StatusNormalClosure
	if _, breach := errors.AsType[ws.ProtocolError](reason); breach {
		code = ws.StatusProtocolError
	} else if errors.Is(reason, ErrTooBig) {
		code = ws.StatusMessageTooBig
	}
	s.sendClose(ws.NewCloseFrameBody(code, ""))
	_ = s.conn.Close() // nothing is left that could be lost
}
