package gateway_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/gateway/event/eventtest"
)

// The stream as events is the stream: the same messages in the same order, byte for
// byte.
func TestEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.gateway.Compression = true })
	w.everyWay(t, func(t *testing.T, w *world, listen func(request) *listener) {
		l := listen(sse(w.demo()).and("Accept: text/event-stream", "Accept-Encoding: gzip", "Origin: https://any.example"))
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no",
			"Access-Control-Allow-Origin": "*", "Content-Encoding": "", "Content-Length": "", "Transfer-Encoding": "",
		} {
			if got := l.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		m := l.welcome()
		want := fmt.Sprintf(`{"type":"welcome","user_id":"user:demo","conn_id":%q,"symbols":["*"],"interval_ms":0,"expires_in":%d}`, m.ConnID, m.ExpiresIn)
		if m.raw != want || m.ExpiresIn < 3590 {
			t.Errorf("got  %s\nwant %s", m.raw, want)
		}
		if l.events.Retry < 2*time.Second || l.events.Retry >= 4*time.Second {
			t.Errorf("to come back after %v", l.events.Retry)
		}
		if m := l.next(); !m.Snapshot || m.Seq != w.seq {
			t.Errorf("got %s, want the snapshot of %d", m.raw, w.seq)
		}
		l.want(w.tick("BTC-USD=42000.12", "ETH-USD=2500.00"), w.tick("ETH-USD=0.00000001"))
		const stale = `{"type":"status","source":"feed","state":"stale","symbols":["BTC-USD"]}`
		const live = `{"type":"status","source":"feed","state":"live","symbols":["BTC-USD"]}`
		w.publish(bus.StatusNews, stale)
		l.want(stale)
		late := listen(sse(w.demo()))
		late.welcome()
		if m := late.next(); m.prices() != "BTC-USD=42000.12 ETH-USD=0.00000001" || !m.Snapshot {
			t.Errorf("got %s", m.raw)
		}
		late.want(stale)
		w.publish(bus.StatusNews, live)
		l.want(live)
		late.want(live)
		late.bye()
		l.bye()
	})
}

// Other spellings of a tick mean the same, also those in several lines, and whatever a
// handler says arrives.
func TestEventsOfAnyText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	l := w.listen(sse(w.demo()))
	held := hand.take()
	if held.join.Route != "/sse/ticker" {
		t.Errorf("got %s", held.raw)
	}
	held.welcome()
	l.welcome()
	if m := l.next(); !m.Snapshot {
		t.Errorf("got %s", m.raw)
	}
	w.seq++
	w.publishTick("{\"type\":\"ticker\",\r\n \"seq\":1,\n\n\"ts\":1000,\"data\":[\n{\"symbol\":\"BTC-USD\",\n\"price\":1,\"timestamp\":1}]}\n", 1)
	l.want(`{"type":"ticker",   "seq":1,  "ts":1000,"data":[ {"symbol":"BTC-USD", "price":1,"timestamp":1}]} `)
	for _, c := range []struct{ payload, name, data string }{
		{`{"type":"news","text":"a\nb"}`, "news", `{"type":"news","text":"a\nb"}`},
		{`"two\nlines\n\n"`, "message", "two\nlines\n\n"},
		{`{"type":"two\nlines"}`, "message", `{"type":"two\nlines"}`},
		{`{"type":7}`, "message", `{"type":7}`},
		{`["type"]`, "message", `["type"]`},
		{`""`, "message", ""},
	} {
		held.answer(`{"payload":%s}`, c.payload)
		if e, err := l.events.Next(); err != nil || e.Name != c.name || e.Data != c.data || e.ID != "1" {
			t.Errorf("%s: got %+v, %v", c.payload, e, err)
		}
	}
	held.answer(`{"close":{"code":4501,"reason":"no \"more\""}}`)
	if e, err := l.events.Next(); err != nil || e.Name != "close" || e.Data != `{"code":4501,"reason":"no \"more\""}` {
		t.Errorf("got %+v, %v", e, err)
	}
	l.Close()
	held.wantLeft(4501, `no "more"`)
}

// The query, and where the token is, are as for the WebSocket, which no browser can
// set a header for either.
func TestEventsOfSome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tick("BTC-USD=1", "ETH-USD=1", "XRP-USD=1")
	w.everyWay(t, func(t *testing.T, w *world, listen func(request) *listener) {
		for _, s := range sources()[:4] {
			l := listen(s.put(get("/sse/ticker"), w.sign("ann", roleNoXRP)))
			l.welcome()
			if m := l.next(); m.prices() != "BTC-USD=1 ETH-USD=1" {
				t.Errorf("token in %s: got %s", s.name, m.raw)
			}
			l.bye()
		}
		l := listen(sse(w.demo()).query("symbols", "btc-*,ETH-USD", "interval", "50ms"))
		if m := l.welcome(); strings.Join(m.Symbols, " ") != "BTC-* ETH-USD" || m.Interval != 50 {
			t.Errorf("got %s", m.raw)
		}
		if m := l.next(); m.prices() != "BTC-USD=1 ETH-USD=1" || !m.Snapshot {
			t.Errorf("got %s", m.raw)
		}
		l.bye()
	})
}

// Who comes back with the id of the last event gets what came after it. The id counts,
// not the address, with which an EventSource comes again and again.
func TestEventsResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tick("BTC-USD=1", "ETH-USD=1")
	l := w.attend(sse(w.demo()))
	two, three := w.tick("BTC-USD=2"), w.tick("ETH-USD=3")
	l.want(two, three)
	w.everyWay(t, func(t *testing.T, w *world, listen func(request) *listener) {
		for _, c := range []struct {
			id, since string
			resumed   bool
			want      []string
		}{
			{"1", "", true, []string{two, three}},
			{"2", "", true, []string{three}},
			{"2", "1", true, []string{three}},
			{"", "1", true, []string{two, three}},
			{l.last.ID, "", true, nil},
			{"99", "1", false, nil},
			{"none of ours", "1", false, nil},
			{"-1", "", false, nil},
		} {
			r := sse(w.demo())
			if c.since != "" {
				r = r.query("since", c.since)
			}
			back := listen(r.and("Last-Event-ID: " + c.id))
			if m := back.welcome(); m.Resumed == nil || *m.Resumed != c.resumed {
				t.Errorf("id %q, since %q: got %s", c.id, c.since, m.raw)
			}
			if !c.resumed {
				if m := back.next(); !m.Snapshot || m.prices() != "BTC-USD=2 ETH-USD=3" {
					t.Errorf("id %q, since %q: got %s", c.id, c.since, m.raw)
				}
			}
			back.want(c.want...)
			back.bye()
		}
	})
	l.want(w.tick("BTC-USD=4"))
}

// A request for events is refused like one for an upgrade, but for what only that
// needs; and what a browser's page may read of the answer is said.
func TestEventsRefused(t *testing.T) {
	t.Parallel()
	w, full := refusing(t, func(o *options) { o.server.DrainSpread, o.server.DrainTimeout = time.Hour, time.Hour })
	good := sse(w.sign("ann", auth.RoleUser)).and("Origin: https://app.example")
	get := func(more ...string) request { return good.query(more...) }
	attempts := map[string]struct {
		request
		status int
		body   string
	}{
		"malformed": {good.and("no colon"), 400, ""},
		"path":      {request{"GET", "/sse/tickers", "HTTP/1.1", good.header, ""}, 404, `{"error":"not found"}`},
		"method":    {good.by("POST").and("Content-Length: 0"), 405, `{"error":"method not allowed"}`},
		"no token":  {good.without("Authorization"), 401, unauthenticated},
		"bad token": {good.with("Authorization: Bearer x"), 401, unauthenticated},
		"route":     {good.with("Authorization: Bearer " + w.sign("ann", roleOutside)), 403, `{"error":"forbidden"}`},
		"origin":    {good.with("Origin: https://evil.example"), 403, `{"error":"origin not allowed"}`},
		"since":     {get("since", "x"), 400, `{"error":"since: \"x\" is not a sequence number"}`},
		"symbol":    {get("symbols", "NOPE-USD"), 400, ""},
		"interval":  {get("interval", "1h"), 400, ""},
		"limit":     {sse(w.sign("full", auth.RoleUser)), 429, `{"error":"too many connections"}`},
	}
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for name, a := range attempts {
			got := w.ask(by, a.request)
			if got.status != a.status || a.body != "" && got.body != a.body {
				t.Errorf("%s: got %d %s, want %d %s", name, got.status, got.body, a.status, a.body)
			}
			if a.status == 405 && got.header.Get("Allow") != "GET, HEAD" || a.status == 429 && got.header.Get("Retry-After") == "" {
				t.Errorf("%s: %v", name, got.header)
			}
			if name != "malformed" && name != "path" && name != "origin" && name != "limit" && got.header.Get("Access-Control-Allow-Origin") != "https://app.example" {
				t.Errorf("%s: no page may read it: %v", name, got.header)
			}
		}
		preflight := good.by("OPTIONS").and("Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization,last-event-id")
		if got := w.ask(by, preflight); got.status != 204 || got.header.Get("Access-Control-Allow-Origin") == "" {
			t.Errorf("preflight: %+v", got)
		}
		head := w.ask(by, good.by("HEAD"))
		if head.status != 200 || head.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("HEAD: %+v", head)
		}
	})
	// HEAD has taken no place: this user has one.
	l := w.attend(good)
	wantReply(t, w.ask(first, good), 429, `{"error":"too many connections"}`)
	w.drain()
	full.until("drain")
	for name, a := range attempts {
		if name == "malformed" || name == "path" {
			continue
		}
		if got := w.ask(first, a.request); got.status != 503 || got.body != `{"error":"draining"}` || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: got %+v while the node drains", name, got)
		}
	}
	if m := l.next(); m.Type != "drain" || m.ReconnectIn == nil {
		t.Errorf("got %s", m.raw)
	}
	l.bye()
	full.bye()
}

// A client of HTTP/1.0 gets the same.
func TestEventsOverHTTP10(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := sse(w.demo()).without("Host")
	r.proto = "HTTP/1.0"
	l := w.attend(r)
	l.want(w.tick("BTC-USD=1"))
	l.bye()
}

// The end of a token, and of a node, is told before the stream ends.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.server.DrainSpread = 100 * time.Millisecond })
	w.everyWay(t, func(t *testing.T, w *world, listen func(request) *listener) {
		user := path.Base(t.Name())
		revoked := listen(sse(w.sign(user, auth.RoleUser)))
		revoked.welcome()
		w.publish(bus.Revoked, fmt.Sprintf(`{"user_id":%q}`, user))
		revoked.wantEnd(4500, "token or key revoked")
	})
	l := w.attend(sse(w.demo()))
	again := l.events.Retry
	w.drain()
	if m := l.next(); m.Type != "drain" || *m.ReconnectIn > 100 {
		t.Errorf("got %s", m.raw)
	}
	l.wantEnd(1001, "node is going away")
	if l.events.Retry >= again || l.events.Retry < 500*time.Millisecond {
		t.Errorf("to come back after %v, which was %v", l.events.Retry, again)
	}
}

// Where there is nothing to say a comment is sent, and the end of a token ends the
// stream.
func TestEventsOverTime(t *testing.T) {
	inBubble(t, func(w *world) {
		began := time.Now().Truncate(time.Second)
		l := w.attend(sse(w.demo()))
		var writing sync.WaitGroup
		writing.Go(func() {
			for range 3 { // no comment comes between these
				time.Sleep(14 * time.Second)
				w.tick("BTC-USD=1")
			}
		})
		for range 3 {
			if m := l.next(); m.Type != "ticker" || l.events.Comments > 0 {
				w.Errorf("got %s, %d comments", m.raw, l.events.Comments)
			}
		}
		writing.Wait()
		l.wantEnd(4001, "token expired")
		wantAfter(w, began, 2*time.Minute)
		if l.events.Comments != 5 { // in 78 s
			w.Errorf("%d comments", l.events.Comments)
		}
	}, func(o *options) { o.auth.TokenTTL = 2 * time.Minute })
}

// A socket that accepts not one byte for 30 s is dead, be it the socket of a client
// that could not be pinged.
func TestEventsToADeadSocket(t *testing.T) {
	inBubble(t, func(w *world) {
		l := w.attend(sse(w.demo()))
		began := time.Now()
		w.wantLeave(l.id, 1006, "client does not read")
		wantAfter(w, began, 15*time.Second+30*time.Second) // a comment is what it does not read
		l.Close()
	})
}

// A client has nothing to say. What it says is passed over, within limits.
func TestEventsToWhoSpeaks(t *testing.T) {
	inBubble(t, func(w *world) {
		l := w.attend(sse(w.demo()).followed("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
		l.send(text(`{"type":"ping"}`))
		l.want(w.tick("BTC-USD=1"))
		var speaking sync.WaitGroup
		speaking.Go(func() {
			for { // until nobody listens
				if _, err := l.Write([]byte("x")); err != nil {
					return
				}
			}
		})
		l.wantEnd(4003, "too many messages")
		speaking.Wait()
	})
}

// A client that is slow gets whole events, and a snapshot instead of what is old.
func TestEventsToASlowClient(t *testing.T) {
	t.Parallel()
	w := narrow(t)
	fast, slow := w.attend(sse(w.demo())), w.attend(sse(w.demo()))
	const symbols = 100
	var sent []string
	for size := 0; size < 4<<20; {
		tick := w.tick(wide(symbols, len(sent))...)
		fast.want(tick)
		sent = append(sent, tick)
		size += len(tick)
	}
	slow.within(w.patience)
	snapshots, seq := 0, uint64(0)
	for seq < uint64(len(sent)) {
		m := slow.next()
		switch {
		case m.Type != "ticker" || len(m.Data) != symbols || m.Data[0].Price.String() != fmt.Sprint(m.Seq-1):
			t.Fatalf("got %.200s", m.raw)
		case m.Snapshot && m.Seq > seq:
			snapshots++
		case m.Seq != seq+1 || m.raw != sent[seq]:
			t.Fatalf("after %d: got %.200s", seq, m.raw)
		}
		seq = m.Seq
	}
	if snapshots == 0 {
		t.Error("there was no snapshot")
	}
	tick := w.tick("BTC-USD=1")
	fast.want(tick)
	slow.want(tick)
	slow.bye()
	fast.bye()
}

// With TLS in the process all is as without.
func TestEventsOverTLS(t *testing.T) {
	t.Parallel()
	cert, key, roots := certificate(t)
	w := newWorld(t, func(o *options) { o.server.TLSCert, o.server.TLSKey = cert, key })
	w.dialer = func() (net.Conn, error) {
		return tls.Dial("tcp", w.gateway.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "localhost"})
	}
	w.everyWay(t, func(t *testing.T, w *world, listen func(request) *listener) {
		user := path.Base(t.Name())
		l := listen(sse(w.sign(user, auth.RoleUser)))
		l.welcome()
		if m := l.next(); !m.Snapshot {
			t.Errorf("got %s", m.raw)
		}
		l.want(w.tick(wide(1000, 1)...))
		w.publish(bus.Revoked, fmt.Sprintf(`{"user_id":%q}`, user))
		l.wantEnd(4500, "token or key revoked")
	})
}

// A leave tells how many events there were that are messages.
func TestEventsAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(bus.StatusNews, `{"type":"status","source":"feed","state":"stale","symbols":["BTC-USD"]}`)
	l := w.attend(sse(w.demo()))
	if m := l.next(); m.Type != "status" {
		t.Fatalf("got %s", m.raw)
	}
	l.want(w.tick("BTC-USD=1"), w.tick("BTC-USD=2"))
	l.bye()
	if leave := w.leave(l.id); leave.MessagesIn != 0 || leave.MessagesOut != 5 {
		t.Errorf("got %+v", leave)
	}
}

// FuzzEvents asks for events with anything in what a client chooses, and says anything
// behind that: it is refused, or gets events that an EventSource understands.
func FuzzEvents(f *testing.F) {
	f.Add("1", "symbols=*&since=0&interval=1ms", []byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add("\xff", "x-auth-token=&symbols=btc-usd", []byte(text(`{"type":"ping"}`)))
	f.Add(" ", "%zz", []byte{})
	l := newPipes()
	world := calm(f, func(o *options) { o.listener = l })
	token := world.demo()
	world.tick("BTC-USD=1")
	f.Fuzz(func(t *testing.T, id, query string, behind []byte) {
		if strings.ContainsAny(id+query, "\r\n") {
			return // another request
		}
		w := world.in(t)
		c := w.dial()
		var sender sync.WaitGroup
		sender.Go(func() {
			r := sse(token).and("Last-Event-ID: " + id)
			r.target += "?" + query
			// The gateway may have heard enough.
			_, _ = io.WriteString(c, r.String())
			_, _ = c.Write(behind)
		})
		defer sender.Wait()
		defer c.Close()
		got, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.StatusCode >= 400 && got.StatusCode < 500 {
			return
		}
		if got.StatusCode != 200 {
			t.Fatalf("got %+v", got)
		}
		events := &listener{wire: c, events: eventtest.NewReader(got.Body)}
		if m := events.welcome(); m.Resumed == nil && strings.TrimSpace(id) != "" {
			t.Fatalf("id %q: got %s", id, m.raw)
		}
	})
}
