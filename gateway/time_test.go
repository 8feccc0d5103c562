package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"tickerd/auth"
	"tickerd/bus"
)

// The tests of this file have time of their own: it stands still as long as
// anything is being done, and what takes a minute is over at once. The bus in
// them is real, the connections are pipes.

// inBubble runs a test with time of its own. Its world's patience has no end,
// for a test that would wait forever is ended by its bubble.
func inBubble(t *testing.T, f func(w *world), change ...func(*options)) {
	t.Helper()
	// NATS's client keeps timers in a pool. Those of another bubble must not be
	// found there.
	forgetPools()
	defer forgetPools()
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		w := newWorld(t, append([]func(*options){func(o *options) {
			o.listener, o.patience = l, 1000*time.Hour
		}}, change...)...)
		f(w)
	})
}

// forgetPools empties every sync.Pool, whose elements survive one collection.
func forgetPools() {
	runtime.GC()
	runtime.GC()
}

// pipes is a listener in memory. What is written to one of its connections is
// held by nothing: it must be read.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Dial() (net.Conn, error) {
	requests, read := net.Pipe()
	answers, written := net.Pipe()
	select {
	case p.conns <- duplex{read, written}:
		return duplex{answers, requests}, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// A duplex is a connection of two pipes, so that it can be closed by half.
type duplex struct{ in, out net.Conn }

func (d duplex) Read(p []byte) (int, error)  { return d.in.Read(p) }
func (d duplex) Write(p []byte) (int, error) { return d.out.Write(p) }
func (d duplex) Close() error                { return errors.Join(d.in.Close(), d.out.Close()) }
func (d duplex) CloseWrite() error           { return d.out.Close() }
func (d duplex) SetDeadline(t time.Time) error {
	return errors.Join(d.SetReadDeadline(t), d.SetWriteDeadline(t))
}
func (d duplex) SetReadDeadline(t time.Time) error  { return d.in.SetReadDeadline(t) }
func (d duplex) SetWriteDeadline(t time.Time) error { return d.out.SetWriteDeadline(t) }

func (d duplex) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }
func (d duplex) RemoteAddr() net.Addr { return d.LocalAddr() }

// wantAfter fails unless so much time has passed since began.
func wantAfter(t testing.TB, began time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(began); got < want || got > want+50*time.Millisecond {
		t.Errorf("after %v, want %v", got, want)
	}
}

// A client of which nothing is heard, and to which there is nothing to say, is
// pinged every 30 s, and gone when it does not answer for 10 s.
func TestIdle(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()))
		for range 3 {
			began := time.Now()
			c.wantFrame(ws.OpPing, "")
			wantAfter(w, began, 30*time.Second)
			c.send(frameOf(ws.OpPong, ""))
		}
		// Anything that is said is as good as a pong.
		began := time.Now()
		c.wantFrame(ws.OpPing, "")
		wantAfter(w, began, 30*time.Second)
		time.Sleep(9 * time.Second)
		c.say(`{"type":"ping"}`)
		if m := c.next(); m.Type != "pong" {
			w.Errorf("got %s", m.raw)
		}
		began = time.Now()
		c.wantFrame(ws.OpPing, "")
		wantAfter(w, began, 30*time.Second)
		began = time.Now()
		c.wantEnd(4004, "ping timeout")
		wantAfter(w, began, 10*time.Second)
	})
}

// While prices come nobody is pinged: TCP watches over who is sent something.
func TestNotIdle(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()))
		for range 10 {
			time.Sleep(20 * time.Second)
			c.want(w.tick("BTC-USD=1"))
		}
		began := time.Now()
		c.wantFrame(ws.OpPing, "")
		wantAfter(w, began, 30*time.Second)
		c.send(frameOf(ws.OpPong, ""))
		c.bye()
	})
}

// Nor is who speaks himself.
func TestNotIdleWhileSpeaking(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()))
		for range 10 {
			time.Sleep(29 * time.Second)
			c.send(frameOf(ws.OpPong, "unasked"))
		}
		began := time.Now()
		c.wantFrame(ws.OpPing, "")
		wantAfter(w, began, 30*time.Second)
		c.bye()
	})
}

// A socket that accepts not one byte for 30 s is dead.
func TestDeadSocket(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()))
		began := time.Now()
		w.tick("BTC-USD=1")
		w.wantLeave(c.id, 1006, "client does not read")
		wantAfter(w, began, 30*time.Second)
		if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
			w.Errorf("left in the pipe: %q, %v", rest, err)
		}
	})
}

// One that accepts a byte now and then is only slow: what it gets is whole
// frames, however long they take, and of now, not of when it was last sent one.
func TestVerySlowSocket(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()))
		c.within(w.patience)
		w.tick("BTC-USD=1")
		const snapshot = `{"type":"ticker","snapshot":true,"seq":1,"ts":1000,"data":[{"symbol":"BTC-USD","price":1,"timestamp":1700000000}]}`
		want := string(ws.MustCompileFrame(ws.NewTextFrame([]byte(snapshot))))
		var got strings.Builder
		for got.Len() < len(want) {
			time.Sleep(29 * time.Second)
			b := make([]byte, 1)
			if _, err := io.ReadFull(c.Conn, b); err != nil {
				w.Fatalf("after %d of %d bytes: %v", got.Len(), len(want), err)
			}
			got.Write(b)
		}
		if got.String() != want {
			w.Errorf("got  %q\nwant %q", got.String(), want)
		}
		c.want(w.tick("BTC-USD=2"))
		c.bye()
	})
}

// Where nobody takes connections, they are let go after 3 s; where somebody does
// and does not answer, after 10.
func TestNoHandler(t *testing.T) {
	inBubble(t, func(w *world) {
		const reason = "no handler could take the connection"
		began := time.Now()
		c := w.open(upgrade(w.demo()))
		if code, said := c.ended(); code != 1013 || said != reason {
			w.Errorf("closed with %d %q", code, said)
		}
		wantAfter(w, began, 3*time.Second)

		hand := w.hand()
		began = time.Now()
		c = w.open(upgrade(w.demo()))
		held := hand.take()
		if code, said := c.ended(); code != 1013 || said != reason {
			w.Errorf("closed with %d %q", code, said)
		}
		wantAfter(w, began, 10*time.Second)
		if again := held.receive(held.msgs); !bus.IsJoin(again.Subject) { // it was tried twice
			w.Errorf("got %s", again.Subject)
		}
		hand.given()
		held.wantLeft(1013, reason)

		// A handler that comes late is not too late.
		hand.stop()
		c = w.open(upgrade(w.demo()))
		c.say("hello")
		time.Sleep(2 * time.Second)
		hand = w.hand()
		held = hand.take()
		held.welcome()
		held.wantMessage("hello")
		c.welcome()

		// And one that goes must be replaced in time, too.
		hand.stop()
		held.die()
		c.snapshot()
		c.say("anyone?")
		began = time.Now()
		c.wantEnd(1013, reason)
		wantAfter(w, began, 3*time.Second)
	}, func(o *options) { o.workers = 0 })
}

// A token's end ends its connection, unless a newer token has come by then.
func TestExpiry(t *testing.T) {
	inBubble(t, func(w *world) {
		began := time.Now().Truncate(time.Second) // as a token's times are
		c := w.begin(upgrade(w.sign("ann", auth.RoleUser)))
		other := w.begin(upgrade(w.sign("bob", auth.RoleUser)))
		busy := make(chan struct{})
		go func() {
			defer close(busy)
			c.wantEnd(4001, "token expired")
			wantAfter(w, began, time.Minute)
		}()
		time.Sleep(35 * time.Second) // it was pinged, and is waited for until 40 s
		other.say(fmt.Sprintf(`{"type":"refresh","token":%q}`, w.sign("bob", auth.RoleUser)))
		for m := (message{}); m.Type != "refreshed"; {
			if op, payload := other.frame(); op == ws.OpText {
				m = other.parse(payload)
			} else {
				other.send(frameOf(ws.OpPong, ""))
			}
		}
		<-busy
		wantReply(w.TB.(*testing.T), w.ask(first, upgrade(w.signAt(began, "ann"))), 401, unauthenticated)
		other.wantEnd(4001, "token expired")
		wantAfter(w, began, 95*time.Second)
	}, func(o *options) { o.auth.TokenTTL = time.Minute })
}

// signAt is a token made at another time.
func (w *world) signAt(at time.Time, user string) string {
	w.Helper()
	signer := auth.NewSigner(tokenKey, time.Minute)
	signer.Clock = func() time.Time { return at }
	raw, _, err := signer.Sign(bus.ExchangeResult{UserID: user, Role: auth.RoleUser})
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

// Of too many messages the surplus is not handled, and who sends far too many is
// sent away. Time stands still, so that the numbers are exact.
func TestFlood(t *testing.T) {
	inBubble(t, func(w *world) {
		const burst, factor = 40, 10
		const limited = `{"type":"error","code":"rate_limited","message":"more than 20 messages a second"}`
		for name, sent := range map[string]string{"messages": text(`{"type":"ping","id":"x"}`), "nonsense": text("x")} {
			c := w.begin(upgrade(w.demo()))
			var replies sync.WaitGroup
			pongs, surplus := 0, 0
			replies.Go(func() {
				for {
					op, payload := c.frame()
					switch {
					case op == ws.OpClose:
						code, reason := ws.ParseCloseFrameData(payload)
						if code != 4003 || reason != "too many messages" {
							w.Errorf("closed with %d %q", code, reason)
						}
						c.send(closeOf(code, ""))
						c.wantEOF()
						return
					case string(payload) == limited:
						surplus++
					default:
						pongs++
					}
				}
			})
			c.send(strings.Repeat(sent, burst+factor*burst))
			synctest.Wait()
			if pongs != burst || surplus != factor*burst {
				w.Errorf("%s: %d answered, %d not; want %d and %d", name, pongs, surplus, burst, factor*burst)
			}
			c.send(sent)
			replies.Wait()
			w.wantLeave(c.id, 4003, "too many messages")
		}
	})
}

// Control frames count, too.
func TestFloodOfControlFrames(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()))
		c.send(strings.Repeat(frameOf(ws.OpPong, ""), 440))
		synctest.Wait()
		c.send(frameOf(ws.OpPing, "still here?"))
		c.wantEnd(4003, "too many messages")
	})
}

// Who sends a little too much for long is told so, and stays. What was spent
// comes back evenly.
func TestRateLimited(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()))
		answered, limited := 0, 0
		for range 60 * 30 { // for a minute 30 a second, where 20 may be
			c.say(`{"type":"ping"}`)
			switch m := c.next(); {
			case m.Type == "pong":
				answered++
			case m.Code == "rate_limited" && m.ID == nil:
				limited++
			default:
				w.Fatalf("got %s", m.raw)
			}
			time.Sleep(time.Second / 30)
		}
		if answered < 60*20+35 || answered > 60*20+45 {
			w.Errorf("%d answered, %d not", answered, limited)
		}
		time.Sleep(time.Second)
		for range 20 {
			c.say(`{"type":"ping"}`)
			if m := c.next(); m.Type != "pong" {
				w.Errorf("got %s", m.raw)
			}
		}
		c.bye()
	})
}

// What may be sent is handled at once, also where it is all that may be sent.
func TestBurstOfLargeMessages(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()))
		began := time.Now()
		large := fmt.Sprintf(`{"type":"ping","x":%q}`, strings.Repeat("x", 32_000))
		var sender sync.WaitGroup
		sender.Go(func() { c.send(strings.Repeat(text(large), 40)) })
		for range 40 {
			if m := c.next(); m.Type != "pong" {
				w.Errorf("got %s", m.raw)
			}
		}
		wantAfter(w, began, 0)
		sender.Wait()
		c.bye()
	})
}

// A request's head must have come in 10 s, however it comes, on a fresh
// connection and behind another request.
func TestSlowHead(t *testing.T) {
	inBubble(t, func(w *world) {
		for _, by := range []way{first, second} {
			for name, head := range map[string]string{
				"nothing":      "",
				"the stream's": upgrade(w.demo()).String(),
				"the page's":   strings.Replace(upgrade("").String(), "/ws/ticker", "/", 1),
			} {
				if by == second && name == "nothing" {
					continue // a client may keep its connection for a while
				}
				c := w.dialBy(by)
				began := time.Now()
				var sender sync.WaitGroup
				sender.Go(func() {
					for _, b := range head {
						if _, err := io.WriteString(c.Conn, string(b)); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				})
				if rest, err := io.ReadAll(c.r); err != nil || strings.HasPrefix(string(rest), "HTTP/1.1 101") {
					w.Errorf("%s: %q, %v", name, rest, err)
				}
				// net/http begins to count with the byte after which it is its turn.
				if took := time.Since(began); took < 10*time.Second || took > 20*time.Second {
					w.Errorf("%s, %s: ended after %v", name, by, took)
				}
				c.Close()
				sender.Wait()
			}
		}
	})
}

// A client that has said goodbye and does not end its connection is not waited
// for; nor is one that does not say goodbye.
func TestNobodyIsWaitedFor(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()))
		c.send(closeOf(1000, ""))
		began := time.Now()
		if code, _ := c.readClose(); code != 1000 {
			w.Errorf("closed with %d", code)
		}
		c.wantEOF()
		if took := time.Since(began); took > closeTimeout {
			w.Errorf("took %v", took)
		}

		c = w.begin(upgrade(w.demo()))
		w.publish(bus.Revoked, `{"user_id":"demo"}`)
		if code, _ := c.readClose(); code != 4500 {
			w.Errorf("closed with %d", code)
		}
		began = time.Now()
		c.wantEOF()
		wantAfter(w, began, closeTimeout)
	})
}

// A connection with an interval gets at most one update in each, with the newest
// price of all that has changed; and its last update is the truth.
func TestInterval(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()).query("interval", "100ms"))
		var (
			reading sync.WaitGroup
			updates []time.Time
			last    = map[string]string{}
			seq     uint64
		)
		stopped := errors.New("no more")
		reading.Go(func() {
			for {
				op, payload, err := c.tryFrame()
				if err != nil {
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						w.Error(err, stopped)
					}
					return
				}
				if op != ws.OpText {
					continue
				}
				m := c.parse(payload)
				updates = append(updates, time.Now())
				if m.Type != "ticker" || m.Snapshot || m.Seq <= seq {
					w.Errorf("after %d: got %s", seq, m.raw)
				}
				seq = m.Seq
				for _, p := range m.Data {
					last[p.Symbol] = p.Price.String()
				}
			}
		})
		for i := range 200 { // 2 s
			w.tick(fmt.Sprintf("BTC-USD=%d", i), fmt.Sprintf("S%d-USD=%d", i%5, i))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if err := c.SetReadDeadline(time.Now()); err != nil {
			w.Fatal(err)
		}
		reading.Wait()
		if len(updates) < 19 || len(updates) > 21 {
			w.Errorf("%d updates in 2 s", len(updates))
		}
		for i := 1; i < len(updates); i++ {
			if d := updates[i].Sub(updates[i-1]); d < 100*time.Millisecond {
				w.Errorf("an update after %v", d)
			}
		}
		if seq != 200 || fmt.Sprint(last) != "map[BTC-USD:199 S0-USD:195 S1-USD:196 S2-USD:197 S3-USD:198 S4-USD:199]" {
			w.Errorf("at %d: %v", seq, last)
		}
	})
}

// What came more than ten seconds ago cannot be resumed.
func TestResumeTooLate(t *testing.T) {
	inBubble(t, func(w *world) {
		witness := w.begin(upgrade(w.demo()))
		witness.want(w.tick("BTC-USD=1"), w.tick("BTC-USD=2"), w.tick("BTC-USD=3"))
		time.Sleep(15 * time.Second)
		witness.want(w.tick("BTC-USD=4"))
		for since, want := range map[int]bool{1: false, 2: false, 3: true, 4: true} {
			c := w.open(upgrade(w.demo()).query("since", fmt.Sprint(since)))
			if m := c.welcome(); m.Resumed == nil || *m.Resumed != want {
				w.Errorf("since %d: got %s", since, m.raw)
			} else if want {
				for seq := since + 1; seq <= 4; seq++ {
					c.want(tickOf(uint64(seq), fmt.Sprintf("BTC-USD=%d", seq)))
				}
			} else {
				c.snapshot()
			}
			c.bye()
		}
	})
}

// On a line that takes little, what is shown is never old: a client whose line
// has been blocked for a second goes on with a snapshot of now.
func TestSlowLineIsFresh(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.begin(upgrade(w.demo()))
		began := time.Now()
		w.seq = 0
		ctx, cancel := context.WithCancel(context.Background())
		var publisher sync.WaitGroup
		publisher.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				w.tick(fmt.Sprintf("BTC-USD=%d", i))
				time.Sleep(10 * time.Millisecond)
			}
		})
		line := &slowLine{Conn: c.Conn, rate: 2000} // bytes a second, where the stream has 10,000
		c.r.Reset(line)
		c.within(w.patience)
		snapshots := 0
		for time.Since(began) < 20*time.Second {
			m := c.next()
			price, err := m.Data[0].Price.Int64()
			if err != nil {
				w.Fatal(err)
			}
			if age := time.Since(began) - time.Duration(price)*10*time.Millisecond; age > 4*time.Second {
				w.Errorf("after %v: a price %v old", time.Since(began), age)
			}
			if m.Snapshot {
				snapshots++
			}
		}
		if snapshots == 0 {
			w.Error("there was no snapshot")
		}
		cancel()
		publisher.Wait()
		c.Close()
	})
}

// A slowLine passes so many bytes a second.
type slowLine struct {
	net.Conn
	rate int
}

func (l *slowLine) Read(p []byte) (int, error) {
	const piece = 100
	time.Sleep(time.Second * piece / time.Duration(l.rate))
	return l.Conn.Read(p[:min(len(p), piece)])
}
