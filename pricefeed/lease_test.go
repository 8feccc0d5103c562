package pricefeed

import (
	"context"
	"encoding/json"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/ticker"
)

// peers are the other nodes, as a test has them.
type peers struct {
	cut    atomic.Bool
	yields atomic.Int64
}

func (p *peers) InTouch() bool { return !p.cut.Load() }

func (p *peers) Yield(stream string) {
	if stream == bus.LeaseStream {
		p.yields.Add(1)
	}
}

// A node is one of several that could publish.
type node struct {
	*Feed
	peers *peers
	conn  *bus.Conn
	stop  func()
}

// startNode starts the feed of a node that simulates prices.
func startNode(t *testing.T, s *bus.Server, name string, seed int64) node {
	t.Helper()
	cfg := simulated()
	cfg.Seed = seed
	return startNodeAs(t, s, name, cfg)
}

func startNodeAs(t *testing.T, s *bus.Server, name string, cfg Config) node {
	t.Helper()
	n := node{peers: &peers{}, conn: bustest.Connect(t, s, name)}
	var err error
	n.Feed, err = New(cfg, Parts{Bus: n.conn, Node: name, Peers: n.peers, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	n.stop = start(t, n.Feed)
	return n
}

// A sent is a tick, and who has published it.
type sent struct {
	ticker.Tick
	node string
	term uint64
}

func (w *wire) sent() sent {
	w.t.Helper()
	m := w.next()
	term, err := strconv.ParseUint(m.Header.Get(bus.HeaderTerm), 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return sent{parseTick(w.t, m.Data), m.Header.Get(bus.HeaderNode), term}
}

// until passes over the ticks before the first of a node, and gives that one and the one
// before it, which is last at first. In no newer term comes a tick of an older one, nor a seq that does not
// grow, and no price jumps.
func (w *wire) until(node string, last sent) (before, first sent) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		got := w.sent()
		if last.term != 0 {
			w.follows(last, got)
		}
		if got.node == node {
			return last, got
		}
		last = got
		if time.Now().After(deadline) {
			w.t.Fatalf("%s has published nothing within %v", node, patience)
		}
	}
}

func (w *wire) follows(last, got sent) {
	w.t.Helper()
	if got.term < last.term || got.Seq <= last.Seq || got.node != last.node && got.term == last.term {
		w.t.Errorf("tick %d of %s in term %d after %d of %s in term %d", got.Seq, got.node, got.term, last.Seq, last.node, last.term)
	}
	for _, p := range got.Data {
		i := slices.IndexFunc(last.Data, func(q ticker.Price) bool { return q.Symbol == p.Symbol })
		before, _, _ := last.Data[i].Price.Units()
		now, _, _ := p.Price.Units()
		if moved := max(now-before, before-now); moved*1000 > before {
			w.t.Errorf("tick %d: %s moves from %s to %s", got.Seq, p.Symbol, last.Data[i].Price, p.Price)
		}
	}
}

// Of two nodes one publishes. When it is gone the other one does, within three seconds
// but for a machine that is busy, and goes on from its prices.
func TestTakeover(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices)
	one := startNode(t, s, "one", 1)
	_, last := w.until("one", sent{})
	two := startNode(t, s, "two", 2)
	for range 30 {
		if last = w.sent(); last.node != "one" {
			t.Fatalf("%s publishes beside one", last.node)
		}
	}
	if _, yes := two.Publishes(); yes || two.Ready() != nil {
		t.Errorf("the second node publishes: %v; ready: %v", yes, two.Ready())
	}
	one.conn.Close() // as by a crash: nothing is released
	last, first := w.until("two", last)
	if term, yes := two.Publishes(); !yes || term != first.term || first.term <= last.term {
		t.Errorf("term %d (%v), the tick says %d after %d", term, yes, first.term, last.term)
	}
	if len(first.Data) != 3 {
		t.Errorf("the first tick has %d symbols", len(first.Data))
	}
	one.stop()
}

// Between the slowest ticks that there may be, who publishes has not stood still, and
// the other node knows that it is there.
func TestSlowestTicks(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices)
	slow := simulated()
	slow.Interval = maxInterval
	startNodeAs(t, s, "one", slow)
	_, last := w.until("one", sent{})
	startNodeAs(t, s, "two", slow)
	for range 5 {
		got := w.sent()
		if got.node != "one" || got.term != last.term {
			t.Fatalf("%s publishes in term %d, after one in term %d", got.node, got.term, last.term)
		}
	}
}

// A node that is going to end has another one publish: no number is skipped. Where
// there is none it goes on.
func TestRetire(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices)
	one := startNode(t, s, "one", 1)
	_, last := w.until("one", sent{})
	two := startNode(t, s, "two", 2)
	_, last = w.until("one", last)
	one.Retire()
	last, first := w.until("two", last)
	if first.Seq != last.Seq+1 {
		t.Errorf("tick %d after %d", first.Seq, last.Seq)
	}
	two.stop()
	last, first = w.until("one", first)
	if first.Seq != last.Seq+1 {
		t.Errorf("tick %d after %d, when no other is left", first.Seq, last.Seq)
	}
}

// A node that is cut off publishes no more, and leaves it at that when it is back.
func TestCutOff(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices)
	one := startNode(t, s, "one", 1)
	_, last := w.until("one", sent{})
	two := startNode(t, s, "two", 2)
	_, last = w.until("one", last)
	one.peers.cut.Store(true)
	w.until("two", last)
	one.peers.cut.Store(false)
	for range 200 {
		if got := w.sent(); got.node != "two" {
			t.Fatalf("%s publishes", got.node)
		}
	}
	if one.peers.yields.Load()+two.peers.yields.Load() == 0 {
		t.Error("nobody has given up the leadership of the stream")
	}
}

// Who hears that another one publishes in a newer term stops at once.
func TestOverruled(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices)
	one := startNode(t, s, "one", 1)
	_, first := w.until("one", sent{})
	lease, err := one.bus.AcquireLease(t.Context(), "two")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.conn.PublishJSON(bus.PublisherAlive, bus.Alive{Node: "two", Term: lease.Term()}); err != nil {
		t.Fatal(err)
	}
	// Then two is silent, and one takes over from it.
	last := first
	for last.term == first.term {
		last = w.sent()
	}
	if last.term <= lease.Term() || last.node != "one" {
		t.Errorf("%s in term %d after %d", last.node, last.term, lease.Term())
	}
}

// A publisher that has stood still does not believe that it still is one.
func TestStandstill(t *testing.T) {
	s := bustest.New(t)
	f, err := New(simulated(), Parts{Bus: bustest.Connect(t, s, "one"), Node: "one", Peers: &peers{}, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := f.bus.AcquireLease(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.hold(lease); err != nil {
		t.Fatal(err)
	}
	f.doubt()
	if _, yes := f.Publishes(); yes || len(f.doubts) != 1 {
		t.Errorf("publishes: %v", yes)
	}
	w := listen(t, s, bus.Prices)
	f.turn(time.Now())
	if w.flush(); len(w.msgs) != 0 {
		t.Error("and publishes all the same")
	}
}

// A node that published, and has not listened meanwhile, does not take that for silence: it
// may have been cut off, and another node publish since.
func TestNotListened(t *testing.T) {
	s := bustest.New(t)
	f, err := New(simulated(), Parts{Bus: bustest.Connect(t, s, "one"), Node: "one", Peers: &peers{}, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	leases, err := f.bus.OpenLeases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other, err := f.bus.AcquireLease(t.Context(), "two")
	if err != nil {
		t.Fatal(err)
	}
	f.heard.at = time.Now().Add(-time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	taken := make(chan *bus.Lease, 1)
	go func() { taken <- f.await(ctx, leases) }()
	beat := time.NewTicker(leasePoll)
	defer beat.Stop()
	for range 20 {
		<-beat.C
		f.heard.hear(other.Term())
	}
	cancel()
	if lease := <-taken; lease != nil {
		t.Errorf("it takes the lease in term %d, though another publishes", lease.Term())
	}
}

// What was doubted of one lease is not held against the next.
func TestDoubtOfBefore(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices)
	one := startNode(t, s, "one", 1)
	_, last := w.until("one", sent{})
	one.peers.cut.Store(true)
	for _, yes := one.Publishes(); yes; _, yes = one.Publishes() {
		runtime.Gosched()
	}
	one.doubts <- struct{}{} // as it was about to be overruled, or cut off
	one.peers.cut.Store(false)
	first := last
	for first.term == last.term {
		first = w.sent()
	}
	if first.term != last.term+1 {
		t.Errorf("term %d after %d: the lease was given up in between", first.term, last.term)
	}
}

// A tick that is taken in late does not take back that its publisher has stopped.
func TestReleasedBeforeItsLastTick(t *testing.T) {
	h := newHeard("two", func(ticker.Tick) {})
	released, err := json.Marshal(bus.Alive{Node: "one", Term: 7})
	if err != nil {
		t.Fatal(err)
	}
	h.stopped(&bus.Msg{Data: released})
	tick := &bus.Msg{Header: map[string][]string{bus.HeaderNode: {"one"}, bus.HeaderTerm: {"7"}}, Data: []byte(`{"type":"ticker","seq":9,"ts":9,"data":[{"symbol":"BTC-USD","price":1,"timestamp":1}]}`)}
	h.tick(tick)
	if _, released := h.silence(); !released {
		t.Error("it is taken for alive")
	}
	if prices, ts := h.last(); len(prices) != 1 || ts != 9 {
		t.Errorf("its last tick is not taken in: %v, %d", prices, ts)
	}
	tick.Header[bus.HeaderTerm] = []string{"8"}
	h.tick(tick)
	if _, released := h.silence(); released {
		t.Error("the next is not heard")
	}
}

// Where nothing changes the publisher says that it is alive.
func TestAlive(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.PublisherAlive)
	cfg := simulated()
	cfg.Source = SourceCoinbase
	f, err := New(cfg, Parts{Bus: bustest.Connect(t, s, "one"), Node: "one", Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := f.bus.AcquireLease(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.hold(lease); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range 4 {
		f.turn(now.Add(time.Duration(i) * aliveEvery / 2))
	}
	if err := f.bus.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.flush(); len(w.msgs) != 2 {
		t.Errorf("%d words of life in 375 ms", len(w.msgs))
	}
}
