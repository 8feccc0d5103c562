package floor_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/gateway/floor"
	"tickerd/pricefeed"
	"tickerd/ticker"
)

// patience is after how long a test gives up.
const patience = time.Minute

// modes are those that this system has.
func modes() []floor.Mode {
	if runtime.GOOS == "linux" {
		return floor.Modes
	}
	return []floor.Mode{floor.Log, floor.Upgrade}
}

func eachMode(t *testing.T, test func(t *testing.T, m floor.Mode)) {
	for _, m := range modes() {
		t.Run(string(m), func(t *testing.T) { test(t, m) })
	}
}

// serve has a floor until the test ends, and gives its address.
func serve(t *testing.T, m floor.Mode) (addr string, end func() error) {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- floor.Serve(ctx, ln, m) }()
	ended := false
	end = func() error {
		if ended {
			return nil
		}
		ended = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return errors.New("does not end")
		}
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String(), end
}

// A client is on a floor.
type client struct {
	t    *testing.T
	conn net.Conn
	from io.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	conn, early, _, err := ws.Dial(t.Context(), "ws://"+addr+"/ws/ticker?interval=20s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := &client{t, conn, conn}
	if early != nil {
		c.from = early
	}
	return c
}

// A message is what a client gets.
type message struct {
	Type     string
	Snapshot bool
	Seq      uint64
	TS       int64
	Data     []struct{ Symbol ticker.Symbol }
	size     int
}

func (c *client) next() message {
	c.t.Helper()
	payload, err := wsutil.ReadServerText(conversation{c.from, c.conn})
	if err != nil {
		c.t.Fatal(err)
	}
	m := message{size: len(payload)}
	if err := json.Unmarshal(payload, &m); err != nil {
		c.t.Fatalf("%q: %v", payload, err)
	}
	return m
}

// greeted takes the welcome and the snapshot, and gives its seq.
func (c *client) greeted() uint64 {
	c.t.Helper()
	if m := c.next(); m.Type != "welcome" {
		c.t.Fatalf("first %+v", m)
	}
	m := c.next()
	if m.Type != "ticker" || !m.Snapshot || len(m.Data) != 3 {
		c.t.Fatalf("then %+v", m)
	}
	return m.Seq
}

type conversation struct {
	io.Reader
	io.Writer
}

// Every client gets every tick, one after the other, as big as the real feed's.
func TestEveryTick(t *testing.T) {
	const clients, ticks = 3, 110 // the seq gets a third digit
	want, digits := realTick(t)
	eachMode(t, func(t *testing.T, m floor.Mode) {
		if m == floor.Upgrade {
			t.Skip("has no ticks")
		}
		addr, _ := serve(t, m)
		var list []*client
		for range clients {
			list = append(list, dial(t, addr))
		}
		for _, c := range list {
			last := c.greeted()
			var ts int64
			for range ticks {
				m := c.next()
				if m.Type != "ticker" || m.Snapshot || m.Seq != last+1 || m.TS <= ts || len(m.Data) != 3 {
					t.Fatalf("after seq %d of %d: %+v", last, ts, m)
				}
				if got := m.size - digitsOf(m.Seq); got != want-digits {
					t.Fatalf("a tick without its seq has %d bytes, the feed's %d", got, want-digits)
				}
				last, ts = m.Seq, m.TS
			}
		}
	})
}

func digitsOf(seq uint64) int { return len(strconv.FormatUint(seq, 10)) }

// realTick is the size of a tick of the real feed, and how many of it are digits of
// its seq.
func realTick(t *testing.T) (size, digits int) {
	t.Helper()
	conn := bustest.Connect(t, bustest.New(t), "feed")
	ticks := make(chan *bus.Msg, 1000)
	if _, err := conn.SubscribeChan(bus.Prices, ticks); err != nil {
		t.Fatal(err)
	}
	feed, err := pricefeed.New(pricefeed.Defaults(), pricefeed.Parts{Bus: conn, Node: bustest.Node, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- feed.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	select {
	case m := <-ticks:
		var tick ticker.Scanned
		if err := ticker.Scan(m.Data, &tick); err != nil {
			t.Fatal(err)
		}
		return len(m.Data), digitsOf(tick.Seq)
	case <-time.After(patience):
		t.Fatal("the feed publishes nothing")
		return 0, 0
	}
}

// A client that comes is greeted, in every mode; one that says goodbye is closed, and
// the others go on.
func TestComeAndGo(t *testing.T) {
	goodbye, err := ws.CompileFrame(ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))
	if err != nil {
		t.Fatal(err)
	}
	eachMode(t, func(t *testing.T, m floor.Mode) {
		addr, _ := serve(t, m)
		stays := dial(t, addr)
		last := stays.greeted()
		for range 20 {
			c := dial(t, addr)
			c.greeted()
			if _, err := c.conn.Write(goodbye); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c.from); err != nil {
				t.Errorf("not closed: %v", err)
			}
		}
		if m != floor.Upgrade && stays.next().Seq != last+1 {
			t.Error("the one who stays misses a tick")
		}
	})
}

// When a floor ends, its clients are closed, whatever they do.
func TestEnd(t *testing.T) {
	eachMode(t, func(t *testing.T, m floor.Mode) {
		addr, end := serve(t, m)
		c := dial(t, addr)
		c.greeted()
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c.from); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("not closed: %v", err)
		}
		if _, err := net.Dial("tcp", addr); err == nil {
			t.Error("still listening")
		}
	})
}

func TestToken(t *testing.T) {
	addr, _ := serve(t, floor.Upgrade)
	resp, err := http.Post("http://"+addr+"/auth/token", "application/json", strings.NewReader(`{"api_key":"any"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var grant struct {
		Token     string
		UserID    string `json:"user_id"`
		Role      string
		ExpiresIn int `json:"expires_in"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&grant); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || grant.Token == "" || grant.UserID == "" || grant.Role != "user" || grant.ExpiresIn <= 0 {
		t.Errorf("%d, %+v", resp.StatusCode, grant)
	}
}

func TestNotFound(t *testing.T) {
	addr, _ := serve(t, floor.Upgrade)
	resp, err := http.Post("http://"+addr+"/auth/other", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("POST: status %d", resp.StatusCode)
	}
	_, _, _, err = ws.Dial(t.Context(), "ws://"+addr+"/ws/other")
	if status := ws.StatusError(0); !errors.As(err, &status) || int(status) != http.StatusNotFound {
		t.Errorf("upgrade: %v", err)
	}
}

func TestUnknownMode(t *testing.T) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := floor.Serve(t.Context(), ln, "fast"); !errors.Is(err, floor.ErrMode) {
		t.Errorf("got %v", err)
	}
}
