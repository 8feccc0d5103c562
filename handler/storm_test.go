package handler_test

import (
	"strconv"
	"testing"
	"time"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/bus/bustest"
)

// storm is how many connections come at once.
const storm = 10_000

// A turnstile is a verifier at which a worker stands until it is let through.
type turnstile struct{ at, through chan struct{} }

func (s turnstile) Verify(string) (auth.Token, error) {
	s.at <- struct{}{}
	<-s.through
	return auth.Token{}, auth.ErrTokenMalformed
}

// prices publishes ticks over a connection of its own, and counts them on
// another's.
type prices struct {
	t    testing.TB
	feed *bus.Conn
	came chan *bus.Msg
}

func newPrices(t testing.TB, s *bus.Server) *prices {
	t.Helper()
	p := &prices{t: t, feed: bustest.Connect(t, s, "feed"), came: make(chan *bus.Msg, 1<<12)}
	reader := bustest.Connect(t, s, "reader")
	if _, err := reader.SubscribeChan(bus.Prices, p.came); err != nil {
		t.Fatal(err)
	}
	if err := reader.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *prices) publish() {
	err := p.feed.Publish(bus.Prices, []byte(`{"type":"ticker","seq":1,"ts":1,"data":[{"symbol":"BTC-USD","price":42000.12,"timestamp":1700000000}]}`))
	if err != nil {
		p.t.Error(err)
	}
}

// flow publishes n ticks, each when the one before has arrived.
func (p *prices) flow(n int) {
	p.t.Helper()
	for range n {
		p.publish()
		select {
		case <-p.came:
		case <-time.After(timeout):
			p.t.Fatal("no tick comes through")
		}
	}
}

// Ten thousand clients come at once, more than a worker has room for, and find it
// busy. Prices flow all the same; then each is answered, in the order of their
// coming, and each leaves.
func TestStorm(t *testing.T) {
	door := turnstile{make(chan struct{}), make(chan struct{})}
	w := newWorld(t, options{workers: 1, verifier: door})
	ticks := newPrices(t, w.server)
	w.join(newJoin("first"))
	w.publish(bus.MessageOf("first"), []byte(`{"type":"refresh","token":"x"}`))
	<-door.at
	for i := range storm {
		w.publish(bus.JoinOf(strconv.Itoa(i)), newJoin(strconv.Itoa(i)))
	}
	w.flush(w.bus)
	ticks.flow(100)

	close(door.through)
	w.nextAnswer("first")
	for i := range storm {
		if a := w.nextAnswer(strconv.Itoa(i)); payloadOf(t, a).Type != "welcome" {
			t.Fatalf("%d: got %s", i, a.Payload)
		}
	}
	for i := range storm {
		w.publish(bus.LeaveOf(strconv.Itoa(i)), bus.Leave{})
	}
	ticks.flow(100)
	w.wantHeld(1)
	w.wantPong("first")
}

// BenchmarkStorm is how long it takes until ten thousand connections that come at
// once are answered, and how long the longest pause of a feed of 100 ticks a second
// is meanwhile.
func BenchmarkStorm(b *testing.B) {
	for range b.N {
		b.StopTimer()
		w := newWorld(b, options{})
		ticks := newPrices(b, w.server)
		stop, pause := make(chan struct{}), make(chan time.Duration)
		go func() { pause <- ticks.longestPause(stop) }()
		<-ticks.came
		b.StartTimer()
		for i := range storm {
			w.publish(bus.JoinOf(strconv.Itoa(i)), newJoin(strconv.Itoa(i)))
		}
		for range storm {
			w.next()
		}
		b.StopTimer()
		close(stop)
		b.ReportMetric(float64((<-pause).Microseconds())/1000, "ms/pause")
		w.stop()
		b.StartTimer()
	}
}

// longestPause publishes a tick every 10 ms until stop is closed.
func (p *prices) longestPause(stop <-chan struct{}) (longest time.Duration) {
	clock := time.NewTicker(10 * time.Millisecond)
	defer clock.Stop()
	p.publish()
	last := time.Now()
	for {
		select {
		case <-stop:
			return longest
		case <-clock.C:
			p.publish()
		case <-p.came:
			longest, last = max(longest, time.Since(last)), time.Now()
		}
	}
}
