package exchange

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"tickerd/pricefeed/exchangetest"
	"tickerd/ticker"
)

const patience = 10 * time.Second

// impatient are terms for which no test waits long.
func impatient() Terms {
	return Terms{ConnectEvery: time.Millisecond, MessageEvery: time.Millisecond, PerRequest: 100, Retry: time.Millisecond, Silence: time.Minute}
}

// speech is a protocol in words: "price BTC-USD 1.5", "alive BTC-USD", "refused BTC-USD",
// "accepted BTC-USD", "subscribed BTC-USD …", "retire", "complaint", "bad", "end".
type speech struct{}

func (speech) Name(s ticker.Symbol) string { return strings.TrimSuffix(string(s), "T") }

func (speech) Request(names []string, subscribe bool) []byte {
	if subscribe {
		return []byte("subscribe " + strings.Join(names, " "))
	}
	return []byte("unsubscribe " + strings.Join(names, " "))
}

func (speech) Handle(c *Conn, msg []byte) error {
	words := append(strings.Fields(string(msg)), "", "", "")
	switch words[0] {
	case "price":
		c.Price(words[1], Trade{Price: ticker.Decimal(words[2])})
	case "alive":
		c.Alive(words[1])
	case "refused":
		c.Refused(words[1], "no reason")
	case "accepted":
		c.Accepted(words[1])
	case "subscribed":
		c.Subscribed(words[1:])
	case "retire":
		c.Retire("the exchange says so")
	case "complaint":
		c.Complaint("something is wrong")
	case "bad":
		c.Bad(msg, io.ErrUnexpectedEOF)
	case "end":
		return ErrTooOften
	}
	return nil
}

// heard is a speech that passes on all messages for which there is room.
type heard struct {
	speech
	msgs chan string
}

func (h heard) Handle(c *Conn, msg []byte) error {
	select {
	case h.msgs <- string(msg):
	default:
	}
	return h.speech.Handle(c, msg)
}

// ends is a log that passes on why connections ended.
type ends chan error

func (ends) Enabled(context.Context, slog.Level) bool { return true }
func (e ends) WithAttrs([]slog.Attr) slog.Handler     { return e }
func (e ends) WithGroup(string) slog.Handler          { return e }
func (e ends) Handle(_ context.Context, record slog.Record) error {
	if record.Message != "exchange connection failed" {
		return nil
	}
	record.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			e <- err
		}
		return true
	})
	return nil
}

// peer is a client at work: it passes on the messages, the news, and why each
// connection ended.
type peer struct {
	t      *testing.T
	client *Client
	msgs   chan string
	ends   ends
	news   news
	stop   func()
}

// news is a sink that writes everything down in a line.
type news chan string

func (n news) Link(up bool)                        { n <- fmt.Sprintf("link %v", up) }
func (n news) Heard()                              {}
func (n news) Market(s ticker.Symbol, served bool) { n <- fmt.Sprintf("%s served %v", s, served) }
func (n news) Price(p ticker.Price)                { n <- fmt.Sprintf("%s %s", p.Symbol, p.Price) }

// newPeer wants symbols, or else one.
func newPeer(t *testing.T, url string, terms Terms, symbols ...ticker.Symbol) *peer {
	p := &peer{t: t, msgs: make(chan string, 5000), ends: make(ends, 1000), news: make(news, 5000)}
	p.client = NewClient(url, terms, heard{msgs: p.msgs}, slog.New(p.ends))
	if symbols == nil {
		symbols = []ticker.Symbol{"BTC-USD"}
	}
	p.client.Subscribe(symbols)
	return p
}

func (p *peer) start() *peer {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.client.Run(ctx, p.news) }()
	p.stop = func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				p.t.Errorf("Run: %v", err)
			}
			done <- nil
		case <-time.After(patience):
			p.t.Errorf("Run goes on")
		}
	}
	p.t.Cleanup(p.stop)
	return p
}

// expect waits for the next lines of news.
func (p *peer) expect(lines ...string) {
	p.t.Helper()
	for _, want := range lines {
		if got := receive(p.t, p.news); got != want {
			p.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func connect(t *testing.T) (*peer, *exchangetest.Server, *exchangetest.Conn) {
	s := exchangetest.New(t)
	p := newPeer(t, s.URL(), impatient()).start()
	return p, s, accept(t, s, "subscribe BTC-USD")
}

// accept waits for a connection and its first request.
func accept(t *testing.T, s *exchangetest.Server, request string) *exchangetest.Conn {
	t.Helper()
	c := s.Accept()
	if got := c.Read(); got != request {
		t.Errorf("got %q, want %q", got, request)
	}
	return c
}

func receive[C ~chan T, T any](t *testing.T, ch C) T {
	t.Helper()
	select {
	case x := <-ch:
		return x
	case <-time.After(patience):
		t.Fatalf("nothing within %v", patience)
		panic("unreachable")
	}
}

func TestMessages(t *testing.T) {
	p, _, c := connect(t)
	long := strings.Repeat("x", MaxMessage)
	c.Send("one")
	c.Send("")
	c.SendFragments("t", "", "w", "o")
	c.SendFrame(ws.NewBinaryFrame([]byte("binary")))
	c.Send(long)
	c.SendFragments(long[:MaxMessage/2], long[MaxMessage/2:])
	c.Send("last")
	for _, want := range []string{"one", "", "two", "binary", long, long, "last"} {
		if got := receive(t, p.msgs); got != want {
			t.Fatalf("got %.20q of %d, want %.20q of %d", got, len(got), want, len(want))
		}
	}
	if got := p.client.Stats(); got != (Stats{Attempts: 1, Connects: 1, Messages: 7}) {
		t.Errorf("%+v", got)
	}
}

func TestHandshake(t *testing.T) {
	_, s, _ := connect(t)
	if got := s.Handshakes()[0].Get("User-Agent"); got != "tickerd" {
		t.Errorf("User-Agent: %s", got)
	}
}

func TestPing(t *testing.T) {
	p, _, c := connect(t)
	c.SendFrame(ws.NewFrame(ws.OpText, false, []byte("a")))
	c.Ping("within a message")
	c.SendFrame(ws.NewPongFrame([]byte("unasked")))
	c.SendFrame(ws.NewFrame(ws.OpContinuation, true, []byte("b")))
	if got := c.Next(); got.Op != ws.OpPong || got.Payload != "within a message" {
		t.Errorf("got %v %q, want a pong", got.Op, got.Payload)
	}
	if got := receive(t, p.msgs); got != "ab" {
		t.Errorf("got %q", got)
	}
}

// A flood of pings is not answered by a flood, and no request delays a pong.
func TestPingFlood(t *testing.T) {
	s := exchangetest.New(t)
	terms := impatient()
	terms.MessageEvery = time.Hour
	p := newPeer(t, s.URL(), terms).start()
	c := accept(t, s, "subscribe BTC-USD")
	p.client.Subscribe([]ticker.Symbol{"ETH-USD"}) // which waits for an hour
	start := time.Now()
	for range 1000 {
		c.Ping("")
	}
	c.Send("done")
	receive(t, p.msgs)
	p.stop()
	pongs := 0
	for c.Next().Op != ws.OpClose {
		pongs++
	}
	if most := 1 + int(time.Since(start)/pongEvery); pongs == 0 || pongs > most {
		t.Errorf("%d pongs", pongs)
	}
}

func TestExchangeCloses(t *testing.T) {
	for name, tt := range map[string]struct {
		end    func(c *exchangetest.Conn)
		echo   []byte       // the payload of the client's close frame; nil: none is awaited
		closed *ClosedError // nil: no close frame
	}{
		"with a reason":   {func(c *exchangetest.Conn) { c.Close(1001, "maintenance") }, []byte{3, 233}, &ClosedError{1001, "maintenance"}},
		"without a code":  {func(c *exchangetest.Conn) { c.SendFrame(ws.NewCloseFrame(nil)) }, []byte{}, &ClosedError{Code: 1005}},
		"within messages": {func(c *exchangetest.Conn) { c.SendRaw([]byte{0x01, 1, 'a'}); c.Close(1000, "") }, []byte{3, 232}, &ClosedError{Code: 1000}},
		"by dropping":     {func(c *exchangetest.Conn) { c.Drop() }, nil, nil},
		"in half a frame": {func(c *exchangetest.Conn) { c.SendRaw([]byte{0x81, 5, 'h', 'a'}); c.Drop() }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, s, c := connect(t)
			tt.end(c)
			err := receive(t, p.ends)
			closed, ok := errors.AsType[*ClosedError](err)
			if tt.closed != nil && (!ok || *closed != *tt.closed) || err == nil {
				t.Errorf("ended with %v, want %v", err, tt.closed)
			}
			if tt.echo != nil {
				if got := c.Next(); got.Op != ws.OpClose || got.Payload != string(tt.echo) {
					t.Errorf("answered with %v %q", got.Op, got.Payload)
				}
				if again := c.Ended(); again != ws.StatusAbnormalClosure {
					t.Errorf("and with %d again", again)
				}
			}
			s.Accept().Send("again")
			if got := receive(t, p.msgs); got != "again" {
				t.Errorf("got %q", got)
			}
			p.stop()
			p.expect("link true", "link false", "link true", "link false")
		})
	}
}

func TestBreaches(t *testing.T) {
	for name, tt := range map[string]struct {
		bytes []byte
		code  ws.StatusCode
	}{
		"too big":              {ws.MustCompileFrame(ws.NewTextFrame(make([]byte, MaxMessage+1))), 1009},
		"too big together":     {append(ws.MustCompileFrame(ws.NewFrame(ws.OpText, false, make([]byte, MaxMessage))), 0x80, 1, 'a'), 1009},
		"beyond all measure":   {[]byte{0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 1009},
		"negative length":      {[]byte{0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 1000},
		"compressed":           {[]byte{0xc1, 1, 'a'}, 1002},
		"masked":               {ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("a")))), 1002},
		"unknown opcode":       {[]byte{0x83, 0}, 1002},
		"continues nothing":    {[]byte{0x80, 0}, 1002},
		"does not continue":    {[]byte{0x01, 1, 'a', 0x81, 1, 'b'}, 1002},
		"control too long":     {[]byte{0x89, 126, 0, 126}, 1002},
		"control in fragments": {[]byte{0x09, 0}, 1002},
		"HTTP":                 {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), 1002},
	} {
		t.Run(name, func(t *testing.T) {
			p, s, c := connect(t)
			c.SendRaw(tt.bytes)
			if err := receive(t, p.ends); err == nil {
				t.Error("the connection ended without a reason")
			}
			if got := c.Ended(); got != tt.code && got != ws.StatusAbnormalClosure { // the rest of the bytes may reset the connection
				t.Errorf("closed with %d, want %d", got, tt.code)
			}
			s.Accept()
		})
	}
}

func TestSilence(t *testing.T) {
	s := exchangetest.New(t)
	terms := impatient()
	terms.Silence = 100 * time.Millisecond
	p := newPeer(t, s.URL(), terms).start()
	c := s.Accept()
	ended := false
	for range 1000 {
		c.Ping("") // breaks no silence
		select {
		case err := <-p.ends:
			if !errors.Is(err, ErrSilent) {
				t.Errorf("ended with %v", err)
			}
			ended = true
		case <-time.After(time.Millisecond):
		}
		if ended {
			break
		}
	}
	if !ended {
		t.Error("a second of pings alone is taken for life")
	}
	s.Accept()
}

func TestEndOfContext(t *testing.T) {
	for name, prepare := range map[string]func(c *exchangetest.Conn){
		"reading":      func(*exchangetest.Conn) {},
		"half a frame": func(c *exchangetest.Conn) { c.SendRaw([]byte{0x81, 5, 'h'}) },
	} {
		t.Run(name, func(t *testing.T) {
			p, _, c := connect(t)
			c.Send("ready")
			receive(t, p.msgs)
			prepare(c)
			p.stop()
			if got := c.Ended(); got != ws.StatusNormalClosure {
				t.Errorf("closed with %d", got)
			}
		})
	}
}

// A server that takes the connection and says nothing does not hold up the end.
func TestEndOfContextDuringHandshake(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, scheme := range []string{"ws://", "wss://"} {
		p := newPeer(t, scheme+l.Addr().String(), impatient()).start()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		p.stop()
		if took := time.Since(begin); took > dialTimeout/2 {
			t.Errorf("%s: the end took %v", scheme, took)
		}
		conn.Close()
	}
}

// Messages may follow the handshake in the same packet.
func TestEarlyMessages(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := newPeer(t, "ws://"+l.Addr().String(), impatient()).start()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var answer bytes.Buffer
	if _, err := ws.Upgrade(struct {
		io.Reader
		io.Writer
	}{conn, &answer}); err != nil {
		t.Fatal(err)
	}
	answer.Write(ws.MustCompileFrame(ws.NewTextFrame([]byte("early"))))
	answer.Write([]byte{0x81, 4, 'h'})
	if _, err := conn.Write(answer.Bytes()); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, p.msgs); got != "early" {
		t.Errorf("got %q", got)
	}
	if _, err := conn.Write([]byte("alf")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, p.msgs); got != "half" {
		t.Errorf("got %q", got)
	}
}

func TestDialErrors(t *testing.T) {
	dial := func(s *exchangetest.Server) error {
		c := newPeer(t, s.URL(), impatient()).client
		conn, err := c.dial(t.Context())
		if err == nil {
			conn.close(nil)
		}
		return err
	}
	s := exchangetest.New(t)
	s.Refuse(429, http.Header{"Retry-After": {"7"}})
	s.Refuse(503, http.Header{"Retry-After": {time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)}})
	s.Refuse(403, nil)
	for _, want := range []StatusError{{429, 7 * time.Second}, {503, time.Minute}, {403, 0}} {
		err := dial(s)
		got, ok := errors.AsType[*StatusError](err)
		if !ok || got.Status != want.Status || got.RetryAfter > want.RetryAfter || got.RetryAfter < want.RetryAfter-5*time.Second {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if err := dial(s); err != nil {
		t.Errorf("then: %v", err)
	}
	s.Close()
	if err := dial(s); err == nil {
		t.Error("a closed server is connected")
	}
	if err := dial(exchangetest.NewTLS(t)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

func TestTLS(t *testing.T) {
	s := exchangetest.NewTLS(t)
	p := newPeer(t, s.URL(), impatient())
	p.client.tls = &tls.Config{RootCAs: s.Roots()}
	p.start()
	c := accept(t, s, "subscribe BTC-USD")
	p.stop()
	if got := c.Ended(); got != ws.StatusNormalClosure {
		t.Errorf("closed with %d", got)
	}
}

// proxyTo is an HTTP proxy that takes CONNECT, and the user me:secret only.
func proxyTo(t *testing.T) (proxy *httptest.Server, targets chan string) {
	targets = make(chan string, 10)
	var tunnels sync.WaitGroup
	t.Cleanup(tunnels.Wait)
	return httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", r.Header.Get("Proxy-Authorization"))
		if user, password, _ := r.BasicAuth(); r.Method != http.MethodConnect || user != "me" || password != "secret" {
			http.Error(w, "who are you", http.StatusProxyAuthRequired)
			return
		}
		out, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		in, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n") // the client shows it
		for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
			tunnels.Go(func() {
				_, _ = io.Copy(way[0], way[1]) // until either side ends
				in.Close()
				out.Close()
			})
		}
		targets <- r.Host
	})), targets
}

func TestProxy(t *testing.T) {
	for name, tt := range map[string]struct{ tlsExchange, tlsProxy bool }{
		"ws by http":   {false, false},
		"wss by http":  {true, false},
		"wss by https": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := exchangetest.New(t)
			if tt.tlsExchange {
				s = exchangetest.NewTLS(t)
			}
			proxy, targets := proxyTo(t)
			p := newPeer(t, s.URL(), impatient())
			if tt.tlsExchange {
				p.client.tls = &tls.Config{RootCAs: s.Roots()}
			}
			if tt.tlsProxy {
				proxy.StartTLS() // with the same certificate
			} else {
				proxy.Start()
			}
			t.Cleanup(proxy.Close)
			at, err := url.Parse(proxy.URL)
			if err != nil {
				t.Fatal(err)
			}
			at.User = url.UserPassword("me", "secret")
			p.client.proxy = func(r *http.Request) (*url.URL, error) {
				if want := strings.Replace(s.URL(), "ws", "http", 1); r.URL.String() != want {
					t.Errorf("the proxy for %s is asked for, not for %s", r.URL, want)
				}
				return at, nil
			}
			p.start()
			s.Accept().Send("through")
			if got := receive(t, p.msgs); got != "through" {
				t.Errorf("got %q", got)
			}
			if got := receive(t, targets); !strings.HasSuffix(s.URL(), got) {
				t.Errorf("connected to %s", got)
			}
		})
	}
}

func TestProxyErrors(t *testing.T) {
	proxy, _ := proxyTo(t)
	proxy.Start()
	defer proxy.Close()
	chatty, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer chatty.Close()
	go func() {
		conn, err := chatty.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\nhello") // the client shows it
		_, _ = io.Copy(io.Discard, conn)
	}()
	for at, want := range map[string]string{
		strings.Replace(proxy.URL, "://", "://me:wrong-secret@", 1): "407",
		"socks5://127.0.0.1:1":              `"socks5" is not supported`,
		"http://" + chatty.Addr().String():  "before it is spoken to",
		"http://127.0.0.1:" + closedPort(t): "refused",
	} {
		c := NewClient("ws://exchange.test", impatient(), speech{}, slog.New(slog.DiscardHandler))
		c.proxy = func(*http.Request) (*url.URL, error) { return url.Parse(at) }
		_, err := c.dial(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", at, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "wrong-secret") {
			t.Errorf("%v tells a secret", err)
		}
	}
}

// closedPort is one on which nobody listens any more.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestProxyOfTheEnvironment(t *testing.T) {
	if os.Getenv("HTTPS_PROXY") != "" {
		t.Skip("there is one here")
	}
	c := NewClient("wss://exchange.test", impatient(), speech{}, slog.New(slog.DiscardHandler))
	dialled := make(chan string, 1)
	c.netDial = func(_ context.Context, _, addr string) (net.Conn, error) {
		dialled <- addr
		return nil, net.ErrClosed
	}
	_, err := c.dial(t.Context())
	if got := <-dialled; got != "exchange.test:443" || !errors.Is(err, net.ErrClosed) {
		t.Errorf("dialled %s: %v", got, err)
	}
}
