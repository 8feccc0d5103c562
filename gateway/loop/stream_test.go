package loop_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
	"tickerd/gateway/loop"
	"tickerd/ticker"
)

// everything is the view of who sees all.
var everything = fanout.View{Key: "*", Sees: func(ticker.Symbol) bool { return true }}

// A follower is a connection that follows a stream, and is sent answers between its
// frames, as the gateway's are. What the socket does not take of the stream it gives
// back, but for the frame that was begun. Its fields are owned by the driver.
type follower struct {
	alone
	link    loop.Link
	random  *rand.Rand
	cursor  fanout.Cursor
	answers [][]byte
	rest    []byte // what is being written
	fromLog bool   // and it is the stream's
	skips   int
	partial int // writes that the socket did not take whole
}

func (f *follower) Next(time.Time) []byte {
	defer f.enter("Next")()
	if len(f.rest) > 0 {
		return f.rest
	}
	if f.fromLog = len(f.answers) == 0; !f.fromLog {
		f.rest, f.answers = f.answers[0], f.answers[1:]
		return f.rest
	}
	frames, _, kept := f.cursor.Next(1 + f.random.IntN(64<<10))
	if kept {
		f.cursor.Advance(len(frames))
		f.rest = frames
		return f.rest
	}
	f.skips++
	f.rest, f.fromLog = f.cursor.Snapshot(), false
	return f.rest
}

func (f *follower) Wrote(_ time.Time, n int) {
	defer f.enter("Wrote")()
	if n == len(f.rest) {
		f.rest = nil
		return
	}
	f.partial++
	if !f.fromLog {
		f.rest = f.rest[n:]
		return
	}
	begun := 0
	for begun < n {
		size, _ := frame.Len(f.rest[begun:])
		begun += size
	}
	f.cursor.Advance(begun - len(f.rest))
	f.rest, f.fromLog = f.rest[n:begun], false
}

func (f *follower) Receive(time.Time, []byte) { f.t.Error("received what nobody sent") }

func (f *follower) Lost(_ time.Time, err error) { f.t.Errorf("lost: %v", err) }

func (f *follower) Stream() *fanout.Stream {
	defer f.enter("Stream")()
	return f.cursor.Stream()
}

func (f *follower) Full() bool {
	defer f.enter("Full")()
	return false
}

func (f *follower) Tend(time.Time) time.Time {
	defer f.enter("Tend")()
	return time.Time{}
}

// A reader is a follower's client, and what it has been promised.
type reader struct {
	t         *testing.T
	sock      net.Conn
	follower  *follower
	unparsed  []byte
	seq       uint64 // of the last tick or snapshot that came
	answered  int    // how many answers came
	asked     int    // of so many
	snapshots int
}

// read reads a little, and checks what has come whole.
func (r *reader) read(most int, ticks [][]byte) {
	r.t.Helper()
	piece := make([]byte, most)
	n, err := r.sock.Read(piece)
	if err != nil {
		r.t.Fatalf("seq %d of %d, answer %d of %d: %v", r.seq, len(ticks), r.answered, r.asked, err)
	}
	r.unparsed = append(r.unparsed, piece[:n]...)
	for {
		size, ok := frame.Len(r.unparsed)
		if !ok || size > len(r.unparsed) {
			return
		}
		r.take(r.unparsed[:size], ticks)
		r.unparsed = r.unparsed[size:]
	}
}

// take checks that a frame is the next answer, the next tick or a snapshot. The
// tick with seq n is ticks[n-1].
func (r *reader) take(f []byte, ticks [][]byte) {
	r.t.Helper()
	var seq, ts uint64
	switch {
	case string(f) == string(answer(r.answered)):
		r.answered++
	case r.seq < uint64(len(ticks)) && string(f) == string(ticks[r.seq]):
		r.seq++
	default:
		payload := string(f[strings.IndexByte(string(f), '{'):])
		_, err := fmt.Sscanf(payload, `{"type":"ticker","snapshot":true,"seq":%d,"ts":%d,"data":[`, &seq, &ts)
		if err != nil || f[0] != 0x80|byte(ws.OpText) || !strings.HasSuffix(payload, "}]}") || seq < r.seq {
			r.t.Fatalf("after seq %d and answer %d: %.100q", r.seq, r.answered, f)
		}
		r.seq = seq
		r.snapshots++
	}
}

// answer is the frame that answers a question.
func answer(i int) []byte {
	return frame.AppendText(nil, fmt.Appendf(nil, `{"answer":%d,"text":%q}`, i, strings.Repeat("a", i*37%3000)))
}

// follow gives the pool a follower whose client has a small socket buffer; the
// server's begins small.
func follow(t *testing.T, pool *loop.Pool, hub *fanout.Hub, random *rand.Rand) *reader {
	t.Helper()
	client, server := connect(t)
	if err := client.SetReadBuffer(128 << 10); err != nil {
		t.Fatal(err)
	}
	f := &follower{alone: alone{t: t}, random: random, cursor: fanout.NewCursor(hub)}
	opened := make(chan struct{})
	pool.Add(server, func(link loop.Link) loop.Conn {
		defer f.enter("open")()
		f.link, f.rest = link, f.cursor.Subscribe(everything)
		close(opened)
		return f
	})
	wait(t, "open", opened)
	return &reader{t: t, sock: client, follower: f}
}

// TestFramesAreWhole holds that clients which read in small pieces, and at times not
// at all, get whole frames in order: every answer, and every tick that no snapshot
// stands for.
func TestFramesAreWhole(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	pool := newPool(t)
	hub := fanout.NewHub(pool.Changed)
	var ticks [][]byte // as frames
	publish := func() {
		tick := ticker.Tick{Seq: uint64(len(ticks) + 1), TS: 1}
		for i := range 1 + random.IntN(20) {
			tick.Data = append(tick.Data, ticker.Price{Symbol: ticker.Symbol(fmt.Sprintf("S%d-B", i)), Price: "1"})
		}
		msg := tick.AppendJSON(nil)
		ticks = append(ticks, frame.AppendText(nil, msg))
		if err := hub.Tick(msg, 0); err != nil {
			t.Fatal(err)
		}
	}
	publish()
	readers := make([]*reader, 4)
	for i := range readers {
		readers[i] = follow(t, pool, hub, rand.New(rand.NewPCG(seed, uint64(i+1))))
	}
	behind := func(r *reader) bool { return r.seq < uint64(len(ticks)) || r.answered < r.asked }
	for range 4000 {
		r := readers[random.IntN(len(readers))]
		switch random.IntN(8) {
		case 0:
			for range random.IntN(50) {
				publish()
			}
		case 1:
			for range random.IntN(8) {
				b, f := answer(r.asked), r.follower
				r.asked++
				f.link.Post(func(time.Time) {
					defer f.enter("posted function")()
					f.answers = append(f.answers, b)
				})
			}
		default:
			for left := random.IntN(40); left > 0 && behind(r); left-- {
				r.read(1+random.IntN(700), ticks)
			}
		}
	}
	partial := 0
	for i, r := range readers {
		for behind(r) {
			r.read(1+random.IntN(4000), ticks)
		}
		if len(r.unparsed) > 0 {
			t.Errorf("client %d got %d bytes too many", i, len(r.unparsed))
		}
		done := make(chan struct{})
		r.follower.link.Post(func(time.Time) {
			partial += r.follower.partial
			if r.snapshots != r.follower.skips+1 {
				t.Errorf("client %d got %d snapshots, %d were sent", i, r.snapshots, r.follower.skips+1)
			}
			r.follower.cursor.Close()
			r.follower.link.Close()
			close(done)
		})
		wait(t, "Post", done)
	}
	if partial == 0 {
		t.Error("no socket was ever full")
	}
	t.Logf("%d ticks, %d partial writes", len(ticks), partial)
}
