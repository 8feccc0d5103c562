package gateway_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"tickerd/gateway"
	"tickerd/gateway/frame"
)

// FuzzParseHeadParts is FuzzParseHead of heads that are whole but for some of
// their parts.
func FuzzParseHeadParts(f *testing.F) {
	f.Add("GET", "/ws/ticker", "HTTP/1.1", "ticker.example", "Content-Length", " 5")
	f.Add("POST", "/ws/ticker?a=b", "HTTP/1.0", "", "Transfer-Encoding", "chunked")
	f.Add("M-SEARCH", "*", "HTTP/1.1", "[::1]:80", "Host", "a")
	f.Add("GET", "//a/b", "HTTP/1.1", "a", "Connection", "\t close ,\xe9 upgrade")
	f.Fuzz(func(t *testing.T, method, target, proto, host, name, value string) {
		againstNetHTTP(t, fmt.Appendf(nil, "%s %s %s\r\nHost: %s\r\n%s:%s\r\n\r\n", method, target, proto, host, name, value))
	})
}

// FuzzParseHead holds the reader of heads against net/http: what it takes, that
// takes too, and understands alike.
func FuzzParseHead(f *testing.F) {
	for _, r := range []request{
		upgrade("token"),
		upgrade("").and("Cookie: a=b", "cookie: c=d", "X-Empty:", "X-Blank: \t a  b\t"),
		upgrade("").with("Host: [::1]:8081").and("Content-Length: 0", "Pragma: no-cache"),
		upgrade("").and("Transfer-Encoding: chunked", "Trailer: x"),
		upgrade("").and("Content-Length: 5", "Content-Length: 5"),
		{"POST", "/ws/ticker?a=%zz#b", "HTTP/1.0", []string{"host:", "A: \xff"}, "x"},
		{"CONNECT", "a:1", "HTTP/1.1", []string{"Host: a"}, ""},
		{"GET", "http://user@a/ws/ticker", "HTTP/1.1", []string{"Host: b"}, ""},
	} {
		f.Add([]byte(r.String()))
	}
	f.Fuzz(againstNetHTTP)
}

// againstNetHTTP fails if a head is taken that net/http does not understand alike.
func againstNetHTTP(t *testing.T, b []byte) {
	method, target, proto, fields, err := gateway.ParseHead(b)
	if err != nil {
		return
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
	if err != nil {
		if _, bad := url.ParseRequestURI(target); bad != nil {
			return // admit sees to that
		}
		t.Fatalf("taken: %q\nnet/http: %v", b, err)
	}
	if r.Method != method || r.RequestURI != target || r.Proto != proto {
		t.Fatalf("%q %q %q, for net/http %q %q %q", method, target, proto, r.Method, r.RequestURI, r.Proto)
	}
	want := http.Header{}
	for _, f := range fields {
		want.Add(f[0], f[1])
	}
	if host := want.Get("Host"); strings.HasPrefix(target, "/") && host != r.Host {
		t.Fatalf("host %q, for net/http %q", host, r.Host)
	}
	// What net/http takes out of a header, or puts into it.
	for _, name := range []string{"Host", "Transfer-Encoding", "Trailer"} {
		want.Del(name)
		r.Header.Del(name)
	}
	if want.Get("Pragma") == "no-cache" && want["Cache-Control"] == nil {
		r.Header.Del("Cache-Control")
	}
	if !reflect.DeepEqual(want, r.Header) {
		t.Fatalf("%q\nfor net/http %q", want, r.Header)
	}
}

// A verdict is how a client's bytes are to be answered.
type verdict struct {
	pongs  []string
	closed bool
	code   ws.StatusCode
}

// verdictOn is what package frame makes of the bytes.
func verdictOn(sent []byte) (v verdict) {
	parser := frame.Parser{MaxMessage: maxMessage}
	err := parser.Feed(bytes.Clone(sent), func(op ws.OpCode, payload []byte) error {
		switch op {
		case ws.OpPing:
			v.pongs = append(v.pongs, string(payload))
		case ws.OpClose:
			v.closed = true
			v.code, _ = frame.ParseClose(payload)
		}
		return nil
	})
	if breach, ok := errors.AsType[*frame.Error](err); ok {
		v.closed, v.code = true, breach.Code
	}
	return v
}

// FuzzConnection sends anything to an open connection: every ping is answered,
// and every connection ends, with the close frame that it deserves.
func FuzzConnection(f *testing.F) {
	for _, b := range breaches() {
		if len(b.sent) < 1000 {
			f.Add([]byte(b.sent), uint16(3))
		}
	}
	for _, s := range []string{
		"", text(`{"type":"ping","id":1}`), text("x") + frameOf(ws.OpPing, "p") + closeOf(4000, "r"), frameOf(ws.OpClose, ""),
		fragment(ws.OpText, false, `{"type":`) + frameOf(ws.OpPing, "1") + fragment(ws.OpContinuation, true, `"subscribe","symbols":["*"]}`),
		text(`{"type":"unsubscribe","symbols":["*"]}`) + frameOf(ws.OpPong, "") + frameOf(ws.OpPing, "2"),
	} {
		f.Add([]byte(s), uint16(1))
	}
	l := newPipes()
	world := calm(f, func(o *options) { o.listener = l })
	token := world.demo()
	f.Fuzz(func(t *testing.T, sent []byte, piece uint16) {
		w := world.in(t)
		c := w.open(upgrade(token))
		var sender sync.WaitGroup
		sender.Go(func() {
			for chunk := range slices.Chunk(sent, int(piece)+1) {
				if _, err := c.Write(chunk); err != nil {
					return // the gateway has heard enough
				}
			}
			if err := c.Conn.(duplex).CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		want := verdictOn(sent)
		var got verdict
		for {
			op, payload, err := c.tryFrame()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.closed {
				t.Fatalf("a frame of kind %x behind the close frame", op)
			}
			switch op {
			case ws.OpPong:
				got.pongs = append(got.pongs, string(payload))
			case ws.OpClose:
				got.closed, got.code = true, ws.StatusNoStatusRcvd
				if len(payload) > 0 {
					got.code, _ = ws.ParseCloseFrameData(payload)
				}
			}
		}
		c.Close()
		sender.Wait()
		if !want.closed {
			// Without a close frame it is lost, and with it what was on its way.
			if got.closed || len(got.pongs) > len(want.pongs) {
				t.Fatalf("got %+v, want %+v", got, want)
			}
			got.pongs = want.pongs
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}
