package loop_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"tickerd/gateway/fanout"
	"tickerd/gateway/loop"
	"tickerd/ticker"
)

// TestTendIsFirst holds that a connection is tended before anything else, also when
// its client has sent something already.
func TestTendIsFirst(t *testing.T) {
	pool := newPool(t)
	for range 20 {
		client, server := connect(t)
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		p := add(t, pool, server, func(p *peer) { p.out = []byte("welcome") })
		p.until("Receive", func() bool { return len(p.received) == 5 })
		p.do(func() {
			if p.calls[0] != "Tend" {
				t.Errorf("first calls: %q", p.calls)
			}
		})
	}
}

// TestTendAtItsTime holds that a connection is tended at the time for which it asks,
// if nothing happens before.
func TestTendAtItsTime(t *testing.T) {
	const times, interval = 5, 20 * time.Millisecond
	pool := newPool(t)
	_, server := connect(t)
	done := make(chan struct{})
	var next time.Time
	reached := 0
	add(t, pool, server, func(p *peer) {
		p.tend = func(now time.Time) time.Time {
			switch {
			case reached == times:
				return time.Time{}
			case next.IsZero():
			case now.Before(next):
				return next
			default:
				reached++
			}
			if reached == times {
				close(done)
				return time.Time{}
			}
			next = now.Add(interval)
			return next
		}
	})
	began := time.Now()
	wait(t, "Tend", done)
	if took := time.Since(began); took < (times-1)*interval {
		t.Errorf("tended %d times within %v", times, took)
	}
}

// TestReceive holds that all that the client sends comes, in order, however much.
func TestReceive(t *testing.T) {
	pool := newPool(t)
	client, server := connect(t)
	sent := noise(3 << 20)
	p := add(t, pool, server, nil)
	if _, err := client.Write(sent); err != nil {
		t.Fatal(err)
	}
	p.until("Receive", func() bool { return len(p.received) >= len(sent) })
	p.do(func() {
		if !bytes.Equal(p.received, sent) {
			t.Error("received something else than was sent")
		}
	})
}

// TestFull holds that a connection is not read while it is full, and goes on once it
// is not, though the client does nothing more, until the client's end.
func TestFull(t *testing.T) {
	pool := newPool(t)
	client, server := connect(t)
	sent := noise(300_000)
	p := add(t, pool, server, func(p *peer) { p.fills = 1 })
	if _, err := client.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for received := 0; received < len(sent); {
		p.until("Receive", func() bool { return p.full })
		p.do(func() {
			if len(p.errs) > 0 {
				t.Errorf("lost while full: %v", p.errs)
			}
			received, p.full = len(p.received), false
			p.fills = min(received+1+rand.IntN(len(sent)/10), len(sent))
		})
	}
	p.until("Lost", func() bool { return len(p.errs) > 0 })
	p.do(func() {
		if !bytes.Equal(p.received, sent) {
			t.Error("received something else than was sent")
		}
		if !slices.Equal(p.errs, []error{io.EOF}) {
			t.Errorf("lost: %v", p.errs)
		}
	})
}

// TestHalfClose holds that a client that has ended its side is still written to, and
// told the end of ours.
func TestHalfClose(t *testing.T) {
	pool := newPool(t)
	client, server := connect(t)
	p := add(t, pool, server, nil)
	if _, err := client.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	p.until("Lost", func() bool { return len(p.errs) > 0 })
	sent := noise(2 << 20)
	p.do(func() {
		if string(p.received) != "last" || !slices.Equal(p.errs, []error{io.EOF}) {
			t.Errorf("received %q, lost: %v", p.received, p.errs)
		}
		p.out = sent
	})
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Error("the client got something else than was written")
	}
	p.do(p.link.CloseWrite)
	if n, err := client.Read(got); n > 0 || err != io.EOF {
		t.Errorf("behind CloseWrite: %d bytes, %v", n, err)
	}
}

// TestReset holds that a connection which the client has reset is lost, and not as
// if the client had ended only its side.
func TestReset(t *testing.T) {
	pool := newPool(t)
	client, server := connect(t)
	p := add(t, pool, server, nil)
	if err := client.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	p.until("Lost", func() bool { return len(p.errs) > 0 })
	p.do(func() {
		if errors.Is(p.errs[0], io.EOF) {
			t.Errorf("lost: %v", p.errs)
		}
		p.close()
	})
}

// TestClose holds that a connection whose socket is closed is tended, and called
// what is posted for it, but nothing else.
func TestClose(t *testing.T) {
	pool := newPool(t)
	client, server := connect(t)
	hub := fanout.NewHub(pool.Changed)
	cursor := fanout.NewCursor(hub)
	cursor.Subscribe(everything)
	defer cursor.Close()
	p := add(t, pool, server, func(p *peer) { p.stream = cursor.Stream() })
	if _, err := client.Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	p.until("Receive", func() bool { return len(p.received) == 6 })
	tended := make(chan struct{})
	p.do(func() {
		p.out = []byte("unsent")
		p.close()
		p.link.Close() // once more is nothing
		again := time.Time{}
		p.tend = func(now time.Time) time.Time {
			switch {
			case again.IsZero():
				again = now.Add(time.Millisecond)
			case !now.Before(again):
				close(tended)
				p.tend = nil
				return time.Time{}
			}
			return again
		}
	})
	if err := hub.Tick(ticker.Tick{Seq: 1, TS: 1, Data: []ticker.Price{{Symbol: "A-B", Price: "1"}}}.AppendJSON(nil), 0); err != nil {
		t.Fatal(err)
	}
	wait(t, "Tend", tended)
	if got, err := io.ReadAll(client); len(got) > 0 {
		t.Errorf("the client got %q, %v", got, err)
	}
	p.do(func() {})
}

// TestCloseAtAnyTime holds that a connection may close its socket wherever it is
// called, and is tended thereupon.
func TestCloseAtAnyTime(t *testing.T) {
	pool := newPool(t)
	for name, prepare := range map[string]func(p *peer, closeNow func()){
		"when it begins":          func(_ *peer, closeNow func()) { closeNow() },
		"when it is first tended": func(p *peer, closeNow func()) { p.tend = func(time.Time) time.Time { closeNow(); return time.Time{} } },
		"when it is to write":     func(p *peer, closeNow func()) { p.next = closeNow },
	} {
		client, server := connect(t)
		tended := make(chan struct{})
		add(t, pool, server, func(p *peer) {
			prepare(p, sync.OnceFunc(p.close))
			first := p.tend
			ended := sync.OnceFunc(func() { close(tended) })
			p.tend = func(now time.Time) time.Time {
				if first != nil {
					first(now)
				}
				if p.closed {
					ended()
				}
				return time.Time{}
			}
		})
		wait(t, name, tended)
		if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
			t.Errorf("%s: the client got %q, %v", name, got, err)
		}
	}
}

// TestEachMeetsAdd holds that whoever is found while it is added is open.
func TestEachMeetsAdd(t *testing.T) {
	pool := newPool(t)
	var looking sync.WaitGroup
	defer looking.Wait()
	for range 200 {
		_, server := connect(t)
		looking.Go(func() {
			pool.Each(func(_ time.Time, c loop.Conn) {
				if c == nil {
					t.Error("a connection that is none")
				}
			})
		})
		add(t, pool, server, nil)
	}
}

// TestPostKeepsOrder holds that everything posted is called, in each poster's order.
func TestPostKeepsOrder(t *testing.T) {
	const posters, posts = 4, 1000
	pool := newPool(t)
	_, server := connect(t)
	p := add(t, pool, server, nil)
	var got [posters][]int
	var posting sync.WaitGroup
	for i := range posters {
		posting.Go(func() {
			for n := range posts {
				p.link.Post(func(time.Time) {
					defer p.enter("posted function")()
					got[i] = append(got[i], n)
				})
			}
		})
	}
	posting.Wait()
	p.do(func() {
		for i := range got {
			if len(got[i]) != posts || !slices.IsSorted(got[i]) {
				t.Errorf("poster %d: %d of %d were called, or in another order", i, len(got[i]), posts)
			}
		}
	})
}

// TestEach holds that every connection is visited once, but none that is closed.
func TestEach(t *testing.T) {
	pool := newPool(t)
	var peers []*peer
	for range 20 {
		_, server := connect(t)
		peers = append(peers, add(t, pool, server, nil))
	}
	for _, p := range peers[:5] {
		p.do(p.close)
	}
	var mu sync.Mutex
	visits := map[loop.Conn]int{}
	pool.Each(func(_ time.Time, c loop.Conn) {
		defer c.(*peer).enter("Each")()
		mu.Lock()
		defer mu.Unlock()
		visits[c]++
	})
	for i, p := range peers {
		want := 1
		if i < 5 {
			want = 0
		}
		p.do(func() {
			mu.Lock()
			defer mu.Unlock()
			if visits[p] != want {
				t.Errorf("connection %d was visited %d times, want %d", i, visits[p], want)
			}
		})
	}
}

// TestStreamChangedInNext holds that a connection which moves to another stream when
// it is asked what to write, and has nothing to write, is asked again when that
// stream grows.
func TestStreamChangedInNext(t *testing.T) {
	pool := newPool(t)
	client, server := connect(t)
	hub := fanout.NewHub(pool.Changed)
	cursor := fanout.NewCursor(hub)
	p := add(t, pool, server, nil)
	moved := make(chan struct{})
	p.do(func() {
		p.next = func() {
			if p.stream == nil {
				cursor.Subscribe(everything)
				p.stream = cursor.Stream()
				close(moved)
			}
			if len(p.out) == 0 {
				frames, _, _ := cursor.Next(64 << 10)
				cursor.Advance(len(frames))
				p.out = frames
			}
		}
	})
	wait(t, "Next", moved) // and no Post, which would have it asked again
	msg := ticker.Tick{Seq: 1, TS: 1, Data: []ticker.Price{{Symbol: "A-B", Price: "1"}}}.AppendJSON(nil)
	if err := hub.Tick(bytes.Clone(msg), 0); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 2+len(msg))
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(got, msg) {
		t.Errorf("got %q, want %q", got, msg)
	}
	p.do(func() {
		p.close()
		cursor.Close()
	})
}

// noise is n bytes that do not repeat.
func noise(n int) []byte {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}
