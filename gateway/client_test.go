package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A wire is a connection to the gateway, on which anything can be sent.
type wire struct {
	net.Conn
	t *world
	r *bufio.Reader
}

// dial connects.
func (w *world) dial() *wire {
	w.Helper()
	conn, err := w.dialer()
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { conn.Close() })
	return newWire(w, conn)
}

func newWire(w *world, conn net.Conn) *wire {
	c := &wire{Conn: conn, t: w, r: bufio.NewReader(conn)}
	c.within(w.patience)
	return c
}

// within bounds all that follows.
func (c *wire) within(d time.Duration) {
	if err := c.SetDeadline(time.Now().Add(d)); err != nil {
		c.t.Fatal(err)
	}
}

// send writes bytes as they are.
func (c *wire) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// A reply is what an HTTP request was answered.
type reply struct {
	status int
	header http.Header
	body   string
}

// reply reads the answer to a request of the given method.
func (c *wire) reply(method string) reply {
	c.t.Helper()
	r, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("response to %s: %v", method, err)
	}
	if r.StatusCode == http.StatusSwitchingProtocols {
		return reply{r.StatusCode, r.Header, ""}
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatalf("body: %v", err)
	}
	return reply{r.StatusCode, r.Header, string(body)}
}

// wantEOF fails unless the gateway ends the connection, without a reset, and
// sends nothing more. The client ends it then, too.
func (c *wire) wantEOF() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		c.t.Errorf("after the end: %q, %v; want EOF", rest, err)
	}
	c.Close()
}

// A request is a request's head, and what comes behind it.
type request struct {
	method, target, proto string
	header                []string
	behind                string
}

// upgrade is the request of a client that sends no more than it must.
func upgrade(token string) request {
	r := request{method: "GET", target: "/ws/ticker", proto: "HTTP/1.1", header: []string{
		"Host: ticker.example", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}}
	if token != "" {
		r.header = append(r.header, "Authorization: Bearer "+token)
	}
	return r
}

// sampleAccept is RFC 6455's answer to its sample key, which upgrade sends.
const sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

// with adds header lines, replacing those of the same names.
func (r request) with(lines ...string) request {
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		r = r.without(name)
	}
	return r.and(lines...)
}

// and adds header lines.
func (r request) and(lines ...string) request {
	r.header = append(slices.Clip(r.header), lines...)
	return r
}

// without drops the header lines of a name.
func (r request) without(name string) request {
	var kept []string
	for _, line := range r.header {
		if n, _, _ := strings.Cut(line, ":"); !strings.EqualFold(n, name) {
			kept = append(kept, line)
		}
	}
	r.header = kept
	return r
}

// query adds to the target, which must have none.
func (r request) query(pairs ...string) request {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	r.target += "?" + q.Encode()
	return r
}

// followed sets what comes behind the head.
func (r request) followed(behind string) request {
	r.behind = behind
	return r
}

func (r request) String() string {
	return fmt.Sprintf("%s %s %s\r\n%s\r\n\r\n%s", r.method, r.target, r.proto, strings.Join(r.header, "\r\n"), r.behind)
}

// A way is how a request comes to the gateway: as the first of its connection,
// or behind another, where net/http reads it.
type way string

const (
	first  way = "first"
	second way = "second"
)

// bothWays runs a test for each way.
func (w *world) bothWays(t *testing.T, f func(t *testing.T, w *world, by way)) {
	t.Helper()
	for _, by := range []way{first, second} {
		t.Run(string(by), func(t *testing.T) { f(t, w.in(t), by) })
	}
}

// dialBy connects, and does what comes before the request.
func (w *world) dialBy(by way) *wire {
	w.Helper()
	c := w.dial()
	if by == second {
		c.send("GET /healthz HTTP/1.1\r\nHost: ticker.example\r\n\r\n")
		if r := c.reply("GET"); r.status != http.StatusOK {
			w.Fatalf("/healthz: %+v", r)
		}
	}
	return c
}

// ask sends a request on a new connection, and gives the answer.
func (w *world) ask(by way, r request) reply {
	w.Helper()
	c := w.dialBy(by)
	defer c.Close()
	c.send(r.String())
	return c.reply(r.method)
}

// A client is a WebSocket client that trusts nobody: whatever is wrong with a
// frame that it is sent fails the test.
type client struct {
	*wire
	id string
}

// A message is a text frame that a client was sent.
type message struct {
	raw string

	Type      string
	Symbols   []string
	Interval  int64  `json:"interval_ms"`
	UserID    string `json:"user_id"`
	ConnID    string `json:"conn_id"`
	ExpiresIn int64  `json:"expires_in"`
	Resumed   *bool
	Code      string
	Message   string
	ID        json.RawMessage
	Snapshot  bool
	Seq       uint64
	TS        int64
	Data      []struct {
		Symbol    string
		Price     json.Number
		Timestamp int64
	}
	Source      string
	State       string
	ReconnectIn *int64 `json:"reconnect_in_ms"`
}

// prices are those of a ticker message, each like "BTC-USD=42000.12".
func (m message) prices() string {
	var list []string
	for _, p := range m.Data {
		list = append(list, p.Symbol+"="+p.Price.String())
	}
	return strings.Join(list, " ")
}

// upgraded sends an upgrade, and fails unless it is granted.
func (c *wire) upgraded(r request) *client {
	c.t.Helper()
	c.send(r.String())
	if got := c.reply("GET"); got.status != http.StatusSwitchingProtocols || got.header.Get("Sec-Websocket-Accept") != sampleAccept {
		c.t.Fatalf("upgrade: %+v", got)
	}
	return &client{wire: c}
}

// open opens a connection.
func (w *world) open(r request) *client {
	w.Helper()
	return w.dial().upgraded(r)
}

// connect opens a connection, and reads its welcome.
func (w *world) connect(r request) *client {
	w.Helper()
	c := w.open(r)
	c.welcome()
	return c
}

// begin opens a connection, and reads its welcome and its first snapshot.
func (w *world) begin(r request) *client {
	w.Helper()
	c := w.connect(r)
	c.snapshot()
	return c
}

// welcome reads the welcome, which comes first.
func (c *client) welcome() message {
	c.t.Helper()
	m := c.next()
	if m.Type != "welcome" || m.ConnID == "" {
		c.t.Fatalf("got %s, want a welcome", m.raw)
	}
	c.id = m.ConnID
	c.t.mustLeave(c.id)
	return m
}

// snapshot reads a snapshot, which must come next.
func (c *client) snapshot() message {
	c.t.Helper()
	m := c.next()
	if m.Type != "ticker" || !m.Snapshot {
		c.t.Fatalf("got %s, want a snapshot", m.raw)
	}
	return m
}

// frame reads a frame.
func (c *client) frame() (ws.OpCode, []byte) {
	c.t.Helper()
	op, payload, err := c.tryFrame()
	if err != nil {
		c.t.Fatal(err)
	}
	return op, payload
}

// tryFrame is frame for who can do without.
func (c *client) tryFrame() (ws.OpCode, []byte, error) {
	c.t.Helper()
	h, err := ws.ReadHeader(c.r)
	if err != nil {
		return 0, nil, fmt.Errorf("read frame: %w", err)
	}
	if !h.Fin || h.Rsv != 0 || h.Masked || h.OpCode == ws.OpContinuation || h.OpCode == ws.OpBinary || h.OpCode.IsReserved() ||
		h.OpCode.IsControl() && h.Length > ws.MaxControlFramePayloadSize {
		c.t.Fatalf("frame that no server may send: %+v", h)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(c.r, payload); err != nil {
		return 0, nil, fmt.Errorf("torn frame: %w", err)
	}
	return h.OpCode, payload, nil
}

// next reads a message, which must come next.
func (c *client) next() message {
	c.t.Helper()
	op, payload := c.frame()
	if op != ws.OpText {
		c.t.Fatalf("got a frame of kind %x: %q, want a message", op, payload)
	}
	return c.parse(payload)
}

func (c *client) parse(payload []byte) message {
	c.t.Helper()
	m := message{raw: string(payload)}
	if err := json.Unmarshal(payload, &m); err != nil {
		c.t.Fatalf("%v: %s", err, payload)
	}
	return m
}

// want reads messages and fails unless they are these, byte for byte.
func (c *client) want(texts ...string) {
	c.t.Helper()
	for _, want := range texts {
		op, payload := c.frame()
		if op != ws.OpText || string(payload) != want {
			c.t.Fatalf("got frame of kind %x: %s\nwant %s", op, payload, want)
		}
	}
}

// wantFrame reads a frame and fails unless it is this one.
func (c *client) wantFrame(op ws.OpCode, payload string) {
	c.t.Helper()
	gotOp, got := c.frame()
	if gotOp != op || string(got) != payload {
		c.t.Fatalf("got frame of kind %x: %q, want kind %x: %q", gotOp, got, op, payload)
	}
}

// until reads messages up to one of the given type.
func (c *client) until(kind string) message {
	c.t.Helper()
	for {
		if m := c.next(); m.Type == kind {
			return m
		}
	}
}

// frameOf is a client's frame, masked, its payload anything.
func frameOf(op ws.OpCode, payload string) string {
	return header(ws.Header{Fin: true, OpCode: op, Masked: true, Length: int64(len(payload))}, payload)
}

// header is a frame as h says, whatever that is.
func header(h ws.Header, payload string) string {
	body := []byte(payload)
	if h.Masked {
		h.Mask = [4]byte{0x37, 0xfa, 0x21, 0x3d}
		ws.Cipher(body, h.Mask, 0)
	}
	var b bytes.Buffer
	if err := ws.WriteHeader(&b, h); err != nil {
		panic(err)
	}
	return b.String() + string(body)
}

// fragment is a frame of a fragmented message.
func fragment(op ws.OpCode, fin bool, payload string) string {
	return header(ws.Header{Fin: fin, OpCode: op, Masked: true, Length: int64(len(payload))}, payload)
}

// text is a message.
func text(payload string) string { return frameOf(ws.OpText, payload) }

// closeOf is a close frame.
func closeOf(code ws.StatusCode, reason string) string {
	return frameOf(ws.OpClose, string(ws.NewCloseFrameBody(code, reason)))
}

// say sends messages.
func (c *client) say(messages ...string) {
	c.t.Helper()
	var b strings.Builder
	for _, m := range messages {
		b.WriteString(text(m))
	}
	c.send(b.String())
}

// ended reads up to the close frame, answers it, and gives what it says; 1005
// for an empty one.
func (c *client) ended() (ws.StatusCode, string) {
	c.t.Helper()
	code, reason := c.readClose()
	c.send(frameOf(ws.OpClose, ""))
	c.wantEOF()
	return code, reason
}

// readClose reads up to the close frame, and answers pings.
func (c *client) readClose() (ws.StatusCode, string) {
	c.t.Helper()
	for {
		op, payload := c.frame()
		switch {
		case op == ws.OpPing:
			c.send(frameOf(ws.OpPong, string(payload)))
		case op != ws.OpClose:
		case len(payload) == 0:
			return ws.StatusNoStatusRcvd, ""
		default:
			return ws.ParseCloseFrameData(payload)
		}
	}
}

// wantEnd fails unless the gateway closes the connection like this.
func (c *client) wantEnd(code ws.StatusCode, reason string) {
	c.t.Helper()
	gotCode, gotReason := c.ended()
	if gotCode != code || gotReason != reason {
		c.t.Errorf("closed with %d %q, want %d %q", gotCode, gotReason, code, reason)
	}
	if c.id != "" {
		c.t.wantLeave(c.id, int(code), reason)
	}
}

// bye closes the connection as one should.
func (c *client) bye() {
	c.t.Helper()
	c.send(closeOf(ws.StatusNormalClosure, ""))
	if code, _ := c.readClose(); code != ws.StatusNormalClosure {
		c.t.Errorf("closed with %d", code)
	}
	c.wantEOF()
}

// reset ends the connection as a crash does.
func (c *wire) reset() {
	c.t.Helper()
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		c.t.Fatal("not TCP")
	}
	if err := errors.Join(tcp.SetLinger(0), tcp.Close()); err != nil {
		c.t.Fatal(err)
	}
}
