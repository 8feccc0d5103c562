package bench

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// newTestCrowd is a crowd of so many open connections, without a carrier.
func newTestCrowd(conns, threads int) crowd {
	c := Config{URL: &url.URL{Scheme: "http", Host: "localhost"}, Conns: conns, Threads: threads, Duration: time.Second}.withDefaults()
	list := newCrowd(c, nil)
	for _, s := range list {
		for i := range s.clients {
			s.beginning(&s.clients[i], 0)
			s.opening(&s.clients[i], false, 50)
		}
	}
	return list
}

// hear lets a client receive messages at a time.
func (s *shard) hearAt(i int, now int64, messages ...string) outcome {
	var b []byte
	for _, m := range messages {
		b = append(b, frames(ws.NewTextFrame([]byte(m)))...)
	}
	return s.receive(&s.clients[i], b, len(b), now)
}

func tickAt(seq uint64, ts int64) string     { return fmt.Sprintf(tickText, seq, ts) }
func snapshotAt(seq uint64, ts int64) string { return fmt.Sprintf(snapshotText, seq, ts) }

// Three connections in two shards: one gets everything, one misses two ticks that a
// snapshot stands for, one falls silent.
func TestAccount(t *testing.T) {
	list := newTestCrowd(3, 2)
	m := &measurement{config: list[0].config, crowd: list, began: time.UnixMicro(0)}
	a, b, c := func(ms ...string) { list[0].hearAt(0, 1000, ms...) },
		func(ms ...string) { list[1].hearAt(0, 3000, ms...) },
		func(ms ...string) { list[0].hearAt(1, 5000, ms...) }
	for _, hear := range []func(...string){a, b, c} {
		hear(welcomeText, snapshotAt(10, 900), tickAt(11, 900))
	}
	if sum := list.counts(); sum.open != 3 || sum.ungreeted != 0 || sum.messages != 0 || sum.skips != 0 {
		t.Fatalf("before the window: %+v", sum)
	}
	a(tickAt(12, 900)) // the others are a tick behind: the window is the same for all

	list.open()
	m.opened = time.UnixMicro(0)
	b(tickAt(12, 900))
	c(tickAt(12, 900))
	a(tickAt(13, 900), tickAt(14, 900), tickAt(15, 900), tickAt(16, 900))
	b(tickAt(13, 900), snapshotAt(15, 900), tickAt(16, 900))
	c(tickAt(13, 900))
	a(tickAt(16, 900)) // again: out of order

	m.window, m.closed = list.close(), time.UnixMicro(2_000_000)
	if list.served(m.window.last) {
		t.Error("c has been served")
	}
	a(tickAt(17, 900)) // too late for the window
	c(tickAt(14, 900)) // late, but of the window

	r := m.report(false)
	k := r.Ticks
	if k.Published != 4 || k.Received != 4+2+2 || k.Missing == nil || *k.Missing != 0+2+2 || k.Skips != 1 || k.Disordered != 1 {
		t.Errorf("ticks %+v", *k)
	}
	if k.PerConn != (Fairness{2, 2, 4}) || k.WorstShare == nil || *k.WorstShare != 0.5 {
		t.Errorf("fairness %+v, %v", k.PerConn, *k.WorstShare)
	}
	if r.Received.Messages != 1+1+4+3+1+1 || r.Received.MessagesPerSecond != 5.5 || r.Received.Frames != 11 {
		t.Errorf("received %+v", r.Received)
	}
	if d := r.DelayUS; d.P50 != 100 || d.P90 < 4090 || d.Max < 4090 || d.Max > 4110 {
		t.Errorf("delay %+v", *d)
	}
	if r.WindowS != 2 || r.Handshakes.Opened != 3 || r.Handshakes.TookUS.Max != 50 {
		t.Errorf("got %+v", r)
	}
}

// With an interval each connection has numbers of its own: none is missing.
func TestAccountWithInterval(t *testing.T) {
	list := newTestCrowd(2, 1)
	list[0].config.Interval = time.Second
	list.open()
	list[0].hearAt(0, 0, snapshotAt(10, 0), tickAt(20, 0), tickAt(30, 0))
	list[0].hearAt(1, 0, snapshotAt(12, 0), tickAt(25, 0))
	m := &measurement{config: list[0].config, crowd: list, window: list.close(), opened: time.UnixMicro(1)}
	if k := m.report(false).Ticks; k.Missing != nil || k.WorstShare != nil || k.Received != 3 || k.PerConn != (Fairness{1, 1, 2}) {
		t.Errorf("got %+v", *k)
	}
}

// The ticks of other symbols leave gaps that nobody has missed, and the first snapshot
// stands for nothing that was missed.
func TestAccountOfSymbols(t *testing.T) {
	list := newTestCrowd(2, 1)
	s := list[0]
	s.hearAt(0, 0, snapshotAt(10, 0), tickAt(15, 0))
	list.open()
	s.hearAt(0, 0, tickAt(20, 0), tickAt(25, 0))
	s.hearAt(1, 0, snapshotAt(20, 0), tickAt(25, 0))
	m := &measurement{config: s.config, crowd: list, window: list.close(), opened: time.UnixMicro(1)}
	if k := m.report(false).Ticks; k.Published != 2 || k.Received != 3 || *k.Missing != 1 || k.Skips != 0 {
		t.Errorf("got %+v, %d missing", *k, *k.Missing)
	}
}

func TestAccountOfEnds(t *testing.T) {
	list := newTestCrowd(4, 1)
	s := list[0]
	for i, code := range map[int]int{0: 4001, 1: 1005, 2: 1002} {
		body := map[int][]byte{4001: ws.NewCloseFrameBody(4001, "token expired"), 1005: nil}[code]
		input := frames(ws.NewPingFrame([]byte("x")), ws.NewCloseFrame(body))
		if code == 1002 {
			input = []byte{0x70, 0}
		}
		o := s.receive(&s.clients[i], input, len(input), 0)
		if o.end != code || code == 4001 && len(o.reply) != 6+1+6+2 {
			t.Errorf("%d: got %+v", code, o)
		}
		s.ending(&s.clients[i], o.end)
		s.ending(&s.clients[i], o.end) // it ends once
	}
	s.failing(Failure{429, "too many connections"}) // no matter whose
	if s.tally.open != 1 || s.tally.ungreeted != 1 || s.tally.closes[4001] != 1 || s.tally.closes[1005] != 1 || s.tally.closes[1002] != 1 {
		t.Errorf("got %+v", s.tally)
	}
}

func TestShares(t *testing.T) {
	for _, c := range []Config{{Conns: 7, Slow: 4, Threads: 3}, {Conns: 1, Threads: 8}, {Conns: 10, Connecting: 2, Threads: 4}} {
		c.URL = &url.URL{Host: "localhost"}
		c = c.withDefaults()
		conns, slow, inFlight, serials := 0, 0, 0, map[int]bool{}
		for _, s := range newCrowd(c, nil) {
			inFlight += s.inFlight
			if s.inFlight == 0 {
				t.Errorf("%+v: a shard may begin nothing", c)
			}
			for i, k := range s.clients {
				serials[s.serial(i)] = true
				if k.slow {
					slow++
				} else {
					conns++
				}
			}
		}
		if conns != c.Conns || slow != c.Slow || inFlight != c.Connecting || len(serials) != conns+slow {
			t.Errorf("%+v: %d, %d, %d, %d", c, conns, slow, inFlight, len(serials))
		}
	}
}

func TestLimiter(t *testing.T) {
	l := newLimiter(100)
	now := time.Unix(0, 0)
	allowed := 0
	for range 1000 { // a second
		now = now.Add(time.Millisecond)
		if l.allow(now) {
			allowed++
		}
	}
	if allowed < 99 || allowed > 101 {
		t.Errorf("%d in a second", allowed)
	}
	now = now.Add(time.Hour) // what was not used is mostly lost
	for allowed = 0; l.allow(now); allowed++ {
	}
	if allowed > 11 {
		t.Errorf("%d at once", allowed)
	}
	free := newLimiter(0)
	for range 1000 {
		if !free.allow(now) {
			t.Error("no limit is a limit")
		}
	}
}
