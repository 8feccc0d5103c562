package bench

import (
	"math"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// A shard is the clients of one thread, and what they have received. Its carrier
// opens them and hands over what arrives; only the run stops several shards at once,
// all in the same order.
type shard struct {
	config   Config
	target   *target
	number   int // of the shard, from 0
	limiter  *limiter
	inFlight int // handshakes that may be under way

	mu sync.Mutex

	// Owned by the holder of mu.
	clients  []client // the slow ones come last
	highest  uint64   // seq
	window   window
	counting bool // bytes, frames, messages and joins
	tally    *tally
	ledger   ledger
	inflater *inflater
	reply    []byte // of the last received
}

// A window is the ticks after one seq up to another.
type window struct{ after, last uint64 }

// noTicks is a window with no tick in it.
var noTicks = window{math.MaxUint64, math.MaxUint64}

// newShard is shard i of as many as there are threads.
func newShard(c Config, to *target, i int) *shard {
	s := &shard{
		config:   c,
		target:   to,
		number:   i,
		limiter:  newLimiter(c.Rate / float64(c.Threads)),
		inFlight: share(c.Connecting, i, c.Threads),
		window:   noTicks,
		tally:    newTally(),
	}
	slow := share(c.Slow, c.Threads-1-i, c.Threads) // so that both together are even
	s.clients = make([]client, share(c.Conns, i, c.Threads)+slow)
	for i := len(s.clients) - slow; i < len(s.clients); i++ {
		s.clients[i].slow = true
	}
	if c.Deflate {
		s.inflater = newInflater()
	}
	return s
}

// serial is a number for client i that no client of another shard has.
func (s *shard) serial(i int) int { return i*s.config.Threads + s.number }

// All that follows is for the holder of mu.

// open begins the window.
func (s *shard) open(w window) {
	s.window, s.counting = w, true
	s.tally.restart()
	for i := range s.clients {
		c := &s.clients[i]
		c.member, c.ticks = c.opened && !c.slow, 0
	}
}

// may reports whether another handshake may begin now, and then counts it as begun.
func (s *shard) may(now time.Time) bool {
	return s.tally.pending < s.inFlight && s.limiter.allow(now)
}

// beginning is told that the client's connecting begins.
func (s *shard) beginning(c *client, now int64) {
	*c = client{began: now, slow: c.slow, ticks: c.ticks}
	s.tally.attempts++
	s.tally.pending++
}

// opening is told that the client's handshake has succeeded.
func (s *shard) opening(c *client, deflate bool, now int64) {
	c.opened, c.deflate = true, deflate
	s.tally.pending--
	s.tally.opened++
	record(s.tally.handshake, now-c.began)
	s.tally.latest = now
	if deflate {
		s.tally.deflated++
	}
	if c.slow {
		s.tally.slow++
	} else {
		s.tally.open++
		s.tally.ungreeted++
	}
}

// failing is told that the client's handshake has not succeeded.
func (s *shard) failing(why Failure) {
	s.tally.pending--
	s.tally.failures[why]++
}

// giveUp is told that the client has waited too long for its first snapshot: what it
// took for a handshake was of no use. It leaves.
func (s *shard) giveUp(c *client) {
	s.leaving(c)
	s.tally.opened--
	s.tally.failures[noSnapshot]++
}

// leaving is told that the client closes its connection itself.
func (s *shard) leaving(c *client) {
	if c.opened && !c.slow {
		s.tally.open--
		if !c.greeted {
			s.tally.ungreeted--
		}
	}
	c.opened = false
}

// ending is told that the server has ended the client's connection, with a code of
// RFC 6455.
func (s *shard) ending(c *client, code int) {
	if !c.opened {
		return // it has been told already, or the client left
	}
	s.leaving(c)
	if c.slow {
		s.tally.slowEnded++
		return
	}
	s.tally.closes[code]++
}

// An outcome is what comes of what was received.
type outcome struct {
	taken int    // bytes; the rest, at most maxRest, is to be given again, before what comes next
	reply []byte // to be sent, valid until the next call
	end   int    // the code that the server has closed with, or has to be closed with; 0: it goes on
	done  bool   // the client has had all that it is to have
}

// receive takes what a client has received, the rest of the last time first; fresh
// bytes of it are new. It is now, in unix microseconds.
func (s *shard) receive(c *client, b []byte, fresh int, now int64) (o outcome) {
	if s.counting {
		s.tally.bytes += uint64(fresh)
	}
	s.reply = s.reply[:0]
	for {
		e, payload, n, err := c.next(b[o.taken:], c.deflate)
		o.taken += n
		if err != nil {
			o.end = int(ws.StatusProtocolError)
			return o
		}
		if e == needMore {
			o.reply = s.reply
			return o
		}
		if s.counting {
			s.tally.frames++
		}
		switch e {
		case gotDeflate:
			c.stamp = s.inflater.read(payload)
			s.message(c, now, &o)
		case gotMessage:
			s.message(c, now, &o)
		case gotPing:
			s.reply = appendFrame(s.reply, ws.OpPong, payload)
		case gotClose:
			o.reply = appendFrame(s.reply, ws.OpClose, payload[:min(len(payload), 2)])
			o.end = closeCode(payload)
			return o
		}
	}
}

// closeCode is the code of a close frame's payload.
func closeCode(payload []byte) int {
	code, _ := ws.ParseCloseFrameData(payload)
	if code == 0 {
		return int(ws.StatusNoStatusRcvd)
	}
	return int(code)
}

// message counts the message that the client's stamp is of.
func (s *shard) message(c *client, now int64, o *outcome) {
	if s.counting {
		s.tally.messages++
	}
	switch c.kind {
	case tick:
		s.tick(c, now)
	case snapshot:
		if c.greeted && s.window.has(c.seq) {
			s.tally.skips++
		}
	default:
		return
	}
	if !c.greeted {
		c.greeted = true
		s.tally.ungreeted--
		if s.counting {
			s.tally.joins++
			record(s.tally.join, now-c.began)
		}
		o.done = s.config.Churn
	}
	c.last = max(c.last, c.seq)
	s.highest = max(s.highest, c.seq)
}

// tick counts a tick.
func (s *shard) tick(c *client, now int64) {
	switch {
	case c.seq <= c.last && s.window.has(c.seq):
		s.tally.disordered++
	case c.seq <= c.last || c.seq <= s.window.after:
	default:
		before := c.last
		if !c.greeted {
			before = c.seq - 1 // it knows of nothing earlier
		}
		s.ledger.mark(c.seq, before) // after the window, too: it tells of what was within
		if c.seq > s.window.last {
			return
		}
		c.ticks++
		s.tally.ticks++
		record(s.tally.delay, now-c.ts)
	}
}

func (w window) has(seq uint64) bool { return w.after < seq && seq <= w.last }
