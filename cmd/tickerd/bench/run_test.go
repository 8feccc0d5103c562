package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// carriers are all there are on this system.
var carriers = map[string]carrier{"native": carryNatively, "goroutine": carryByGoroutine}

func eachCarrier(t *testing.T, test func(t *testing.T, carry carrier)) {
	for name, carry := range carriers {
		t.Run(name, func(t *testing.T) { test(t, carry) })
	}
}

func TestRun(t *testing.T) {
	eachCarrier(t, func(t *testing.T, carry carrier) {
		s := newSite(t)
		s.Start()
		b := start(t, Config{URL: s.url(t), Token: "secret", Conns: 5, Threads: 2, Symbols: []string{"BTC-USD", "ETH-*"}}, carry)
		peers := s.next(t, 5)
		for _, p := range peers {
			r := p.request
			if r.URL.Path != "/ws/ticker" || r.Header.Get("Authorization") != "Bearer secret" || r.URL.Query().Get("symbols") != "BTC-USD,ETH-*" || r.URL.Query().Has("interval") {
				t.Errorf("asked %v, %v", r.URL, r.Header)
			}
			p.send(welcomeText, snapshotAt(10, 0))
		}
		b.window(t)
		past := time.Now().Add(-time.Second).UnixMicro()
		var stream []string
		for seq := range uint64(100) {
			stream = append(stream, tickAt(11+seq, past))
		}
		text := func(m string) []byte { return frames(ws.NewTextFrame([]byte(m))) }
		whole, tornOne, skipping, closing, cut := peers[0], peers[1], peers[2], peers[3], peers[4]

		whole.send(stream...)
		tornOne.torn(text(stream[0]))
		tornOne.torn(frames(ws.NewFrame(ws.OpText, false, []byte(stream[1][:40]))))
		tornOne.write(frames(ws.NewPingFrame([]byte("between"))))
		tornOne.expect(ws.OpPong, "between")
		tornOne.torn(frames(ws.NewFrame(ws.OpContinuation, true, []byte(stream[1][40:]))))
		tornOne.send(strings.ReplaceAll(stream[2], ":", ": ")) // not as the server writes it
		tornOne.send(stream[3:]...)
		skipping.send(stream[:50]...)
		skipping.send(snapshotAt(80, past)) // for the ticks 61 to 80, stream[50:70]
		skipping.send(stream[70:]...)
		closing.send(stream[:10]...)
		closing.write(frames(ws.NewCloseFrame(ws.NewCloseFrameBody(4001, "token expired"))))
		closing.expect(ws.OpClose, string(ws.NewCloseFrameBody(4001, "")))
		cut.send(stream[:10]...)
		cut.sync()
		cut.conn.Close()
		for _, p := range peers[:3] {
			p.sync()
		}
		b.interrupt()
		for _, p := range peers[:3] {
			p.part()
		}

		r := b.end(t)
		if k := r.Ticks; k.Published != 100 || k.Received != 100+100+80+10+10 || k.Missing == nil || *k.Missing != 20+90+90 || k.Skips != 1 || k.Disordered != 0 {
			t.Errorf("ticks %+v", *k)
		}
		if k := r.Ticks; k.PerConn != (Fairness{10, 80, 100}) || *k.WorstShare != 0.1 {
			t.Errorf("fairness %+v", k.PerConn)
		}
		if d := r.DelayUS; d == nil || d.P50 < 1e6 || d.Max < d.P999 || d.P50 > d.P90 {
			t.Errorf("delay %+v", d)
		}
		if r.Received.Messages != 301 || r.Received.Bytes < 301*100 || r.Received.Frames < 301+1+4 {
			t.Errorf("received %+v", r.Received)
		}
		if want := []Disconnect{{1006, 1}, {4001, 1}}; !slices.Equal(r.Disconnects, want) {
			t.Errorf("disconnects %v", r.Disconnects)
		}
		if h := r.Handshakes; h.Attempted != 5 || h.Opened != 5 || h.Failed != 0 || len(h.Failures) != 0 || h.TookUS == nil || h.PerSecond <= 0 {
			t.Errorf("handshakes %+v", h)
		}
		if !r.Interrupted || r.WindowS <= 0 || r.Joins != nil || r.Conns != 5 || r.Threads != 2 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestRunOverTLS(t *testing.T) {
	s := newSite(t)
	s.StartTLS()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	b := start(t, Config{URL: s.url(t), TLS: &tls.Config{RootCAs: roots}, Conns: 2}, carryByGoroutine)
	peers := s.next(t, 2)
	for _, p := range peers {
		p.send(welcomeText, snapshotAt(1, 0))
	}
	b.window(t)
	for _, p := range peers {
		p.send(tickAt(2, 0))
		p.sync()
	}
	b.interrupt()
	for _, p := range peers {
		p.part()
	}
	if k := b.end(t).Ticks; k.Published != 1 || k.Received != 2 {
		t.Errorf("got %+v", k)
	}
}

func TestRunDeflate(t *testing.T) {
	eachCarrier(t, func(t *testing.T, carry carrier) {
		s := newSite(t)
		s.Start()
		b := start(t, Config{URL: s.url(t), Conns: 2, Deflate: true}, carry)
		peers := s.next(t, 2)
		for _, p := range peers {
			if !p.deflate {
				t.Error("no offer")
			}
			p.send(welcomeText, snapshotAt(1, 0))
		}
		b.window(t)
		for _, p := range peers {
			p.send(tickAt(2, 0), tickAt(3, 0))
			p.sync()
		}
		b.interrupt()
		for _, p := range peers {
			p.part()
		}
		r := b.end(t)
		sent := 2 * (2*2 + len(deflated(t, tickAt(2, 0))) + len(deflated(t, tickAt(3, 0))) + 2 + len("are you there"))
		if r.Handshakes.Deflated != 2 || r.Ticks.Received != 4 || r.Received.Bytes != uint64(sent) {
			t.Errorf("%d bytes sent, got %+v", sent, r)
		}
	})
}

// A handshake that fails is counted by what the server says.
func TestRunRefused(t *testing.T) {
	eachCarrier(t, func(t *testing.T, carry carrier) {
		s := newSite(t)
		var n atomic.Int64
		s.refuse = func(w http.ResponseWriter, r *http.Request) bool {
			switch n.Add(1) {
			case 1:
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprint(w, `{"error":"authentication required"}`)
			case 2, 3:
				w.WriteHeader(http.StatusTooManyRequests)
				if err := http.NewResponseController(w).Flush(); err != nil { // in two pieces, and chunked
					t.Error(err)
				}
				fmt.Fprint(w, `{"error":"too many connections"}`)
			case 4:
				http.NotFound(w, r)
			case 5:
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
				}
				conn.Close()
			case 6:
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
				}
				fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n")
				conn.Close()
			default:
				return false
			}
			return true
		}
		s.Start()
		b := start(t, Config{URL: s.url(t), Conns: 7, Connecting: 3}, carry)
		p := s.next(t, 1)[0]
		p.send(welcomeText, snapshotAt(1, 0))
		b.window(t)
		b.interrupt()
		p.part()
		h := b.end(t).Handshakes
		want := []FailureCount{
			{Failure{429, "too many connections"}, 2},
			{Failure{404, "not found"}, 1},
			{Failure{401, "authentication required"}, 1},
			{badAccept, 1},
			{hungUp, 1},
		}
		if h.Attempted != 7 || h.Opened != 1 || h.Failed != 6 || !slices.Equal(h.Failures, want) {
			t.Errorf("got %+v", h)
		}
	})
}

func TestRunOfNobody(t *testing.T) {
	eachCarrier(t, func(t *testing.T, carry carrier) {
		s := newSite(t)
		s.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		s.Start()
		b := start(t, Config{URL: s.url(t), Conns: 3, Slow: 1}, carry)
		<-b.done
		if !errors.Is(b.err, ErrNobody) || b.report == nil || b.report.Handshakes.Failed != 4 || b.report.Ticks != nil {
			t.Errorf("got %+v, %v", b.report, b.err)
		}
	})
}

func TestRunWithoutServer(t *testing.T) {
	s := newSite(t)
	s.Start()
	u := s.url(t)
	s.Close()
	if r, err := Run(t.Context(), Config{URL: u, Conns: 1, Duration: time.Second}, func(Progress) {}); r != nil || err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v, %v", r, err)
	}
}

// When the server has ended them all, there is nothing to wait for.
func TestRunAbandoned(t *testing.T) {
	eachCarrier(t, func(t *testing.T, carry carrier) {
		s := newSite(t)
		s.Start()
		b := start(t, Config{URL: s.url(t), Conns: 2}, carry)
		for _, p := range s.next(t, 2) {
			p.send(welcomeText, snapshotAt(1, 0))
			p.sync()
			p.write(frames(ws.NewCloseFrame(ws.NewCloseFrameBody(1001, ""))))
		}
		r := b.end(t)
		if want := []Disconnect{{1001, 2}}; !slices.Equal(r.Disconnects, want) || r.Interrupted {
			t.Errorf("got %+v", r)
		}
	})
}

func TestRunChurn(t *testing.T) {
	eachCarrier(t, func(t *testing.T, carry carrier) {
		s := newSite(t)
		s.Start()
		b := start(t, Config{URL: s.url(t), Conns: 2, Churn: true}, carry)
		b.window(t)
		for range 20 {
			p := s.next(t, 1)[0]
			p.send(welcomeText, snapshotAt(1, 0), tickAt(2, 0))
			p.part()
		}
		// One that is refused its snapshot, and comes again: when two are there, it has.
		p := s.next(t, 1)[0]
		p.write(frames(ws.NewCloseFrame(ws.NewCloseFrameBody(1013, ""))))
		for _, p := range s.next(t, 2) {
			p.send(snapshotAt(1, 0))
			p.part()
		}
		b.interrupt()
		drainPeers(s, b)
		r := b.end(t)
		if r.Joins == nil || r.Joins.Count < 20 || r.Joins.Count > 22 || r.Joins.TookUS == nil || r.Ticks != nil || r.DelayUS != nil {
			t.Errorf("got %+v, %+v", r, r.Joins)
		}
		if !slices.Contains(r.Disconnects, Disconnect{1013, 1}) {
			t.Errorf("disconnects %v", r.Disconnects)
		}
	})
}

// drainPeers closes whoever still comes until the run has ended.
func drainPeers(s *site, b *benching) {
	for {
		select {
		case p := <-s.peers:
			p.conn.Close()
		case <-b.done:
			return
		}
	}
}

func TestRunSlow(t *testing.T) {
	eachCarrier(t, func(t *testing.T, carry carrier) {
		s := newSite(t)
		s.Start()
		b := start(t, Config{URL: s.url(t), Conns: 1, Slow: 2, Threads: 1, Connecting: 1}, carry)
		peers := s.next(t, 3) // the slow ones come last
		for _, p := range peers {
			p.send(welcomeText, snapshotAt(1, 0))
		}
		peers[1].conn.Close()
		b.window(t)
		for _, p := range []*peer{peers[0], peers[2]} {
			p.send(tickAt(2, 0))
		}
		peers[0].sync()
		b.interrupt()
		peers[0].part()
		r := b.end(t)
		if r.Ticks.Received != 1 || r.Handshakes.Opened != 3 || len(r.Disconnects) != 0 || r.SlowConns != 2 {
			t.Errorf("got %+v", r)
		}
	})
}

// More connections than one address is given come from several.
func TestSources(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	far := netip.MustParseAddr("192.0.2.1")
	for _, tt := range []struct {
		wanted string
		to     netip.Addr
		conns  int
		want   string
	}{
		{"", local, 12_000, ""},
		{"", local, 12_001, "127.0.0.1 127.0.0.2"},
		{"", local, 36_000, "127.0.0.1 127.0.0.2 127.0.0.3"},
		{"", far, 60_000, ""},
		{"127.0.0.9", local, 60_000, "127.0.0.9"},
	} {
		var wanted []netip.Addr
		if tt.wanted != "" {
			wanted = append(wanted, netip.MustParseAddr(tt.wanted))
		}
		got, err := sourcesFor(wanted, tt.to, tt.conns)
		if err != nil || strings.Trim(fmt.Sprint(got), "[]") != tt.want {
			t.Errorf("%+v: got %v, %v", tt, got, err)
		}
	}
	if _, err := sourcesFor([]netip.Addr{netip.IPv6Loopback()}, local, 1); err == nil {
		t.Error("two families")
	}
}

func TestRunFromSources(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere 127.0.0.2 is nobody's")
	}
	eachCarrier(t, func(t *testing.T, carry carrier) {
		s := newSite(t)
		s.Start()
		sources := []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")}
		b := start(t, Config{URL: s.url(t), Conns: 2, Sources: sources}, carry)
		var from []string
		for _, p := range s.next(t, 2) {
			from = append(from, strings.Split(p.request.RemoteAddr, ":")[0])
			p.conn.Close()
		}
		b.end(t)
		if slices.Sort(from); !slices.Equal(from, []string{"127.0.0.2", "127.0.0.3"}) {
			t.Errorf("from %v", from)
		}
	})
}

func TestTooManyFiles(t *testing.T) {
	most, known := maxFiles()
	if !known || most > 1<<40 {
		t.Skip("there is no limit")
	}
	_, err := Run(t.Context(), Config{URL: &url.URL{Scheme: "http", Host: "localhost"}, Conns: int(most), Duration: 1}, func(Progress) {})
	if err == nil || !strings.Contains(err.Error(), "open files") {
		t.Errorf("got %v", err)
	}
}

func TestValidate(t *testing.T) {
	u := &url.URL{Scheme: "http", Host: "localhost"}
	good := Config{URL: u, Conns: 1, Duration: 1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Config){
		"conns": func(c *Config) { c.Conns = 0 }, "slow": func(c *Config) { c.Slow = -1 },
		"connecting": func(c *Config) { c.Connecting = -1 }, "threads": func(c *Config) { c.Threads = -1 },
		"rate": func(c *Config) { c.Rate = -1 }, "duration": func(c *Config) { c.Duration = 0 },
		"warmup": func(c *Config) { c.Warmup = -1 }, "interval": func(c *Config) { c.Interval = -1 },
		"url": func(c *Config) { c.URL = nil },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s is not refused", name)
		}
	}
}

// The names in a report last.
func TestReportNames(t *testing.T) {
	p := &Percentiles{1, 2, 3, 4, 5}
	data, err := json.Marshal(Report{
		Handshakes:  Handshakes{TookUS: p, Failures: []FailureCount{{Failure{429, "too many connections"}, 6}}},
		Ticks:       &Ticks{Missing: new(uint64(7)), WorstShare: new(0.5)},
		DelayUS:     p,
		Joins:       &Joins{TookUS: p},
		Disconnects: []Disconnect{{1001, 8}},
	})
	if err != nil {
		t.Fatal(err)
	}
	times := `{"p50":1,"p90":2,"p99":3,"p99_9":4,"max":5}`
	want := `{"url":"","conns":0,"slow_conns":0,"churn":false,"deflate":false,"threads":0,"interrupted":false,"window_s":0,` +
		`"handshakes":{"attempted":0,"opened":0,"deflated":0,"failed":0,"per_second":0,"took_us":` + times + `,` +
		`"failures":[{"status":429,"reason":"too many connections","count":6}]},` +
		`"received":{"bytes":0,"frames":0,"messages":0,"bytes_per_second":0,"messages_per_second":0},` +
		`"ticks":{"published":0,"received":0,"missing":7,"skips":0,"disordered":0,"per_conn":{"min":0,"median":0,"max":0},"worst_share":0.5},` +
		`"delay_us":` + times + `,"joins":{"count":0,"per_second":0,"took_us":` + times + `},` +
		`"disconnects":[{"code":1001,"count":8}],"slow_ended":0,"cpu_cores":0}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}

// A run that is interrupted while it connects says what there was.
func TestRunInterruptedEarly(t *testing.T) {
	eachCarrier(t, func(t *testing.T, carry carrier) {
		s := newSite(t)
		ctx, cancel := context.WithCancel(t.Context())
		asked := make(chan struct{}, 10)
		s.refuse = func(_ http.ResponseWriter, r *http.Request) bool {
			asked <- struct{}{}
			<-r.Context().Done() // as long as the client is there
			return true
		}
		s.Start()
		go func() {
			<-asked
			cancel()
		}()
		r, err := run(ctx, Config{URL: s.url(t), Conns: 3, Duration: time.Hour}, func(Progress) {}, carry)
		if !errors.Is(err, ErrNobody) || r == nil || !r.Interrupted || r.Handshakes.Opened != 0 {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}
