package nodetest

import (
	"bufio"
	"bytes"
	"context"
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

// A Client is a program that watches prices over WebSocket.
type Client struct {
	tb     testing.TB
	conn   net.Conn
	reader wsutil.Reader
	answer wsutil.FrameHandlerFunc // of control frames
}

// A Message is what the server sends, of any type.
type Message struct {
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
	Data      []Price         `json:"data"`
	Source    string          `json:"source"`
	State     string          `json:"state"`
	Sources   []string        `json:"sources"`
	Code      string          `json:"code"`
	Reconnect int64           `json:"reconnect_in_ms"`

	Raw string // as it came
}

// A Price has the digits that the server sent.
type Price struct {
	Symbol    string      `json:"symbol"`
	Price     json.Number `json:"price"`
	Timestamp int64       `json:"timestamp"`
}

// Of is the price of a symbol, empty where the message has none.
func (m Message) Of(symbol string) string {
	for _, p := range m.Data {
		if p.Symbol == symbol {
			return p.Price.String()
		}
	}
	return ""
}

// Upgrade asks for the stream of prices. Where it is refused it gives no client,
// but the status and {"error":…}.
func (n *Node) Upgrade(tb testing.TB, token, query string) (c *Client, status int, reason string) {
	tb.Helper()
	c, status, reason, err := n.Connect(tb.Context(), token, query)
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	if c != nil {
		c.tb = tb
		tb.Cleanup(func() { c.Close() })
	}
	return c, status, reason
}

// Connect is Upgrade of a node that may be gone. Of such a client only the methods may be
// called that return an error.
func (n *Node) Connect(ctx context.Context, token, query string) (c *Client, status int, reason string, err error) {
	status = http.StatusSwitchingProtocols
	dialer := ws.Dialer{
		Timeout: Patience,
		NetDial: n.dial,
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
	url := strings.Replace(n.URL, "http", "ws", 1) + "/ws/ticker" + query
	conn, early, _, err := dialer.Dial(ctx, url)
	if status != http.StatusSwitchingProtocols {
		return nil, status, reason, nil
	}
	if err != nil {
		return nil, 0, "", err
	}
	if early == nil {
		early = bufio.NewReader(conn)
	}
	c = &Client{conn: conn, answer: wsutil.ControlFrameHandler(conn, ws.StateClientSide)}
	c.reader = wsutil.Reader{Source: early, State: ws.StateClientSide, CheckUTF8: true, OnIntermediate: c.answer}
	return c, status, "", nil
}

// Dial is Upgrade where it is not refused.
func (n *Node) Dial(tb testing.TB, token, query string) *Client {
	tb.Helper()
	c, status, reason := n.Upgrade(tb, token, query)
	if c == nil {
		tb.Fatalf("connect: status %d, %s", status, reason)
	}
	return c
}

// Close hangs up without a word.
func (c *Client) Close() error { return c.conn.Close() }

// Receive waits for the next message. It fails with wsutil.ClosedError at the end.
func (c *Client) Receive() (Message, error) {
	for {
		if err := c.conn.SetReadDeadline(time.Now().Add(Patience)); err != nil {
			return Message{}, err
		}
		head, err := c.reader.NextFrame()
		if err != nil {
			return Message{}, err
		}
		if head.OpCode.IsControl() {
			if err := c.answer(head, &c.reader); err != nil {
				return Message{}, err
			}
			continue
		}
		raw, err := io.ReadAll(&c.reader)
		if err != nil {
			return Message{}, err
		}
		m := Message{Raw: string(raw)}
		return m, json.Unmarshal(raw, &m)
	}
}

// Next waits for the next message.
func (c *Client) Next() Message {
	c.tb.Helper()
	m, err := c.Receive()
	if err != nil {
		c.tb.Fatalf("read: %v", err)
	}
	return m
}

// Until waits for the first message that is so, and passes over those before.
func (c *Client) Until(what string, is func(Message) bool) Message {
	c.tb.Helper()
	for end := time.Now().Add(Patience); time.Now().Before(end); {
		if m := c.Next(); is(m) {
			return m
		}
	}
	c.tb.Fatalf("waited %v for: %s", Patience, what)
	return Message{}
}

// Await waits for the first message of a type.
func (c *Client) Await(kind string) Message {
	c.tb.Helper()
	return c.Until(kind, func(m Message) bool { return m.Type == kind })
}

// Greeting reads the welcome and the snapshot, with which every stream begins.
func (c *Client) Greeting() (welcome, snapshot Message) {
	c.tb.Helper()
	welcome, snapshot = c.Next(), c.Next()
	if welcome.Type != "welcome" || snapshot.Type != "ticker" || !snapshot.Snapshot {
		c.tb.Fatalf("the stream begins with %s and %s", welcome.Raw, snapshot.Raw)
	}
	return welcome, snapshot
}

// Send sends one text message.
func (c *Client) Send(text string) {
	c.tb.Helper()
	c.write(ws.NewTextFrame([]byte(text)))
}

func (c *Client) write(f ws.Frame) {
	c.tb.Helper()
	var b bytes.Buffer
	if err := ws.WriteFrame(&b, ws.MaskFrame(f)); err != nil {
		c.tb.Fatal(err)
	}
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		c.tb.Fatalf("write: %v", err)
	}
}

// Bye closes the stream and gives the code with which the server answers.
func (c *Client) Bye() int {
	c.tb.Helper()
	c.write(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
	return c.End()
}

// End waits for the server's close frame, gives its code, and hangs up.
func (c *Client) End() int {
	c.tb.Helper()
	defer c.conn.Close()
	for end := time.Now().Add(Patience); time.Now().Before(end); {
		_, err := c.Receive()
		if closed, ok := errors.AsType[wsutil.ClosedError](err); ok {
			return int(closed.Code)
		}
		if err != nil {
			c.tb.Fatalf("instead of a close frame: %v", err)
		}
	}
	c.tb.Fatalf("not closed within %v", Patience)
	return 0
}

// Read gives the ticks that come, until ctx ends. It may be called from any
// goroutine.
func (c *Client) Read(ctx context.Context, take func(Message, time.Time)) error {
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	for {
		m, err := c.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return errors.Join(errors.New("before the end"), err)
		case m.Type == "ticker":
			take(m, time.Now())
		}
	}
}
