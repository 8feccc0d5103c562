package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// site is a tickerd whose side of the talk a test plays. The key "tk_good" is
// exchanged for the tokens "token-1", "token-2" and so on.
type site struct {
	*httptest.Server
	peers   chan *peer
	tokens  atomic.Int64
	expires atomic.Int64 // seconds that a token lives
	// refuse answers in the site's place if it is set and returns true.
	refuse atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

func newSite(t *testing.T) *site {
	s := startSite(t)
	s.Server = httptest.NewServer(s.mux(t))
	t.Cleanup(s.Close)
	return s
}

func startSite(*testing.T) *site {
	s := &site{peers: make(chan *peer)}
	s.expires.Store(3600)
	return s
}

func (s *site) mux(t *testing.T) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /auth/token", s.exchange)
	mux.HandleFunc("GET /ws/ticker", func(w http.ResponseWriter, r *http.Request) { s.upgrade(t, w, r) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse := s.refuse.Load(); refuse == nil || !(*refuse)(w, r) {
			mux.ServeHTTP(w, r)
		}
	})
}

// refuseWith answers requests for path with status and error until it is told
// otherwise.
func (s *site) refuseWith(path string, status int, message string) {
	s.refuse.Store(new(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == path {
			answer(w, status, message)
		}
		return r.URL.Path == path
	}))
}

func answer(w http.ResponseWriter, status int, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": message})
}

func (s *site) exchange(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Key string `json:"api_key"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || request.Key != "tk_good" {
		answer(w, http.StatusUnauthorized, "invalid API key")
		return
	}
	fmt.Fprintf(w, `{"token":"token-%d","user_id":"ann","role":"user","expires_in":%d}`, s.tokens.Add(1), s.expires.Load())
}

// peer is one client's connection.
type peer struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
	query  string
	token  string
}

func (s *site) upgrade(t *testing.T, w http.ResponseWriter, r *http.Request) {
	conn, rw, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Error(err)
	}
	p := &peer{t, conn, rw.Reader, r.URL.RawQuery, r.Header.Get("Authorization")}
	select {
	case s.peers <- p:
	case <-time.After(patience):
		t.Error("a client that nobody waits for")
	}
}

// next waits for a client.
func (s *site) next(t *testing.T) *peer {
	t.Helper()
	select {
	case p := <-s.peers:
		return p
	case <-time.After(patience):
		t.Fatal("no client comes")
		return nil
	}
}

func (p *peer) send(text string) {
	p.t.Helper()
	if err := wsutil.WriteServerText(p.conn, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) frame(f ws.Frame) {
	p.t.Helper()
	if err := ws.WriteFrame(p.conn, f); err != nil {
		p.t.Fatal(err)
	}
}

// close ends the connection and waits for the client's answer.
func (p *peer) close(code ws.StatusCode, reason string) {
	p.t.Helper()
	p.frame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, reason)))
	if got := ws.StatusCode(binary.BigEndian.Uint16(p.expect(ws.OpClose))); got != code {
		p.t.Errorf("a close with %d is answered with %d", code, got)
	}
	p.conn.Close()
}

// expect waits for a frame of the client.
func (p *peer) expect(op ws.OpCode) []byte {
	p.t.Helper()
	head, err := ws.ReadHeader(p.reader)
	if err != nil {
		p.t.Fatal(err)
	}
	if head.OpCode != op || !head.Fin || !head.Masked {
		p.t.Fatalf("got %+v, want opcode %v", head, op)
	}
	payload := make([]byte, head.Length)
	if _, err := io.ReadFull(p.reader, payload); err != nil {
		p.t.Fatal(err)
	}
	ws.Cipher(payload, head.Mask, 0)
	return payload
}

// lines passes on what is written to it, line by line.
type lines struct {
	*io.PipeWriter
	c chan string
}

func newLines(t *testing.T) lines {
	r, w := io.Pipe()
	l := lines{w, make(chan string, 100)}
	go func() {
		defer close(l.c)
		scanner := bufio.NewScanner(r)
		for scanner.Scan() {
			l.c <- scanner.Text()
		}
	}()
	t.Cleanup(func() { w.Close() })
	return l
}

// expect waits for a line.
func (l lines) expect(t *testing.T, want string) {
	t.Helper()
	select {
	case got, ok := <-l.c:
		if !ok || got != want {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("nothing comes, want %q", want)
	}
}
