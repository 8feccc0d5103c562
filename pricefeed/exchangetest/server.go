package exchangetest

import (
	"bufio"
	"crypto/x509"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// patience is how long anything waits for the client.
const patience = 10 * time.Second

// Server accepts WebSocket connections on every path.
type Server struct {
	tb       testing.TB
	http     *httptest.Server
	accepted chan *Conn
	readers  sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	refusals  []refusal
	conns     []*Conn
	handshake []http.Header
}

type refusal struct {
	status int
	header http.Header
}

// New starts a server, which ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := newServer(tb)
	s.http.Start()
	return s
}

// NewTLS is New over TLS, with a certificate that nobody trusts but who has
// Roots.
func NewTLS(tb testing.TB) *Server {
	tb.Helper()
	s := newServer(tb)
	s.http.StartTLS()
	return s
}

func newServer(tb testing.TB) *Server {
	s := &Server{tb: tb, accepted: make(chan *Conn, 64)}
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // what the server thinks of a client is the test's to say
	tb.Cleanup(s.Close)
	return s
}

// URL is the server's address, ws://127.0.0.1:port or wss://…
func (s *Server) URL() string { return strings.Replace(s.http.URL, "http", "ws", 1) }

// Roots are what a client trusts that takes NewTLS's certificate.
func (s *Server) Roots() *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(s.http.Certificate())
	return roots
}

// Refuse answers the next handshake that is not refused yet with a status other
// than 101. It may be called several times in advance.
func (s *Server) Refuse(status int, header http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals = append(s.refusals, refusal{status, header})
}

// Handshakes are the headers of all requests to upgrade so far, those refused
// included.
func (s *Server) Handshakes() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]http.Header(nil), s.handshake...)
}

// Accept waits for the next connection that no Accept has returned.
func (s *Server) Accept() *Conn {
	s.tb.Helper()
	select {
	case c := <-s.accepted:
		return c
	case <-time.After(patience):
		s.tb.Fatalf("no connection within %v", patience)
		return nil
	}
}

// Close ends the server and drops its connections: whoever connects from now on
// is refused by the system.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	conns := s.conns
	s.mu.Unlock()
	for _, c := range conns {
		c.Drop()
	}
	s.http.Close()
	s.readers.Wait()
}

// ServeHTTP upgrades a connection, or refuses it as told.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if refused, yes := s.arrive(r.Header); yes {
		maps.Copy(w.Header(), refused.header)
		http.Error(w, http.StatusText(refused.status), refused.status)
		return
	}
	conn, rw, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		s.tb.Errorf("handshake: %v", err)
		return
	}
	c := &Conn{tb: s.tb, conn: conn, received: make(chan Frame, 4096), gone: make(chan struct{})}
	if !s.add(c, rw) {
		conn.Close()
		return
	}
	s.accepted <- c
}

// add lets a connection live, until Close; it reports false behind that.
func (s *Server) add(c *Conn, rw *bufio.ReadWriter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns = append(s.conns, c)
	s.readers.Go(func() { c.receive(rw) })
	return true
}

// arrive notes a handshake, and tells whether it is to be refused.
func (s *Server) arrive(h http.Header) (refusal, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handshake = append(s.handshake, h.Clone())
	if len(s.refusals) == 0 {
		return refusal{}, false
	}
	next := s.refusals[0]
	s.refusals = s.refusals[1:]
	return next, true
}
