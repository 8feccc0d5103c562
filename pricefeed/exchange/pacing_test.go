package exchange

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"tickerd/ticker"
)

// rounding is what the limiter, which counts in floats, may be off.
const rounding = time.Microsecond

// nowhere is a sink.
type nowhere struct{}

func (nowhere) Link(bool)                  {}
func (nowhere) Heard()                     {}
func (nowhere) Market(ticker.Symbol, bool) {}
func (nowhere) Price(ticker.Price)         {}

// pacing runs a client that wants two markets in a bubble for so long, and returns when
// it dialled. What it dials is one end of a pipe, at whose other end serve is.
func pacing(t *testing.T, terms Terms, duration time.Duration, serve func(attempt int, c net.Conn) error) (dials []time.Duration, why []error) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), duration)
		defer cancel()
		var mu sync.Mutex
		var served sync.WaitGroup
		ended := make(ends, 100_000)
		client := NewClient("ws://exchange.test", terms, speech{}, slog.New(ended))
		client.Subscribe([]ticker.Symbol{"BTC-USD", "ETH-USD"})
		client.netDial = func(context.Context, string, string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			dials = append(dials, time.Since(start))
			attempt := len(dials)
			here, there := net.Pipe()
			served.Go(func() {
				if serve(attempt, there) == nil {
					_, _ = io.Copy(io.Discard, there) // until the client has had enough
				}
				there.Close()
			})
			return here, nil
		}
		if err := client.Run(ctx, nowhere{}); err != nil {
			t.Errorf("Run: %v", err)
		}
		served.Wait()
		close(ended)
		for err := range ended {
			why = append(why, err)
		}
		if took := time.Since(start); took < duration || took > duration+closeTimeout {
			t.Errorf("Run took %v of %v", took, duration)
		}
	})
	return dials, why
}

// upgrade takes a connection, and whatever comes over it.
func upgrade(c net.Conn) error {
	if _, err := ws.Upgrade(c); err != nil {
		return err
	}
	go func() { _, _ = io.Copy(io.Discard, c) }() // until the client has had enough
	return nil
}

func refuse(status int, header string) func(int, net.Conn) error {
	return func(_ int, c net.Conn) error {
		request, err := http.ReadRequest(newReader(c))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c, "HTTP/1.1 %d %s\r\n%s\r\n", status, http.StatusText(status), header)
		request.Body.Close()
		return err
	}
}

func polite() Terms {
	return Terms{ConnectEvery: time.Second, MessageEvery: time.Second, PerRequest: 10, Retry: time.Second, Silence: 10 * time.Second}
}

// The number of attempts against an exchange that refuses every one grows with
// the logarithm of time, until the ceiling is reached.
func TestAttemptsBackOff(t *testing.T) {
	dials, _ := pacing(t, polite(), time.Hour, refuse(500, ""))
	// Ceilings of 1, 2, 4, … 32 s, then a minute: half of that on average.
	if n := len(dials); n < 80 || n > 200 {
		t.Errorf("%d attempts in an hour", n)
	}
	waits := make(map[time.Duration]bool)
	for i := 1; i < len(dials); i++ {
		wait := dials[i] - dials[i-1]
		if wait < time.Second-rounding || wait > longestDelay+time.Second {
			t.Errorf("attempt %d came %v after the last", i, wait)
		}
		waits[wait] = true
	}
	if len(waits) < len(dials)/2 {
		t.Errorf("no jitter: %d different waits of %d", len(waits), len(dials))
	}
}

// However short the waits, attempts keep the distance.
func TestAttemptsAreLimited(t *testing.T) {
	terms := polite()
	terms.Retry = 1
	dials, _ := pacing(t, terms, 20*time.Second, refuse(500, ""))
	for i := 1; i < len(dials); i++ {
		if wait := dials[i] - dials[i-1]; wait < time.Second-rounding {
			t.Errorf("attempt %d came %v after the last", i, wait)
		}
	}
	if len(dials) < 15 {
		t.Errorf("%d attempts", len(dials))
	}
}

// Who is told to come later does not come before, over no line.
func TestRetryAfterIsRespected(t *testing.T) {
	terms := polite()
	terms.PerConnection = 1
	dials, _ := pacing(t, terms, time.Hour, refuse(429, "Retry-After: 600\r\n"))
	if n := len(dials); n < 5 || n > 6 {
		t.Errorf("%d attempts in an hour", n)
	}
	for i := 1; i < len(dials); i++ {
		if wait := dials[i] - dials[i-1]; wait < 10*time.Minute {
			t.Errorf("attempt %d came %v after the last", i, wait)
		}
	}
}

// A replacement that the exchange asks for is no failure, however often it asks: it comes
// as soon as another connection may be made, and does not wait for the end of the first.
func TestReplacementsDoNotBackOff(t *testing.T) {
	for _, notice := range []time.Duration{0, 10 * time.Second} {
		dials, ends := pacing(t, polite(), time.Minute, func(_ int, c net.Conn) error {
			if _, err := ws.Upgrade(c); err != nil {
				return err
			}
			if _, err := c.Write(ws.MustCompileFrame(ws.NewTextFrame([]byte("retire")))); err != nil {
				return err
			}
			if err := c.SetReadDeadline(time.Now().Add(notice)); err != nil {
				return err
			}
			_, err := io.Copy(io.Discard, c)
			return cmp.Or(err, io.EOF)
		})
		if len(ends) > 0 {
			t.Errorf("%v before the end it is taken for a failure: %v", notice, ends[0])
		}
		for i := 1; i < len(dials); i++ {
			if wait := (dials[i] - dials[i-1]).Round(rounding); wait != time.Second {
				t.Errorf("%v before the end: connection %d came %v after the last", notice, i, wait)
			}
		}
		if len(dials) < 59 {
			t.Errorf("%d connections", len(dials))
		}
	}
}

// After a long connection the first wait is short again, after a short one it is
// not.
func TestBackoffStartsAnew(t *testing.T) {
	lasts := func(d time.Duration) []time.Duration {
		dials, _ := pacing(t, polite(), 10*time.Hour, func(attempt int, c net.Conn) error {
			if attempt%20 != 0 { // many fail, then one lasts
				return io.ErrClosedPipe
			}
			if err := upgrade(c); err != nil {
				return err
			}
			for range d / time.Second {
				time.Sleep(time.Second)
				if _, err := c.Write(ws.MustCompileFrame(ws.NewTextFrame(nil))); err != nil {
					return err
				}
			}
			return io.ErrClosedPipe
		})
		var waits []time.Duration
		for i := 20; i < len(dials); i += 20 {
			waits = append(waits, dials[i]-dials[i-1]-d)
		}
		return waits
	}
	if longest := slices.Max(lasts(healthyAfter)); longest > time.Second {
		t.Errorf("after a long connection a wait of %v", longest)
	}
	if longest := slices.Max(lasts(healthyAfter - 10*time.Second)); longest < 10*time.Second {
		t.Errorf("after a short connection waits of %v at most", longest)
	}
}

func TestSilenceTakesItsTime(t *testing.T) {
	_, ends := pacing(t, polite(), 15*time.Second, func(attempt int, c net.Conn) error {
		if attempt > 1 {
			return io.ErrClosedPipe
		}
		return upgrade(c)
	})
	if len(ends) == 0 || ends[0] != ErrSilent {
		t.Errorf("ended with %v", ends)
	}
	_, ends = pacing(t, polite(), 9*time.Second, func(_ int, c net.Conn) error { return upgrade(c) })
	if len(ends) != 0 {
		t.Errorf("ended with %v", ends)
	}
}

// A handshake that does not come to an end is given up.
func TestHandshakeTimeout(t *testing.T) {
	dials, _ := pacing(t, polite(), 12*time.Second, func(int, net.Conn) error { return nil })
	if len(dials) != 2 || dials[1] < dialTimeout {
		t.Errorf("dialled at %v", dials)
	}
}

func TestBackoff(t *testing.T) {
	b := backoff{first: time.Second}
	for _, ceiling := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		if wait := b.next(); wait < 0 || wait >= ceiling*time.Second {
			t.Errorf("%v at a ceiling of %v", wait, ceiling*time.Second)
		}
	}
	b.reset()
	if wait := b.next(); wait >= time.Second {
		t.Errorf("%v at first", wait)
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 10, 3, 20, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"7":                             7 * time.Second,
		"-7":                            0,
		"3601":                          time.Hour,
		"1.5":                           0,
		"soon":                          0,
		"99999999999999999999":          0,
		"Sat, 03 Oct 2026 20:00:30 GMT": 30 * time.Second,
		"Sat, 03 Oct 2026 19:00:00 GMT": 0,
		"Sat, 03 Oct 2027 20:00:00 GMT": time.Hour,
	} {
		if got := parseRetryAfter(value, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	f.Add("7")
	f.Add("Sat, 03 Oct 2026 20:00:30 GMT")
	f.Add("9223372036854775807")
	f.Fuzz(func(t *testing.T, value string) {
		if d := parseRetryAfter(value, time.Unix(1700000000, 0)); d < 0 || d > longestRetryAfter {
			t.Errorf("%q: %v", value, d)
		}
	})
}

func FuzzReadRetryAfter(f *testing.F) {
	f.Add([]byte("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 503\nretry-after:7\n\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if d := readRetryAfter(bytes.NewReader(answer)); d < 0 || d > longestRetryAfter {
			t.Errorf("%q: %v", answer, d)
		}
	})
}

// A connection that is old is replaced before it ends, by one that works already.
func TestLifetime(t *testing.T) {
	terms := polite()
	terms.Lifetime = time.Hour
	var lives [10]time.Duration
	dials, ends := pacing(t, terms, 5*time.Hour, func(attempt int, c net.Conn) error {
		if err := upgrade(c); err != nil {
			return err
		}
		begin := time.Now()
		for {
			if _, err := c.Write(ws.MustCompileFrame(ws.NewTextFrame(nil))); err != nil {
				lives[attempt-1] = time.Since(begin)
				return err
			}
			time.Sleep(time.Second)
		}
	})
	if len(ends) != 0 {
		t.Errorf("ended with %v", ends)
	}
	if len(dials) < 6 || len(dials) > 7 {
		t.Errorf("%d connections", len(dials))
	}
	for i, life := range lives[:len(dials)-1] {
		overlap := dials[i] + life - dials[i+1]
		if age := dials[i+1] - dials[i]; age < 54*time.Minute || age > time.Hour || overlap < answerTime || overlap > 2*answerTime {
			t.Errorf("connection %d was replaced after %v, and ended %v later", i, age, overlap)
		}
	}
}

// visit runs a client in a bubble, and serves its one connection.
func visit(t *testing.T, terms Terms, symbols []ticker.Symbol, serve func(t *testing.T, c net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		client := NewClient("ws://exchange.test", terms, speech{}, slog.New(slog.DiscardHandler))
		client.netDial = func(context.Context, string, string) (net.Conn, error) { return here, nil }
		client.Subscribe(symbols)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- client.Run(ctx, nowhere{}) }()
		if _, err := ws.Upgrade(there); err != nil {
			t.Fatal(err)
		}
		serve(t, there)
		cancel()
		_, _ = io.Copy(io.Discard, there) // until the client has gone
		there.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Requests keep the distance, whatever is wanted.
func TestRequestsAreLimited(t *testing.T) {
	terms := polite()
	terms.Silence, terms.PerRequest = time.Minute, 1
	visit(t, terms, []ticker.Symbol{"A-USD", "B-USD", "C-USD", "D-USD"}, func(t *testing.T, c net.Conn) {
		begin := time.Now()
		for i := range 4 {
			if i == 2 { // in the middle of the requests
				writeFrame(t, c, ws.NewPingFrame(nil))
				if f := readFrame(t, c); f.Header.OpCode != ws.OpPong || time.Since(begin) > time.Second+rounding {
					t.Errorf("got %v after %v", f.Header.OpCode, time.Since(begin))
				}
			}
			f := readFrame(t, c)
			if took := time.Since(begin); took < time.Duration(i)*time.Second-rounding {
				t.Errorf("%s came after %v", f.Payload, took)
			}
		}
	})
}

// What was refused is asked for again, after a while.
func TestRefusedIsAskedForAgain(t *testing.T) {
	terms := polite()
	terms.Silence = time.Hour
	visit(t, terms, []ticker.Symbol{"A-USD", "B-USD"}, func(t *testing.T, c net.Conn) {
		begin := time.Now()
		for i, want := range []string{"subscribe A-USD B-USD", "subscribe B-USD", "subscribe B-USD"} {
			f := readFrame(t, c)
			if took := time.Since(begin); string(f.Payload) != want || took != time.Duration(i)*askAgainEvery {
				t.Errorf("%s came after %v", f.Payload, took)
			}
			writeFrame(t, c, ws.NewTextFrame([]byte("refused B-USD")))
		}
		writeFrame(t, c, ws.NewTextFrame([]byte("price B-USD 1")))
		if err := c.SetReadDeadline(time.Now().Add(2 * askAgainEvery)); err != nil {
			t.Fatal(err)
		}
		if _, err := ws.ReadHeader(c); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("what is served is asked for again: %v", err)
		}
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
	})
}

func writeFrame(t *testing.T, c net.Conn, f ws.Frame) {
	t.Helper()
	if _, err := c.Write(ws.MustCompileFrame(f)); err != nil {
		t.Fatal(err)
	}
}

func readFrame(t *testing.T, c net.Conn) ws.Frame {
	t.Helper()
	h, err := ws.ReadHeader(c)
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(c, payload); err != nil {
		t.Fatal(err)
	}
	ws.Cipher(payload, h.Mask, 0)
	return ws.Frame{Header: h, Payload: payload}
}
