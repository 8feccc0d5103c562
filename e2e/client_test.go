package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// A client is a program that watches prices over WebSocket.
type client struct {
	tb     testing.TB
	conn   net.Conn
	reader wsutil.Reader
	answer wsutil.FrameHandlerFunc // of control frames
}

// A message is what the server sends, of any type.
type message struct {
	Type      string          `json:"type"`
	ID        json.RawMessage `json:"id"`
	UserID    string          `json:"user_id"`
	ConnID    string          `json:"conn_id"`
	Symbols   []string        `json:"symbols"`
	Interval  int64           `json:"interval_ms"`
	ExpiresIn int64           `json:"expires_in"`
	Resumed   *bool           `json:"resumed"`
	Snapshot  bool            `json:"snapshot"`
	Seq       uint64          `json:"seq"`
	TS        int64           `json:"ts"`
	Data      []price         `json:"data"`
	Source    string          `json:"source"`
	State     string          `json:"state"`
	Sources   []string        `json:"sources"`
	Code      string          `json:"code"`
	Reconnect int64           `json:"reconnect_in_ms"`

	raw string // as it came
}

// A price has the digits that the server sent.
type price struct {
	Symbol    string      `json:"symbol"`
	Price     json.Number `json:"price"`
	Timestamp int64       `json:"timestamp"`
}

// of is the price of a symbol, empty where the message has none.
func (m message) of(symbol string) string {
	for _, p := range m.Data {
		if p.Symbol == symbol {
			return p.Price.String()
		}
	}
	return ""
}

// upgrade asks for the stream of prices. Where it is refused it gives no client,
// but the status and {"error":…}.
func (n *node) upgrade(tb testing.TB, token, query string) (c *client, status int, reason string) {
	tb.Helper()
	status = http.StatusSwitchingProtocols
	dialer := ws.Dialer{
		Timeout: patience,
		Header:  ws.HandshakeHeaderHTTP{"Authorization": {"Bearer " + token}},
		OnStatusError: func(code int, _ []byte, answer io.Reader) {
			status = code
			var body struct{ Error string }
			resp, err := http.ReadResponse(bufio.NewReader(answer), nil)
			if err != nil {
				return
			}
			defer resp.Body.Close()
			if json.NewDecoder(resp.Body).Decode(&body) == nil {
				reason = body.Error
			}
		},
	}
	url := strings.Replace(n.url, "http", "ws", 1) + "/ws/ticker" + query
	conn, early, _, err := dialer.Dial(tb.Context(), url)
	if status != http.StatusSwitchingProtocols {
		return nil, status, reason
	}
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	tb.Cleanup(func() { conn.Close() })
	if early == nil {
		early = bufio.NewReader(conn)
	}
	c = &client{tb: tb, conn: conn, answer: wsutil.ControlFrameHandler(conn, ws.StateClientSide)}
	c.reader = wsutil.Reader{Source: early, State: ws.StateClientSide, CheckUTF8: true, OnIntermediate: c.answer}
	return c, status, ""
}

// dial is upgrade where it is not refused.
func (n *node) dial(tb testing.TB, token, query string) *client {
	tb.Helper()
	c, status, reason := n.upgrade(tb, token, query)
	if c == nil {
		tb.Fatalf("connect: status %d, %s", status, reason)
	}
	return c
}

// receive waits for the next message. It fails with wsutil.ClosedError at the end.
func (c *client) receive() (message, error) {
	for {
		if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return message{}, err
		}
		head, err := c.reader.NextFrame()
		if err != nil {
			return message{}, err
		}
		if head.OpCode.IsControl() {
			if err := c.answer(head, &c.reader); err != nil {
				return message{}, err
			}
			continue
		}
		raw, err := io.ReadAll(&c.reader)
		if err != nil {
			return message{}, err
		}
		m := message{raw: string(raw)}
		return m, json.Unmarshal(raw, &m)
	}
}

// next waits for the next message.
func (c *client) next() message {
	c.tb.Helper()
	m, err := c.receive()
	if err != nil {
		c.tb.Fatalf("read: %v", err)
	}
	return m
}

// until waits for the first message that is so, and passes over those before.
func (c *client) until(what string, is func(message) bool) message {
	c.tb.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if m := c.next(); is(m) {
			return m
		}
	}
	c.tb.Fatalf("waited %v for: %s", patience, what)
	return message{}
}

// await waits for the first message of a type.
func (c *client) await(kind string) message {
	c.tb.Helper()
	return c.until(kind, func(m message) bool { return m.Type == kind })
}

// greeting reads the welcome and the snapshot, with which every stream begins.
func (c *client) greeting() (welcome, snapshot message) {
	c.tb.Helper()
	welcome, snapshot = c.next(), c.next()
	if welcome.Type != "welcome" || snapshot.Type != "ticker" || !snapshot.Snapshot {
		c.tb.Fatalf("the stream begins with %s and %s", welcome.raw, snapshot.raw)
	}
	return welcome, snapshot
}

// send sends one text message.
func (c *client) send(text string) {
	c.tb.Helper()
	c.write(ws.NewTextFrame([]byte(text)))
}

func (c *client) write(f ws.Frame) {
	c.tb.Helper()
	var b bytes.Buffer
	if err := ws.WriteFrame(&b, ws.MaskFrame(f)); err != nil {
		c.tb.Fatal(err)
	}
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		c.tb.Fatalf("write: %v", err)
	}
}

// bye closes the stream and gives the code with which the server answers.
func (c *client) bye() int {
	c.tb.Helper()
	c.write(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
	return c.end()
}

// end waits for the server's close frame, gives its code, and hangs up.
func (c *client) end() int {
	c.tb.Helper()
	defer c.conn.Close()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		_, err := c.receive()
		if closed, ok := errors.AsType[wsutil.ClosedError](err); ok {
			return int(closed.Code)
		}
		if err != nil {
			c.tb.Fatalf("instead of a close frame: %v", err)
		}
	}
	c.tb.Fatalf("not closed within %v", patience)
	return 0
}
