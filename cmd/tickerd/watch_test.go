package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

const (
	welcome  = `{"type":"welcome","user_id":"user:ann","conn_id":"c","symbols":["*"],"interval_ms":0,"expires_in":3600}`
	snapshot = `{"type":"ticker","snapshot":true,"seq":7,"ts":1700000000123456,"data":[{"symbol":"BTC-USD","price":42000.10,"timestamp":1700000000},{"symbol":"ETH-USD","price":2500.00,"timestamp":1700000000}]}`
	tick     = `{"type":"ticker","seq":8,"ts":1700000000223456,"data":[{"symbol":"BTC-USD","price":42000.20,"timestamp":1700000000}]}`

	btcFirst  = "2023-11-14T22:13:20.123456Z BTC-USD 42000.10"
	ethFirst  = "2023-11-14T22:13:20.123456Z ETH-USD 2500.00"
	btcSecond = "2023-11-14T22:13:20.223456Z BTC-USD 42000.20"
)

// watching is a `tickerd watch`, or another client, that runs in this process.
type watching struct {
	stdout, stderr lines
	status         chan int
	interrupt      context.CancelFunc
}

func watch(t *testing.T, s *site, args ...string) *watching {
	t.Helper()
	return client(t, s, "watch", args...)
}

func client(t *testing.T, s *site, command string, args ...string) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{newLines(t), newLines(t), make(chan int, 1), cancel}
	p := program{stdin: strings.NewReader(""), stdout: w.stdout, stderr: w.stderr}
	go func() {
		w.status <- p.run(ctx, append([]string{command, "--key", "tk_good", "--url", s.URL}, args...))
	}()
	t.Cleanup(cancel)
	return w
}

func (w *watching) end(t *testing.T, want int) {
	t.Helper()
	select {
	case got := <-w.status:
		if got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	case <-time.After(patience):
		t.Fatal("does not end")
	}
}

func TestWatch(t *testing.T) {
	s := newSite(t)
	w := watch(t, s, "--symbols", "BTC-USD,ETH-*", "--interval", "250ms")
	p := s.next(t)
	if want := "Bearer token-1"; p.token != want {
		t.Errorf("got %q, want %q", p.token, want)
	}
	if q, err := url.ParseQuery(p.query); err != nil || q.Get("symbols") != "BTC-USD,ETH-*" || q.Get("interval") != "250ms" || q.Has("since") {
		t.Errorf("got query %s, %v", p.query, err)
	}
	p.send(welcome)
	p.send(snapshot)
	w.stdout.expect(t, btcFirst)
	w.stdout.expect(t, ethFirst)
	p.send(tick)
	w.stdout.expect(t, btcSecond)

	// News goes elsewhere, and what is not new nowhere.
	p.send(`{"type":"status","source":"coinbase","state":"stale","symbols":["BTC-USD","ETH-USD"]}`)
	w.stderr.expect(t, "tickerd: coinbase is stale: BTC-USD ETH-USD")
	p.send(`{"type":"error","code":"forbidden","message":"not \u001b[2J yours"}`)
	w.stderr.expect(t, "tickerd: the server says forbidden: not \uFFFD[2J yours")
	p.send(`{"type":"later","data":7}`)
	p.send(snapshot)
	w.stdout.expect(t, btcFirst)

	// It answers a ping, between the fragments of a message too.
	p.frame(ws.NewPingFrame([]byte("a")))
	if got := p.expect(ws.OpPong); string(got) != "a" {
		t.Errorf("pong %q", got)
	}
	p.frame(ws.NewFrame(ws.OpText, false, []byte(tick[:20])))
	p.frame(ws.NewPingFrame([]byte("b")))
	if got := p.expect(ws.OpPong); string(got) != "b" {
		t.Errorf("pong %q", got)
	}
	p.frame(ws.NewFrame(ws.OpContinuation, true, []byte(tick[20:])))
	w.stdout.expect(t, btcSecond)

	w.interrupt()
	if code, _ := ws.ParseCloseFrameData(p.expect(ws.OpClose)); code != ws.StatusNormalClosure {
		t.Errorf("close code %d", code)
	}
	w.end(t, 0)
}

func TestWatchRaw(t *testing.T) {
	s := newSite(t)
	w := watch(t, s, "--json")
	p := s.next(t)
	if p.query != "" {
		t.Errorf("query %q", p.query)
	}
	for _, message := range []string{welcome, snapshot, `{"type":"later"}`} {
		p.send(message)
		w.stdout.expect(t, message)
	}
	w.interrupt()
	w.end(t, 0)
}

// The close code says whether to come again, and how.
func TestWatchReconnects(t *testing.T) {
	for name, end := range map[string]func(*peer){
		"1001": func(p *peer) { p.close(1001, "node is going away") },
		"1013": func(p *peer) { p.close(1013, "") },
		"4001": func(p *peer) { p.close(4001, "token expired") },
		"4003": func(p *peer) { p.close(4003, "too many messages") },
		"4004": func(p *peer) { p.close(4004, "ping timeout") },
		"4499": func(p *peer) { p.close(4499, "") },
		"3000": func(p *peer) { p.close(3000, "") },
		"no code": func(p *peer) {
			p.frame(ws.NewCloseFrame(nil))
			p.expect(ws.OpClose)
		},
		"between fragments": func(p *peer) {
			p.frame(ws.NewFrame(ws.OpText, false, []byte("{")))
			p.close(1001, "")
		},
		"cut":            func(p *peer) { p.conn.Close() },
		"broken message": func(p *peer) { p.send("{") },
		"broken frame":   func(p *peer) { p.frame(ws.NewFrame(ws.OpContinuation, true, nil)) },
		"drain": func(p *peer) {
			p.send(`{"type":"drain","reconnect_in_ms":1}`)
			p.close(1001, "node is going away")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			w := watch(t, s)
			p := s.next(t)
			p.send(welcome)
			p.send(snapshot)
			w.stdout.expect(t, btcFirst)
			w.stdout.expect(t, ethFirst)
			end(p)

			p = s.next(t)
			if p.token != "Bearer token-2" || p.query != "since=7" {
				t.Errorf("came again with %q, %q", p.token, p.query)
			}
			p.send(welcome)
			p.send(snapshot) // nothing new
			p.send(tick)
			w.stdout.expect(t, btcSecond)
			w.interrupt()
			w.end(t, 0)
		})
	}
}

func TestWatchDoesNotReconnect(t *testing.T) {
	for code, want := range map[ws.StatusCode]string{
		4500: "tickerd: closed by the server: 4500 token or key revoked",
		4501: "tickerd: closed by the server: 4501 policy no longer allows it",
		4999: "tickerd: closed by the server: 4999 \uFFFD",
	} {
		s := newSite(t)
		w := watch(t, s)
		p := s.next(t)
		p.send(welcome)
		p.close(code, map[ws.StatusCode]string{4500: "token or key revoked", 4501: "policy no longer allows it", 4999: "\a"}[code])
		w.stderr.expect(t, want)
		w.end(t, 1)
	}
}

func TestWatchIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		path    string
		status  int
		message string
		want    string
	}{
		"key":     {"/auth/token", 401, "invalid API key", "tickerd: get a token: invalid API key"},
		"token":   {"/ws/ticker", 401, "authentication required", "tickerd: connect: authentication required"},
		"symbols": {"/ws/ticker", 400, "bad symbols", "tickerd: connect: bad symbols"},
		"policy":  {"/ws/ticker", 403, "forbidden", "tickerd: connect: forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.refuseWith(tt.path, tt.status, tt.message)
			w := watch(t, s)
			w.stderr.expect(t, tt.want)
			w.end(t, 1)
		})
	}
}

// A server that is there but cannot now is waited for.
func TestWatchWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		path    string
		status  int
		message string
	}{
		"database": {"/auth/token", 500, "database unavailable"},
		"limit":    {"/ws/ticker", 429, "too many connections"},
		"draining": {"/ws/ticker", 503, "draining"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.refuseWith(tt.path, tt.status, tt.message)
			w := watch(t, s)
			select {
			case line := <-w.stderr.c:
				if !strings.Contains(line, tt.message+"; reconnecting in ") {
					t.Errorf("got %q", line)
				}
			case <-time.After(patience):
				t.Fatal("does not say that it waits")
			}
			s.refuse.Store(nil)
			p := s.next(t)
			p.send(welcome)
			w.interrupt()
			w.end(t, 0)
		})
	}
}

func TestWatchOfNoServer(t *testing.T) {
	s := newSite(t)
	s.Close()
	w := watch(t, s)
	if line := <-w.stderr.c; !strings.HasPrefix(line, "tickerd: get a token: dial tcp") {
		t.Errorf("got %q", line)
	}
	w.end(t, 1)
}

func TestWatchIsInterruptedWhileItWaits(t *testing.T) {
	s := newSite(t)
	w := watch(t, s)
	p := s.next(t)
	p.send(welcome)
	s.Close()
	p.conn.Close()
	for range 2 { // the end of the stream, and the refusal of the next
		<-w.stderr.c
	}
	w.interrupt()
	w.end(t, 0)
}

func TestWatchRefreshesItsToken(t *testing.T) {
	s := newSite(t)
	s.expires.Store(1)
	w := watch(t, s)
	p := s.next(t)
	p.send(welcome)
	for _, want := range []string{"token-2", "token-3"} {
		var request map[string]string
		if err := json.Unmarshal(p.expect(ws.OpText), &request); err != nil || request["type"] != "refresh" || request["token"] != want {
			t.Fatalf("got %v, %v", request, err)
		}
	}
	w.interrupt()
	w.end(t, 0)
}

func TestWatchOverTLS(t *testing.T) {
	s := startSite(t)
	s.Server = httptest.NewTLSServer(s.mux(t))
	t.Cleanup(s.Close)
	address, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	out, errs := newLines(t), newLines(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := watcher{
		remote: remote{address, &tls.Config{RootCAs: roots}},
		key:    "tk_good",
		screen: newLineScreen(out, errs),
	}
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	p := s.next(t)
	p.send(welcome)
	p.send(snapshot)
	out.expect(t, btcFirst)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWatchOfAnUnknownCertificate(t *testing.T) {
	s := startSite(t)
	s.Server = httptest.NewUnstartedServer(s.mux(t))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the handshake
	s.StartTLS()
	t.Cleanup(s.Close)
	w := watch(t, s)
	if line := <-w.stderr.c; !strings.Contains(line, "certificate signed by unknown authority") {
		t.Errorf("got %q", line)
	}
	w.end(t, 1)
}

// An output that takes nothing more ends it.
func TestWatchWithoutReader(t *testing.T) {
	s := newSite(t)
	w := watch(t, s)
	p := s.next(t)
	p.send(welcome)
	w.stdout.PipeWriter.Close()
	p.send(snapshot)
	w.stderr.expect(t, "tickerd: write: io: read/write on closed pipe")
	w.end(t, 1)
}

func TestBackoff(t *testing.T) {
	w := watcher{}
	least := []time.Duration{125, 250, 500, 1000, 2000, 4000, 7500, 7500}
	for i, ms := range least {
		least := ms * time.Millisecond
		if wait := w.backoff(&closed{1013, ""}); wait < least || wait >= 2*least {
			t.Errorf("attempt %d waits %v, want %v to %v", i+1, wait, least, 2*least)
		}
	}
	w = watcher{drained: true}
	if wait := w.backoff(&closed{1001, ""}); wait != 0 {
		t.Errorf("after a drain: %v", wait)
	}
	w = watcher{}
	if wait := w.backoff(&refusal{status: http.StatusTooManyRequests, retryAfter: time.Minute}); wait != time.Minute {
		t.Errorf("when told to: %v", wait)
	}
}
