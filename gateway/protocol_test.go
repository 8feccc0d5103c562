package gateway_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// maxMessage is the longest message that a client may send.
const maxMessage = 32 << 10

// calm is a world in which nobody sends too much.
func calm(t testing.TB, change ...func(*options)) *world {
	return newWorld(t, append([]func(*options){func(o *options) {
		o.gateway.MessageRate, o.gateway.MessageBurst = 1_000_000, 1_000_000
	}}, change...)...)
}

// quiet opens a connection that is subscribed to nothing, with a hand that holds
// it.
func (h *hand) quiet(by way) (*client, *held) {
	h.Helper()
	c := h.dialBy(by).upgraded(upgrade(h.demo()))
	held := h.take()
	held.answer(`{"payload":{"type":"welcome","conn_id":%q}}`, held.join.ConnID)
	c.welcome()
	return c, held
}

// Messages reach the handler as they were sent, however they are cut up.
func TestFragments(t *testing.T) {
	t.Parallel()
	w := calm(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	full := strings.Repeat("é", maxMessage/2)
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		c, held := hand.quiet(by)
		for _, m := range []struct{ sent, want string }{
			{text("hello"), "hello"},
			{text(""), ""},
			{text(full), full},
			{fragment(ws.OpText, false, "he") + fragment(ws.OpContinuation, false, "l") + fragment(ws.OpContinuation, true, "lo"), "hello"},
			{fragment(ws.OpText, false, "") + fragment(ws.OpContinuation, false, "") + fragment(ws.OpContinuation, true, ""), ""},
			{fragment(ws.OpText, false, "\xc3") + fragment(ws.OpContinuation, true, "\xa9"), "é"},
			{fragment(ws.OpText, false, full[:9999]) + fragment(ws.OpContinuation, true, full[9999:]), full},
		} {
			c.send(m.sent)
			held.wantMessage(m.want)
		}
		// All at once, and byte by byte.
		c.send(text("a") + text("b") + text("c"))
		for _, want := range []string{"a", "b", "c"} {
			held.wantMessage(want)
		}
		whole := fragment(ws.OpText, false, "slow") + frameOf(ws.OpPing, "p") + fragment(ws.OpContinuation, true, "ly")
		for i := range len(whole) {
			c.send(whole[i : i+1])
		}
		c.wantFrame(ws.OpPong, "p")
		held.wantMessage("slowly")
		c.bye()
		held.wantLeft(1000, "")
	})
}

// Control frames may come between the fragments of a message, and are answered at
// once.
func TestControlBetweenFragments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.begin(upgrade(w.demo()))
	c.send(fragment(ws.OpText, false, `{"type":`))
	c.send(frameOf(ws.OpPing, "one"))
	c.wantFrame(ws.OpPong, "one")
	c.send(fragment(ws.OpContinuation, false, `"ping","id"`) + frameOf(ws.OpPong, "unasked") + frameOf(ws.OpPing, ""))
	c.wantFrame(ws.OpPong, "")
	c.send(fragment(ws.OpContinuation, true, `:"x"}`))
	if m := c.next(); m.Type != "pong" || string(m.ID) != `"x"` {
		t.Errorf("got %s", m.raw)
	}
	// So may the close frame.
	c.send(fragment(ws.OpText, false, `{"type":`) + closeOf(1000, "enough"))
	c.wantFrame(ws.OpClose, "\x03\xe8enough")
	c.wantEOF()
	w.wantLeave(c.id, 1000, "enough")
}

func TestPongRepeatsThePing(t *testing.T) {
	t.Parallel()
	w := calm(t)
	c := w.begin(upgrade(w.demo()))
	for n := range ws.MaxControlFramePayloadSize + 1 {
		payload := strings.Repeat("\xff", n)
		c.send(frameOf(ws.OpPing, payload))
		c.wantFrame(ws.OpPong, payload)
	}
	c.bye()
}

// A client that says goodbye is answered with its own code, and the connection
// ends at once.
func TestClientCloses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for _, code := range []ws.StatusCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4001, 4500, 4999} {
			for _, reason := range []string{"", "because", strings.Repeat("é", 61)} {
				c := w.dialBy(by).upgraded(upgrade(w.demo()))
				c.welcome()
				c.snapshot()
				c.send(closeOf(code, reason) + text("nobody listens") + "\xff\xff\xff")
				c.wantFrame(ws.OpClose, string(ws.NewCloseFrameBody(code, reason)))
				c.within(closeTimeout / 2)
				c.wantEOF()
				w.wantLeave(c.id, int(code), reason)
			}
		}
		c := w.dialBy(by).upgraded(upgrade(w.demo()))
		c.welcome()
		c.snapshot()
		c.send(frameOf(ws.OpClose, ""))
		c.wantFrame(ws.OpClose, "")
		c.within(closeTimeout / 2)
		c.wantEOF()
		w.wantLeave(c.id, 1005, "")
	})
}

// closeTimeout is how long the gateway waits for a client's close frame. What
// ends within half of it has not waited.
const closeTimeout = 5 * time.Second

// A connection that the gateway closes ends as soon as the client has agreed.
func TestGatewayCloses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for want, ask := range map[ws.StatusCode]string{
			1000: `{"close":{"code":1000,"reason":"r"}}`,
			1008: `{"close":{"code":1008,"reason":"r"}}`,
			4501: `{"close":{"code":4501,"reason":"r"}}`,
		} {
			c, held := hand.quiet(by)
			held.answer("%s", ask)
			code, reason := c.readClose()
			if code != want || reason != "r" {
				t.Errorf("closed with %d %q, want %d", code, reason, want)
			}
			c.within(closeTimeout / 2)
			c.send(text("not read any more") + closeOf(code, ""))
			c.wantEOF()
			held.wantLeft(int(want), "r")
		}
	})
}

// A breach is one of RFC 6455, and what it is answered.
type breach struct {
	name string
	sent string
	code ws.StatusCode
}

func breaches() []breach {
	masked := func(h ws.Header) ws.Header {
		h.Masked = true
		return h
	}
	length := func(first2 string, size int, n uint64) string {
		b := binary.BigEndian.AppendUint64(nil, n)
		return first2 + string(b[8-size:]) + "mask"
	}
	oneClose := func(payload string) string { return frameOf(ws.OpClose, payload) }
	return []breach{
		{"not masked", header(ws.Header{Fin: true, OpCode: ws.OpText, Length: 2}, "hi"), 1002},
		{"control frame not masked", header(ws.Header{Fin: true, OpCode: ws.OpPing, Length: 2}, "hi"), 1002},
		{"RSV1", header(masked(ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpText, Length: 2}), "hi"), 1002},
		{"RSV2", header(masked(ws.Header{Fin: true, Rsv: 2, OpCode: ws.OpText, Length: 2}), "hi"), 1002},
		{"RSV3", header(masked(ws.Header{Fin: true, Rsv: 1, OpCode: ws.OpPing, Length: 2}), "hi"), 1002},
		{"opcode 3", frameOf(3, "hi"), 1002},
		{"opcode 7", frameOf(7, ""), 1002},
		{"opcode 11", frameOf(11, ""), 1002},
		{"opcode 15", frameOf(15, ""), 1002},
		{"ping in fragments", fragment(ws.OpPing, false, "hi"), 1002},
		{"ping too long", frameOf(ws.OpPing, strings.Repeat("x", 126)), 1002},
		{"continuation of nothing", fragment(ws.OpContinuation, true, "hi"), 1002},
		{"message within a message", fragment(ws.OpText, false, "hi") + text("hi"), 1002},
		{"needlessly long length of 16 bits", length("\x81\xfe", 2, 125) + strings.Repeat("x", 125), 1002},
		{"needlessly long length of 64 bits", length("\x81\xff", 8, 65535), 1002},
		{"negative length", length("\x81\xff", 8, 1<<63), 1002},
		{"half a close code", oneClose("\x03"), 1002},
		{"close code 0", oneClose("\x00\x00"), 1002},
		{"close code 999", oneClose("\x03\xe7"), 1002},
		{"close code 1004", oneClose("\x03\xec"), 1002},
		{"close code 1005", oneClose("\x03\xed"), 1002},
		{"close code 1006", oneClose("\x03\xee"), 1002},
		{"close code 1015", oneClose("\x03\xf7"), 1002},
		{"close code 1016", oneClose("\x03\xf8"), 1002},
		{"close code 2999", oneClose("\x0b\xb7"), 1002},
		{"close code 5000", oneClose("\x13\x88"), 1002},
		{"close frame too long", oneClose("\x03\xe8" + strings.Repeat("x", 124)), 1002},
		{"binary", frameOf(ws.OpBinary, "hi"), 1003},
		{"binary, in fragments", fragment(ws.OpBinary, false, "hi"), 1003},
		{"not UTF-8", text("a\xffb"), 1007},
		{"not UTF-8 at the end", text("a\xc3"), 1007},
		{"surrogate", text("\xed\xa0\x80"), 1007},
		{"not UTF-8 over two fragments", fragment(ws.OpText, false, "\xc3") + fragment(ws.OpContinuation, true, "a"), 1007},
		{"reason not UTF-8", oneClose("\x03\xe8\xff"), 1007},
		{"a byte too many", text(strings.Repeat("x", maxMessage+1)), 1009},
		{"a byte too many in fragments", fragment(ws.OpText, false, strings.Repeat("x", maxMessage)) + fragment(ws.OpContinuation, true, "x"), 1009},
		{"a gigabyte announced", length("\x81\xff", 8, 1<<30), 1009},
		{"2^63-1 bytes announced", length("\x81\xff", 8, 1<<63-1), 1009},
	}
}

// Whatever breaks the protocol is told so, and the connection ends.
func TestBreaches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for _, b := range breaches() {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				w := w.in(t)
				c := w.dialBy(by).upgraded(upgrade(w.demo()))
				c.welcome()
				c.snapshot()
				c.send(b.sent)
				code, reason := c.readClose()
				if code != b.code || reason == "" {
					t.Errorf("closed with %d %q, want %d", code, reason, b.code)
				}
				// A client that has answered waits for the server to end the
				// connection, as section 7.1.1 says.
				c.send(closeOf(code, ""))
				c.within(closeTimeout / 2)
				c.wantEOF()
				w.wantLeave(c.id, int(b.code), reason)
			})
		}
	})
}

// The close frame is not lost although the client is sending, and goes on to.
func TestCloseReachesWhoIsSending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, b := range []breach{
		{"too big", header(ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Length: 1 << 40}, ""), 1009},
		{"binary", header(ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Length: 1 << 40}, ""), 1003},
		{"not masked", header(ws.Header{Fin: true, OpCode: ws.OpText, Length: 1 << 40}, ""), 1002},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			w := w.in(t)
			c := w.begin(upgrade(w.demo()))
			var sender sync.WaitGroup
			defer sender.Wait()
			defer c.Close()
			c.send(b.sent)
			closed := make(chan struct{})
			sender.Go(func() {
				garbage := make([]byte, 64<<10)
				for range 1 << 10 { // 64 MiB, unless the client has had its close frame
					select {
					case <-closed:
						return
					default:
					}
					if _, err := c.Write(garbage); err != nil {
						return
					}
				}
			})
			code, _ := c.readClose()
			close(closed)
			if code != b.code {
				t.Errorf("closed with %d, want %d", code, b.code)
			}
			if l := w.leave(c.id); l.Code != int(b.code) {
				t.Errorf("leave: %+v", l)
			}
		})
	}
}

// What stands right behind the upgrade, before its answer, is read.
func TestFramesBehindTheUpgrade(t *testing.T) {
	t.Parallel()
	w := calm(t)
	var many strings.Builder
	for i := range 300 { // more than any buffer holds
		many.WriteString(text(fmt.Sprintf(`{"type":"ping","id":%d,"x":%q}`, i, strings.Repeat("x", 100))))
	}
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		r := upgrade(w.demo())
		r.behind = many.String()
		c := w.dialBy(by).upgraded(r)
		c.welcome()
		c.snapshot()
		for i := range 300 {
			if m := c.next(); m.Type != "pong" || string(m.ID) != fmt.Sprint(i) {
				t.Fatalf("got %s, want pong %d", m.raw, i)
			}
		}
		c.bye()

		r.behind = closeOf(4321, "changed my mind")
		c = w.dialBy(by).upgraded(r)
		if code, reason := c.ended(); code != 4321 || reason != "changed my mind" {
			t.Errorf("closed with %d %q", code, reason)
		}

		r.behind = text("x")[:3]
		c = w.dialBy(by).upgraded(r)
		c.send(text("x")[3:])
		c.welcome()
		if m := c.until("error"); m.Code != "bad_json" {
			t.Errorf("got %s", m.raw)
		}
		c.bye()
	})
}

// Both requests, and the first frames, may come in one packet.
func TestPipelined(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := upgrade(w.demo())
	r.behind = text(`{"type":"ping","id":1}`)
	c := &client{wire: w.dial()}
	c.send(get("/healthz").String() + get("/healthz").String() + r.String())
	for range 2 {
		if got := c.reply("GET"); got.status != 200 {
			t.Fatalf("got %+v", got)
		}
	}
	if got := c.reply("GET"); got.status != 101 {
		t.Fatalf("got %+v", got)
	}
	c.welcome()
	c.snapshot()
	if m := c.next(); m.Type != "pong" {
		t.Errorf("got %s", m.raw)
	}
	c.bye()
}

// A connection that is lost leaves as such.
func TestLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for name, end := range map[string]func(*client) error{
			"reset":                   func(c *client) error { c.reset(); return nil },
			"end without close frame": func(c *client) error { return c.Close() },
			"half close":              func(c *client) error { return c.Conn.(*net.TCPConn).CloseWrite() },
			"within a frame":          func(c *client) error { c.send(text("hello")[:4]); return c.Close() },
			"half close within a message": func(c *client) error {
				c.send(fragment(ws.OpText, false, "hello"))
				return c.Conn.(*net.TCPConn).CloseWrite()
			},
		} {
			t.Run(name, func(t *testing.T) {
				w := w.in(t)
				c := w.dialBy(by).upgraded(upgrade(w.demo()))
				c.welcome()
				c.snapshot()
				if err := end(c); err != nil {
					t.Fatal(err)
				}
				w.wantLeave(c.id, 1006, "connection lost")
				if _, err := io.ReadAll(c.r); strings.HasPrefix(name, "half") && err != nil {
					t.Errorf("half closed: %v", err)
				} else if errors.Is(err, io.EOF) {
					t.Error(err)
				}
			})
		}
	})
}
