package standin

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/time/rate"
)

const (
	maxMessage   = 1 << 20  // of a client, in bytes
	maxQueue     = 16 << 20 // for a client that does not read
	writeTimeout = 10 * time.Second
	closeTimeout = time.Second // for the client's own close
)

var errTooBig = errors.New("message is too big")

// A conn is a client's connection.
type conn struct {
	venue *venue
	sock  net.Conn
	woken chan struct{} // there is something to write, or to end

	// Guarded by the venue's lock.
	queue    []byte // frames that are to be written
	mute     bool   // nothing is sent any more
	ended    bool   // once the queue is written
	topics   []*topic
	messages *rate.Limiter
	asked    bool // it has subscribed something, though perhaps in vain
	born     time.Time
	heard    time.Time // the client, last
	told     time.Time // the client, last
	leaves   time.Time // when it has been announced that it ends; zero: it has not
	pinged   time.Time
	ping     string // the payload of the last; empty: the pong has come
}

// serve is the connection's life.
func (c *conn) serve(r io.Reader) error {
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		c.write()
	}()
	err := c.read(r)
	c.venue.leave(c)
	<-wrote
	// What the client has sent since would make the system forget what we have.
	_, _ = io.Copy(io.Discard, c.sock)
	c.sock.Close()
	return err
}

// read takes what the client says until it is gone, or wrong.
func (c *conn) read(r io.Reader) error {
	var message []byte
	state := ws.StateServerSide
	for {
		h, err := ws.ReadHeader(r)
		if err != nil {
			return err
		}
		if err := ws.CheckHeader(h, state); err != nil {
			c.venue.end(c, ws.StatusProtocolError, err.Error())
			return err
		}
		if h.Length > maxMessage-int64(len(message)) {
			c.venue.end(c, ws.StatusMessageTooBig, "")
			return errTooBig
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			return err
		}
		ws.Cipher(payload, h.Mask, 0)
		if h.OpCode.IsControl() {
			c.venue.control(c, h.OpCode, payload)
			continue
		}
		message = append(message, payload...)
		state = state.Set(ws.StateFragmented)
		if h.Fin {
			c.venue.hear(c, message)
			message, state = message[:0], state.Clear(ws.StateFragmented)
		}
	}
}

// write writes what is queued until the connection is to end, or cannot take it.
func (c *conn) write() {
	var spare []byte
	for range c.woken {
		b, ended := c.venue.take(c, spare[:0])
		// Fails on a closed connection only, as does Write.
		_ = c.sock.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := c.sock.Write(b); err != nil {
			c.sock.Close()
			return
		}
		if ended { // the client's close is awaited for a while
			_ = c.sock.SetReadDeadline(time.Now().Add(closeTimeout))
			return
		}
		spare = b
	}
}

// say sends a message that is no price.
func (c *conn) say(v any) {
	c.send(jsonFrame(v))
}

// send queues frames, or what is left of them.
func (c *conn) send(frames []byte) {
	if c.mute || c.ended || c.venue.faults.silent {
		return
	}
	if len(c.queue)+len(frames) > maxQueue {
		c.drop()
		return
	}
	c.queue = append(c.queue, frames...)
	c.told = time.Now()
}

// flush has written what is queued.
func (c *conn) flush() {
	if len(c.queue) == 0 && !c.ended {
		return
	}
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// control sends a control frame.
func (c *conn) control(op ws.OpCode, payload []byte) {
	c.send(frame(op, payload))
}

// close says goodbye.
func (c *conn) close(code ws.StatusCode, reason string) {
	c.control(ws.OpClose, ws.NewCloseFrameBody(code, reason))
	c.ended = true
	c.flush()
}

// drop ends the connection without a word.
func (c *conn) drop() {
	c.mute = true
	c.sock.Close()
}

// holds reports whether the client has subscribed to anything.
func (c *conn) holds() bool { return len(c.topics) > 0 }
