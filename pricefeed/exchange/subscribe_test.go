package exchange

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"tickerd/pricefeed/exchangetest"
	"tickerd/ticker"
)

// request waits for the next request.
func request(t *testing.T, c *exchangetest.Conn, want string) {
	t.Helper()
	if got := c.Read(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is wanted may change at any time, and the connection stays.
func TestSubscribe(t *testing.T) {
	p, _, c := connect(t)
	c.Send("price BTC-USD 1")
	p.expect("link true", "BTC-USD 1")
	p.client.Subscribe([]ticker.Symbol{"ETH-USD", "BTC-USD", "SOL-USD"})
	request(t, c, "subscribe ETH-USD SOL-USD")
	p.client.Subscribe([]ticker.Symbol{"SOL-USD", "ADA-USD"})
	request(t, c, "unsubscribe BTC-USD ETH-USD")
	request(t, c, "subscribe ADA-USD")
	c.Send("price BTC-USD 2") // sent before it had read the request
	c.Send("alive ETH-USD")
	c.Send("refused ETH-USD")
	c.Send("price ADA-USD 3")
	p.expect("ADA-USD 3")
	p.client.Subscribe([]ticker.Symbol{"SOL-USD", "BTC-USD"})
	request(t, c, "unsubscribe ADA-USD")
	request(t, c, "subscribe BTC-USD")
	if got := p.client.Stats(); got.Connects != 1 {
		t.Errorf("%+v", got)
	}
}

func TestRequestsAreParted(t *testing.T) {
	s := exchangetest.New(t)
	terms := impatient()
	terms.PerRequest = 2
	p := newPeer(t, s.URL(), terms, "A-USD", "B-USD", "C-USD", "D-USD", "E-USD").start()
	c := accept(t, s, "subscribe A-USD B-USD")
	request(t, c, "subscribe C-USD D-USD")
	request(t, c, "subscribe E-USD")
	p.client.Subscribe([]ticker.Symbol{"D-USD"})
	request(t, c, "unsubscribe A-USD B-USD")
	request(t, c, "unsubscribe C-USD E-USD")
}

// Two symbols may be the same market.
func TestSharedMarket(t *testing.T) {
	s := exchangetest.New(t)
	p := newPeer(t, s.URL(), impatient(), "BTC-USD", "BTC-USDT").start()
	c := accept(t, s, "subscribe BTC-USD")
	c.Send("price BTC-USD 1")
	c.Send("refused BTC-USD")
	p.expect("link true", "BTC-USD 1", "BTC-USDT 1", "BTC-USD served false", "BTC-USDT served false")
	p.client.Subscribe([]ticker.Symbol{"BTC-USDT", "ETH-USD"})
	request(t, c, "subscribe ETH-USD")
	c.Send("price BTC-USD 2")
	c.Send("alive BTC-USD")
	p.expect("BTC-USDT 2", "BTC-USDT served true")
}

// Without anything that is wanted there is no connection.
func TestNothingWanted(t *testing.T) {
	s := exchangetest.New(t)
	p := newPeer(t, s.URL(), impatient())
	p.client.Subscribe(nil)
	p.start()
	for range 3 {
		p.client.Subscribe([]ticker.Symbol{"BTC-USD"})
		c := accept(t, s, "subscribe BTC-USD")
		p.client.Subscribe(nil)
		if got := c.Ended(); got != ws.StatusNormalClosure {
			t.Errorf("closed with %d", got)
		}
		p.expect("link true", "link false")
	}
	p.stop()
	if len(p.ends) != 0 {
		t.Errorf("taken for a failure: %v", <-p.ends)
	}
}

func TestRefusals(t *testing.T) {
	p, s, c := connect(t)
	for _, msg := range []string{"refused BTC-USD", "refused BTC-USD", "alive BTC-USD", "refused XYZ-USD", "accepted BTC-USD", "alive BTC-USD", "refused BTC-USD", "price BTC-USD 1", "alive BTC-USD", "refused BTC-USD"} {
		c.Send(msg)
	}
	p.expect("link true", "BTC-USD served false", "BTC-USD served true", "BTC-USD served false", "BTC-USD 1", "BTC-USD served true", "BTC-USD served false")
	c.Drop()
	p.expect("link false", "link true")
	accept(t, s, "subscribe BTC-USD").Send("alive BTC-USD") // a refusal does not outlive its connection
	p.expect("BTC-USD served true")
}

// A list of subscriptions is compared with what had been asked for by then.
func TestListOfSubscriptions(t *testing.T) {
	s := exchangetest.New(t)
	terms := impatient()
	terms.PerRequest = 2
	p := newPeer(t, s.URL(), terms, "A-USD", "B-USD", "C-USD", "D-USD").start()
	c := accept(t, s, "subscribe A-USD B-USD")
	request(t, c, "subscribe C-USD D-USD")
	c.Send("subscribed")
	c.Send("subscribed A-USD")
	c.Send("subscribed A-USD D-USD X-USD")
	c.Send("subscribed A-USD B-USD D-USD")
	c.Send("alive B-USD")
	p.expect("link true", "B-USD served false", "C-USD served false", "B-USD served true")
}

func TestSeveralConnections(t *testing.T) {
	s := exchangetest.New(t)
	terms := impatient()
	terms.PerConnection = 2
	p := newPeer(t, s.URL(), terms, "A-USD", "B-USD", "C-USD").start()
	both := map[string]*exchangetest.Conn{}
	for range 2 {
		c := s.Accept()
		both[c.Read()] = c
	}
	ab, c := both["subscribe A-USD B-USD"], both["subscribe C-USD"]
	if ab == nil || c == nil {
		t.Fatalf("%v", both)
	}
	ab.Send("price A-USD 1")
	p.expect("link true", "A-USD 1")
	c.Send("price C-USD 2")
	p.expect("C-USD 2")
	ab.Drop() // the others go on
	p.expect("A-USD served false", "B-USD served false")
	c.Send("price C-USD 3")
	p.expect("C-USD 3")
	ab = accept(t, s, "subscribe A-USD B-USD")
	ab.Send("price A-USD 4")
	p.expect("A-USD 4")

	p.client.Subscribe([]ticker.Symbol{"B-USD", "C-USD", "D-USD", "E-USD", "F-USD"})
	request(t, ab, "unsubscribe A-USD")
	request(t, ab, "subscribe D-USD")
	request(t, c, "subscribe E-USD")
	f := accept(t, s, "subscribe F-USD")
	f.Send("price F-USD 5")
	p.expect("F-USD 5")
	p.client.Subscribe([]ticker.Symbol{"C-USD"})
	request(t, c, "unsubscribe E-USD")
	if ab.Ended() != ws.StatusNormalClosure || f.Ended() != ws.StatusNormalClosure {
		t.Error("a connection of which nothing is wanted goes on")
	}
	p.expect() // nobody is told of markets that are not wanted
	c.Drop()
	p.expect("link false", "link true")
}

// A market that comes back may be on another connection than before.
func TestMarketMoves(t *testing.T) {
	s := exchangetest.New(t)
	terms := impatient()
	terms.PerConnection = 2
	p := newPeer(t, s.URL(), terms, "A-USD", "B-USD", "C-USD").start()
	both := map[string]*exchangetest.Conn{}
	for range 2 {
		c := s.Accept()
		both[c.Read()] = c
	}
	p.client.Subscribe([]ticker.Symbol{"B-USD", "C-USD"})
	p.client.Subscribe([]ticker.Symbol{"B-USD", "C-USD", "D-USD", "A-USD"})
	request(t, both["subscribe A-USD B-USD"], "unsubscribe A-USD")
	request(t, both["subscribe A-USD B-USD"], "subscribe D-USD")
	request(t, both["subscribe C-USD"], "subscribe A-USD")
}

// Before an announced end there is another connection.
func TestRetire(t *testing.T) {
	p, s, c := connect(t)
	c.Send("price BTC-USD 1")
	c.Send("retire")
	c.Send("retire")
	next := accept(t, s, "subscribe BTC-USD")
	c.Send("price BTC-USD 2")
	p.expect("link true", "BTC-USD 1", "BTC-USD 2")
	next.Send("price BTC-USD 3")
	p.expect("BTC-USD 3")
	price := 4
	for ended := false; !ended; price++ { // with the first message when all may have been answered
		next.Send(fmt.Sprintf("price BTC-USD %d", price))
		p.expect(fmt.Sprintf("BTC-USD %d", price))
		ended = isGone(c)
	}
	next.Send(fmt.Sprintf("price BTC-USD %d", price))
	p.expect(fmt.Sprintf("BTC-USD %d", price))
	p.stop()
	p.expect("link false")
	if got := p.client.Stats(); got.Connects != 2 {
		t.Errorf("%+v", got)
	}
}

// isGone reports whether the client has said a proper goodbye.
func isGone(c *exchangetest.Conn) bool {
	return slices.Contains(c.Received(), exchangetest.Frame{Op: ws.OpClose, Payload: "\x03\xe8"})
}

// A connection that is to be replaced may end before that.
func TestRetiredTooLate(t *testing.T) {
	p, s, c := connect(t)
	s.Refuse(503, nil)
	c.Send("retire")
	err := receive(t, p.ends)
	if _, ok := errors.AsType[*StatusError](err); !ok { // of the replacement
		t.Error(err)
	}
	next := accept(t, s, "subscribe BTC-USD")
	c.Drop()
	next.Send("price BTC-USD 1")
	p.expect("link true", "BTC-USD 1")
	next.Drop()
	p.expect("link false", "link true")
}

func TestKeepAlive(t *testing.T) {
	s := exchangetest.New(t)
	terms := impatient()
	terms.Ping, terms.PingEvery = "are you there", terms.Retry
	newPeer(t, s.URL(), terms).start()
	c := accept(t, s, "subscribe BTC-USD")
	for range 3 {
		request(t, c, "are you there")
	}
}

func TestProtocolGivesUp(t *testing.T) {
	p, s, c := connect(t)
	for range 3 {
		c.Send("end")
		if err := receive(t, p.ends); !errors.Is(err, ErrTooOften) {
			t.Errorf("ended with %v", err)
		}
		c = accept(t, s, "subscribe BTC-USD")
	}
}

// What is counted.
func TestStats(t *testing.T) {
	p, _, c := connect(t)
	for _, msg := range []string{"bad", "bad", "complaint", "price BTC-USD 1", "price XYZ-USD 1", ""} {
		c.Send(msg)
		receive(t, p.msgs)
	}
	p.stop()
	if got := p.client.Stats(); got != (Stats{Attempts: 1, Connects: 1, Messages: 6, Bad: 2}) {
		t.Errorf("%+v", got)
	}
}

// listener is a sink that counts how many times something was heard.
type listener struct {
	nowhere
	heard atomic.Int64
}

func (l *listener) Heard() { l.heard.Add(1) }

// Any message is a sign of life, and nothing else is.
func TestHeard(t *testing.T) {
	s := exchangetest.New(t)
	p := newPeer(t, s.URL(), impatient())
	ctx, cancel := context.WithCancel(t.Context())
	var l listener
	done := make(chan error, 1)
	go func() { done <- p.client.Run(ctx, &l) }()
	c := accept(t, s, "subscribe BTC-USD")
	c.Ping("")
	for _, msg := range []string{"price BTC-USD 1", "bad", "whatever"} {
		c.Send(msg)
		receive(t, p.msgs)
	}
	cancel()
	if err := <-done; err != nil || l.heard.Load() != 3 {
		t.Errorf("heard %d times: %v", l.heard.Load(), err)
	}
}
