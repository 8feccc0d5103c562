package fanout_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
	"tickerd/ticker"
)

// everything is the view of who asks for nothing special.
var everything = fanout.View{Key: "*", Sees: func(ticker.Symbol) bool { return true }}

// tickOf is a tick with one price.
func tickOf(seq uint64, symbol ticker.Symbol) []byte {
	return ticker.Tick{Seq: seq, TS: 1, Data: []ticker.Price{{Symbol: symbol, Price: "1"}}}.AppendJSON(nil)
}

func TestTickIsPassedOnByteForByte(t *testing.T) {
	hub := fanout.NewHub(nil)
	c := fanout.NewCursor(hub)
	c.Subscribe(fanout.View{Key: "*", Sees: func(ticker.Symbol) bool { return true }})
	const odd = `{"seq":1, "data":[ {"timestamp":1,"symbol":"A-B","price":1.50,"more":{}}],"ts":5,"type":"ticker"}`
	if err := hub.Tick([]byte(odd), 0); err != nil {
		t.Fatal(err)
	}
	frames, _, _ := c.Next(1)
	if want := frame.AppendText(nil, []byte(odd)); string(frames) != string(want) {
		t.Errorf("got %q, want %q", frames, want)
	}
}

func TestTicksRefused(t *testing.T) {
	tick := func(seq uint64) []byte { return tickOf(seq, "A-B") }
	hub := fanout.NewHub(nil)
	for _, step := range []struct {
		msg  []byte
		term uint64
		want error
	}{
		{tick(1), 3, nil},
		{tick(2), 2, fanout.ErrOldTerm},
		{tick(1), 3, fanout.ErrOldSeq},
		{tick(0), 4, fanout.ErrOldSeq},
		{[]byte("rubbish"), 4, ticker.ErrTick},
		{tick(2), 4, nil},
		{tick(3), 3, fanout.ErrOldTerm},
		{tick(4), 5, fanout.ErrMissed},
		{tick(3), 5, fanout.ErrOldSeq},
		{tick(5), 4, fanout.ErrOldTerm},
	} {
		if err := hub.Tick(step.msg, step.term); !errors.Is(err, step.want) {
			t.Errorf("tick %.40s of term %d: %v, want %v", step.msg, step.term, err, step.want)
		}
	}
}

// TestChangedIsToldOnce holds that it is told of each turn in which something was
// appended, when that can be read, and of no other.
func TestChangedIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int64
		var hub *fanout.Hub
		hub = fanout.NewHub(func() {
			told.Add(1)
			hub.Knows("A-B") // no lock is held
		})
		check := func(what string, want int64) {
			t.Helper()
			synctest.Wait()
			if got := told.Swap(0); got != want {
				t.Errorf("%s: told %d times, want %d", what, got, want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = hub.Run(ctx) })
		publish(t, hub, tickOf(1, "A-B"))
		check("tick without streams", 0)
		cursors := make([]fanout.Cursor, 4)
		for i := range cursors {
			cursors[i] = fanout.NewCursor(hub)
			v := everything
			v.Encoding = encodings[i%2]
			if i >= 2 {
				v.Interval = 100 * time.Millisecond
			}
			cursors[i].Subscribe(v)
		}
		publish(t, hub, tickOf(2, "A-B"))
		check("tick", 1)
		time.Sleep(time.Second)
		check("what is due", 1)
		if err := hub.Status([]byte(`{"type":"status","source":"x","state":"down","symbols":["A-B"]}`)); err != nil {
			t.Fatal(err)
		}
		check("status", 1)
		if err := hub.Tick(tickOf(2, "A-B"), 1); err == nil {
			t.Error("an old tick was taken")
		}
		check("tick that is refused", 0)
		for i := range cursors {
			if s := cursors[i].Stream(); s.Head() == cursors[i].Offset() {
				t.Errorf("cursor %d has nothing to read", i)
			}
			cursors[i].Close()
		}
		publish(t, hub, tickOf(3, "A-B"))
		check("tick to nobody", 0)
		cancel()
		running.Wait()
	})
}

// TestInterval holds that there is at most one update in an interval, and that the
// last price comes within one.
func TestInterval(t *testing.T) {
	for _, encoding := range encodings {
		synctest.Test(t, func(t *testing.T) {
			const interval = 70 * time.Millisecond
			hub := fanout.NewHub(nil)
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = hub.Run(ctx) })
			v := everything
			v.Interval, v.Encoding = interval, encoding
			c := fanout.NewCursor(hub)
			c.Subscribe(v)
			var last time.Time
			var newest uint64
			seq := uint64(0)
			for range 1000 {
				seq++
				publish(t, hub, tickOf(seq, symbol(int(seq%3))))
				published := time.Now()
				for time.Since(published) < 10*time.Millisecond {
					time.Sleep(time.Millisecond)
					synctest.Wait()
					frames, count, _ := c.Next(1 << 20)
					if count == 0 {
						continue
					}
					c.Advance(len(frames))
					if count > 1 || time.Since(last) < interval {
						t.Fatalf("%d updates %v after the last", count, time.Since(last))
					}
					last, newest = time.Now(), parse(t, frames)[0].Seq
				}
			}
			if seq-newest > uint64(interval/(10*time.Millisecond)) {
				t.Errorf("the last update was %d, and the last tick is %d", newest, seq)
			}
			c.Close()
			cancel()
			running.Wait()
		})
	}
}

// TestSeesIsAskedOnce holds that who comes to a stream that is there costs nothing.
func TestSeesIsAskedOnce(t *testing.T) {
	hub := fanout.NewHub(nil)
	publish(t, hub, tickOf(1, "A-B"))
	asked := 0
	v := fanout.View{Key: "k", Sees: func(ticker.Symbol) bool { asked++; return true }}
	cursors := make([]fanout.Cursor, 10)
	for i := range cursors {
		cursors[i] = fanout.NewCursor(hub)
		cursors[i].Subscribe(v)
	}
	publish(t, hub, tickOf(2, "C-D"))
	publish(t, hub, tickOf(3, "A-B"))
	if asked != 2 {
		t.Errorf("asked %d times about two symbols", asked)
	}
}
