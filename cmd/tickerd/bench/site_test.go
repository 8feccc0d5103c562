package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// A site is a server whose side of the talk a test plays.
type site struct {
	*httptest.Server
	peers chan *peer
	// refuse answers in the site's place if it is set and returns true.
	refuse func(w http.ResponseWriter, r *http.Request) bool
}

func newSite(t *testing.T) *site {
	s := &site{peers: make(chan *peer, 1000)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.refuse == nil || !s.refuse(w, r) {
			s.upgrade(t, w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *site) url(t *testing.T) *url.URL {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// upgrade agrees to whatever is offered.
func (s *site) upgrade(t *testing.T, w http.ResponseWriter, r *http.Request) {
	extension := wsflate.Extension{Parameters: wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}}
	upgrader := ws.HTTPUpgrader{Negotiate: extension.Negotiate}
	conn, rw, _, err := upgrader.Upgrade(r, w)
	if err != nil {
		return // the client is gone; if it is missed, next tells
	}
	t.Cleanup(func() { conn.Close() })
	_, deflate := extension.Accepted()
	s.peers <- &peer{t, conn, rw.Reader, r, deflate}
}

// next waits for so many clients.
func (s *site) next(t *testing.T, n int) (list []*peer) {
	t.Helper()
	late := time.After(patience)
	for range n {
		select {
		case p := <-s.peers:
			list = append(list, p)
		case <-late:
			t.Fatalf("%d clients come, not %d", len(list), n)
		}
	}
	return list
}

// A peer is the server's end of one connection.
type peer struct {
	t       *testing.T
	conn    net.Conn
	reader  *bufio.Reader
	request *http.Request
	deflate bool
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	if err := p.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		p.t.Error(err)
	}
	if _, err := p.conn.Write(b); err != nil {
		p.t.Errorf("write: %v", err)
	}
}

func (p *peer) send(messages ...string) {
	p.t.Helper()
	var b []byte
	for _, m := range messages {
		f := ws.NewTextFrame([]byte(m))
		if p.deflate {
			f = ws.NewTextFrame(deflated(p.t, m))
			f.Header.Rsv = ws.Rsv(true, false, false)
		}
		b = append(b, frames(f)...)
	}
	p.write(b)
}

// sync waits until the client has taken in all that was sent to it: it answers a ping
// only then.
func (p *peer) sync() {
	p.t.Helper()
	p.write(frames(ws.NewPingFrame([]byte("are you there"))))
	p.expect(ws.OpPong, "are you there")
}

// expect waits for a frame of the client.
func (p *peer) expect(op ws.OpCode, payload string) {
	p.t.Helper()
	if gotOp, got, err := readClient(p.reader); err != nil || gotOp != op || got != payload {
		p.t.Errorf("got opcode %v, %q, %v, want %v, %q", gotOp, got, err, op, payload)
	}
}

// readClient reads a client's whole frame.
func readClient(r io.Reader) (op ws.OpCode, payload string, err error) {
	h, err := ws.ReadHeader(r)
	switch {
	case err != nil:
		return 0, "", err
	case !h.Masked || !h.Fin || h.Length > ws.MaxControlFramePayloadSize:
		return h.OpCode, "", fmt.Errorf("header %+v", h)
	}
	b := make([]byte, h.Length)
	if _, err := io.ReadFull(r, b); err != nil {
		return h.OpCode, "", err
	}
	ws.Cipher(b, h.Mask, 0)
	return h.OpCode, string(b), nil
}

// part expects the client to leave, and closes.
func (p *peer) part() {
	p.t.Helper()
	p.expect(ws.OpClose, string(ws.NewCloseFrameBody(1000, "")))
	p.write(frames(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))
	if err := p.conn.Close(); err != nil {
		p.t.Error(err)
	}
}

// benching is a run that a test watches.
type benching struct {
	measuring chan struct{} // closed when the window begins
	interrupt context.CancelFunc
	done      chan struct{}
	report    *Report
	err       error
}

// start runs with long times, for a test to end when it has seen what it wants.
func start(t *testing.T, c Config, carry carrier) *benching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	b := &benching{measuring: make(chan struct{}), interrupt: cancel, done: make(chan struct{})}
	c.Duration = time.Hour
	on := func(p Progress) {
		if p.Phase == "measuring" && p.Begins {
			close(b.measuring)
		}
	}
	go func() {
		defer close(b.done)
		b.report, b.err = run(ctx, c, on, carry)
	}()
	t.Cleanup(func() {
		cancel()
		<-b.done
	})
	return b
}

func (b *benching) window(t *testing.T) {
	t.Helper()
	select {
	case <-b.measuring:
	case <-b.done:
		t.Fatalf("ended: %+v, %v", b.report, b.err)
	case <-time.After(patience):
		t.Fatal("the window does not begin")
	}
}

func (b *benching) end(t *testing.T) *Report {
	t.Helper()
	select {
	case <-b.done:
	case <-time.After(patience):
		t.Fatal("does not end")
	}
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.report
}

// torn writes bytes one by one.
func (p *peer) torn(b []byte) {
	for i := range b {
		p.write(b[i : i+1])
	}
}
