package fanout_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
	"tickerd/ticker"
)

// priced is a tick, or a snapshot, with prices like "A-B=1".
func priced(seq uint64, snapshot bool, prices ...string) []byte {
	msg := ticker.AppendHead(nil, seq, int64(seq), snapshot)
	for i, p := range prices {
		if i > 0 {
			msg = append(msg, ',')
		}
		symbol, price, _ := strings.Cut(p, "=")
		msg = ticker.Price{Symbol: ticker.Symbol(symbol), Price: ticker.Decimal(price)}.AppendJSON(msg)
	}
	return append(msg, ticker.Tail...)
}

func tick(seq uint64, prices ...string) []byte { return priced(seq, false, prices...) }
func full(seq uint64, prices ...string) []byte { return priced(seq, true, prices...) }

// want fails unless an error is the expected one.
func want(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// wantNext fails unless the messages are what the cursor gives next.
func wantNext(t *testing.T, c *fanout.Cursor, messages ...[]byte) {
	t.Helper()
	frames, _, kept := c.Next(1 << 20)
	c.Advance(len(frames))
	var want []byte
	for _, m := range messages {
		want = frame.AppendText(want, m)
	}
	if !kept || string(frames) != string(want) {
		t.Fatalf("got %q, %v\nwant %q", frames, kept, want)
	}
}

// What comes behind a tick that is missing waits until it is known what that said. Until
// then everybody sees what was true before, and then everybody goes on with a snapshot.
func TestGap(t *testing.T) {
	hub := fanout.NewHub(nil)
	all, some := fanout.NewCursor(hub), fanout.NewCursor(hub)
	all.Subscribe(everything)
	some.Subscribe(fanout.View{Key: "C-D", Sees: func(s ticker.Symbol) bool { return s == "C-D" }})
	want(t, "tick 1", hub.Tick(tick(1, "A-B=1", "C-D=1"), 1), nil)
	want(t, "tick 2", hub.Tick(tick(2, "A-B=2"), 1), nil)
	want(t, "tick 4", hub.Tick(tick(4, "A-B=4"), 1), fanout.ErrMissed)
	want(t, "tick 5", hub.Tick(tick(5, "A-B=5"), 1), fanout.ErrMissed)
	want(t, "tick 8", hub.Tick(tick(8, "A-B=7"), 1), fanout.ErrMissed)
	want(t, "tick 5 again", hub.Tick(tick(5, "A-B=5"), 1), fanout.ErrOldSeq)
	wantNext(t, &all, tick(1, "A-B=1", "C-D=1"), tick(2, "A-B=2"))
	wantNext(t, &some, tick(1, "C-D=1"))
	if m := parse(t, all.Snapshot()); m[0].Seq != 2 || string(m[0].Data[0].Price) != "2" {
		t.Errorf("within the gap: %+v", m)
	}
	if hub.CanResume(4) || !hub.CanResume(1) {
		t.Error("who can resume is wrong within the gap")
	}

	want(t, "snapshot of before another gap", hub.Adopt(full(6, "A-B=0"), 0), fanout.ErrMissed)
	wantNext(t, &all, full(6, "A-B=0", "C-D=1"))
	want(t, "too old a snapshot", hub.Adopt(full(4, "A-B=9", "C-D=9"), 1), fanout.ErrOldSeq)
	want(t, "snapshot", hub.Adopt(full(9, "A-B=8", "C-D=3"), 2), nil)
	wantNext(t, &all, full(9, "A-B=8", "C-D=3"))
	wantNext(t, &some, full(6, "C-D=1"), full(9, "C-D=3"))
	want(t, "a tick that it has overtaken", hub.Tick(tick(9, "A-B=8"), 2), nil)
	want(t, "a tick of the old term", hub.Tick(tick(10, "A-B=8"), 1), fanout.ErrOldTerm)
	want(t, "tick 10", hub.Tick(tick(10, "C-D=9"), 2), nil)
	wantNext(t, &all, tick(10, "C-D=9"))
	wantNext(t, &some, tick(10, "C-D=9"))
	for seq, can := range map[uint64]bool{1: false, 6: false, 8: false, 9: true, 10: true, 11: false} {
		if hub.CanResume(seq) != can {
			t.Errorf("resume after %d: %v", seq, !can)
		}
	}
}

// A snapshot is followed by what had come behind it already.
func TestGapIsFilled(t *testing.T) {
	hub := fanout.NewHub(nil)
	c := fanout.NewCursor(hub)
	c.Subscribe(everything)
	want(t, "tick 10", hub.Tick(tick(10, "A-B=10"), 1), fanout.ErrMissed)
	want(t, "tick 11", hub.Tick(tick(11, "C-D=11"), 1), fanout.ErrMissed)
	want(t, "tick 12", hub.Tick(tick(12, "C-D=12"), 1), fanout.ErrMissed)
	want(t, "snapshot", hub.Adopt(full(10, "A-B=10", "C-D=9", "E-F=9"), 1), nil)
	wantNext(t, &c, full(12, "A-B=10", "C-D=12", "E-F=9"))
	if !hub.CanResume(12) {
		t.Error("who has had everything cannot resume")
	}
	want(t, "tick 13", hub.Tick(tick(13, "A-B=13"), 1), nil)
	wantNext(t, &c, tick(13, "A-B=13"))
	if term, seq, lag := hub.Newest(); term != 1 || seq != 13 || lag < time.Hour {
		t.Errorf("newest: term %d, seq %d, lag %v", term, seq, lag)
	}
}

// Where nobody knows what was missed, it goes on with what is known.
func TestGapIsGivenUp(t *testing.T) {
	hub := fanout.NewHub(nil)
	c := fanout.NewCursor(hub)
	c.Subscribe(everything)
	want(t, "tick 1", hub.Tick(tick(1, "A-B=1", "C-D=1"), 1), nil)
	hub.GoOn() // nothing is missing
	wantNext(t, &c, tick(1, "A-B=1", "C-D=1"))
	want(t, "tick 3", hub.Tick(tick(3, "A-B=3"), 1), fanout.ErrMissed)
	want(t, "tick 5", hub.Tick(tick(5, "A-B=5"), 2), fanout.ErrMissed)
	hub.GoOn()
	wantNext(t, &c, full(5, "A-B=5", "C-D=1"))
	if hub.CanResume(1) || hub.CanResume(3) || !hub.CanResume(5) {
		t.Error("one can resume over a gap")
	}
	// An answer that comes late says what was missed.
	want(t, "tick 6", hub.Tick(tick(6, "A-B=6"), 2), nil)
	want(t, "snapshot", hub.Adopt(full(6, "A-B=6", "C-D=2"), 2), nil)
	wantNext(t, &c, tick(6, "A-B=6"), full(6, "A-B=6", "C-D=2"))
	// One that says nothing new costs nobody anything.
	want(t, "snapshot", hub.Adopt(full(6, "C-D=2", "A-B=6"), 2), nil)
	wantNext(t, &c)

	// Nor is there room without end.
	wide := make([]string, 5000)
	for i := range wide {
		wide[i] = fmt.Sprintf("S%d-USD=1", i)
	}
	var err error
	seq := uint64(8)
	for ; seq < 1000; seq++ {
		if err = hub.Tick(tick(seq, wide...), 2); err == nil {
			break
		}
	}
	if m := parse(t, c.Snapshot()); err != nil || m[0].Seq != seq || len(m[0].Data) != 5002 {
		t.Errorf("up to %d: %v, %d prices of %d", seq, err, len(m[0].Data), m[0].Seq)
	}
}

// Who lives says which tick was the last, and which terms are over.
func TestAlive(t *testing.T) {
	hub := fanout.NewHub(nil)
	c := fanout.NewCursor(hub)
	c.Subscribe(everything)
	want(t, "before the first tick", hub.Alive(3, 0), nil)
	want(t, "tick 1", hub.Tick(tick(1, "A-B=1"), 3), nil)
	want(t, "alive", hub.Alive(3, 1), nil)
	want(t, "after a tick that did not come", hub.Alive(3, 2), fanout.ErrMissed)
	want(t, "alive in a term that is over", hub.Alive(2, 9), fanout.ErrOldTerm)
	want(t, "alive in a newer term", hub.Alive(4, 1), nil)
	want(t, "tick of the term before", hub.Tick(tick(2, "A-B=2"), 3), fanout.ErrOldTerm)
	want(t, "snapshot of the term before", hub.Adopt(full(2, "A-B=2"), 3), fanout.ErrOldTerm)
	want(t, "snapshot", hub.Adopt(full(2, "A-B=4"), 4), nil)
	wantNext(t, &c, tick(1, "A-B=1"), full(2, "A-B=4"))
	want(t, "rubbish", hub.Adopt([]byte("rubbish"), 4), ticker.ErrTick)
}

// A stream with an interval goes on with a snapshot when that ends, and not before.
func TestGapAndInterval(t *testing.T) {
	for _, encoding := range encodings {
		synctest.Test(t, func(t *testing.T) {
			hub := fanout.NewHub(nil)
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = hub.Run(ctx) })
			v := everything
			v.Interval, v.Encoding = 100*time.Millisecond, encoding
			c := fanout.NewCursor(hub)
			c.Subscribe(v)
			want(t, "tick 1", hub.Tick(tick(1, "A-B=1", "C-D=1"), 1), nil)
			want(t, "tick 3", hub.Tick(tick(3, "A-B=3"), 1), fanout.ErrMissed)
			want(t, "snapshot", hub.Adopt(full(3, "A-B=3", "C-D=2"), 1), nil)
			want(t, "tick 4", hub.Tick(tick(4, "A-B=4"), 1), nil)
			if _, count, _ := c.Next(1 << 20); count > 0 {
				t.Error("it comes too soon")
			}
			for i, snapshot := range []bool{true, false} {
				time.Sleep(time.Second)
				synctest.Wait()
				frames, count, _ := c.Next(1 << 20)
				c.Advance(len(frames))
				if m := parse(t, frames); count != 1 || m[0].Snapshot != snapshot || m[0].Seq != uint64(4+i) || len(m[0].Data) != 2-i {
					t.Errorf("got %+v", m)
				}
				want(t, "tick 5", hub.Tick(tick(5, "A-B=5"), 1), [...]error{nil, fanout.ErrOldSeq}[i])
			}
			c.Close()
			cancel()
			running.Wait()
		})
	}
}

// What the publisher says of its sources is told where it is news.
func TestStates(t *testing.T) {
	hub := fanout.NewHub(nil)
	c := fanout.NewCursor(hub)
	c.Subscribe(everything)
	const down = `{"type":"status","source":"kraken","state":"down","symbols":["A-B","C-D"]}`
	const live = `{"type":"status","source":"coinbase","state":"live","symbols":["A-B"]}`
	for range 2 {
		want(t, "states", hub.States([]byte("["+live+","+down+"]")), nil)
	}
	want(t, "states", hub.States([]byte(`[{"type":"status","source":"kraken","state":"live","symbols":["A-B"]},{"type":"status","source":"kraken","state":"down","symbols":["C-D"]}]`)), nil)
	wantNext(t, &c, []byte(down), []byte(`{"type":"status","source":"kraken","state":"live","symbols":["A-B"]}`))
	for _, bad := range []string{"", "{}", "[{}]", `[` + down + `,{"type":"status"}]`, "[{\"type\":\"status\",\"source\":\"\xff\"}]"} {
		want(t, bad, hub.States([]byte(bad)), fanout.ErrStatus)
	}
	wantNext(t, &c)
}

// FuzzAdopt holds that no answer of a publisher, whatever it is, takes back what was
// told, or keeps what comes next from being told.
func FuzzAdopt(f *testing.F) {
	for _, msg := range [][]byte{
		full(2, "A-B=2"), full(1, "A-B=1"), full(9), tick(3, "A-B=2", "C-D=3"), []byte(`{"type":"ticker","seq":18446744073709551615,"ts":0,"data":[]}`),
		[]byte(`[{"type":"status","source":"x","state":"down","symbols":["A-B"]}]`), nil,
	} {
		f.Add(msg, uint64(1))
	}
	f.Fuzz(func(t *testing.T, msg []byte, term uint64) {
		hub := fanout.NewHub(nil)
		c := fanout.NewCursor(hub)
		c.Subscribe(everything)
		want(t, "tick 1", hub.Tick(tick(1, "A-B=1"), 1), nil)
		want(t, "tick 3", hub.Tick(tick(3, "A-B=3"), 1), fanout.ErrMissed)
		_, _ = hub.Adopt(msg, term), hub.States(msg) // whatever they say
		hub.GoOn()
		_, seq, _ := hub.Newest()
		frames, _, kept := c.Next(1 << 20)
		last := uint64(0)
		for _, m := range parse(t, frames) {
			if m.Type == "ticker" && (m.Seq < last || !m.Snapshot && m.Seq != last+1) {
				t.Errorf("%d after %d", m.Seq, last)
			}
			last = max(last, m.Seq)
		}
		if !kept || seq < 3 || last != seq {
			t.Errorf("at %d: told up to %d", seq, last)
		}
	})
}
