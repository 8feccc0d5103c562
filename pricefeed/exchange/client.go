package exchange

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tickerd/ticker"
)

// Terms are what an exchange asks of its clients, and what an adapter knows of
// the exchange.
type Terms struct {
	ConnectEvery  time.Duration // at least between two attempts to connect
	MessageEvery  time.Duration // at least between two messages sent over a connection, pongs aside: one a second
	PerRequest    int           // markets that a request may name
	PerConnection int           // markets that a connection may have; 0: all
	Lifetime      time.Duration // after which a connection is replaced, or a little earlier; 0: never
	Retry         time.Duration // the first wait after a failure is at most this
	Silence       time.Duration // without a message a connection is given up
	Ping          string        // a message that shows the exchange that we are there
	PingEvery     time.Duration // between two of these; 0: none
}

// A Client keeps connections to an exchange up, as many as its terms ask for: it
// connects, by way of the proxy that the environment names, asks for the markets that
// are wanted, and connects anew when a connection has ended.
type Client struct {
	url      string
	terms    Terms
	protocol Protocol
	log      *slog.Logger
	dials    *rate.Limiter // of all lines, as exchanges count by address
	ban      ban           // of all lines, too

	proxy   func(*http.Request) (*url.URL, error)
	netDial func(ctx context.Context, network, addr string) (net.Conn, error)
	tls     *tls.Config // of the exchange, and of a proxy; nil: the system's

	counters     counters
	badLog       rate.Sometimes
	complaintLog rate.Sometimes

	// mu is held while a message is handled: what several connections tell of a
	// market comes to the sink in the order in which it was judged.
	mu      sync.Mutex
	sink    Sink
	markets map[string]*market // that are wanted, by the exchange's names
	lines   []*line
	changed chan struct{} // closed, and made anew, when something else is wanted
}

// NewClient makes a client of the exchange at url, a complete ws:// or wss://
// address, of which nothing is wanted yet.
func NewClient(url string, terms Terms, protocol Protocol, log *slog.Logger) *Client {
	return &Client{
		url:          url,
		terms:        terms,
		protocol:     protocol,
		log:          log,
		dials:        rate.NewLimiter(rate.Every(terms.ConnectEvery), 1),
		proxy:        http.ProxyFromEnvironment,
		netDial:      (&net.Dialer{}).DialContext,
		badLog:       rate.Sometimes{First: 3, Interval: time.Minute},
		complaintLog: rate.Sometimes{First: 10, Interval: time.Minute},
		changed:      make(chan struct{}),
	}
}

// Stats may be called at any time.
func (c *Client) Stats() Stats { return c.counters.stats() }

// Subscribe makes symbols all that is wanted of the exchange. Connections follow
// without being made anew. It may be called at any time, and does not wait.
func (c *Client) Subscribe(symbols []ticker.Symbol) {
	c.mu.Lock()
	defer c.mu.Unlock()
	markets := make(map[string]*market, len(symbols))
	var names []string
	for _, s := range symbols {
		name := c.protocol.Name(s)
		m := markets[name]
		if m == nil {
			m = &market{}
			if known := c.markets[name]; known != nil {
				*m = *known
				m.symbols = nil
			}
			markets[name] = m
			names = append(names, name)
		}
		m.symbols = append(m.symbols, s)
	}
	c.markets = markets
	c.assign(names)
	close(c.changed)
	c.changed = make(chan struct{})
}

// assign gives each market a line: the one that it is on already, or else the first
// that has room.
func (c *Client) assign(names []string) {
	for _, l := range c.lines {
		l.names = nil
	}
	var homeless []string
	for _, name := range names {
		if l := c.markets[name].line; l != nil {
			l.names = append(l.names, name)
		} else {
			homeless = append(homeless, name)
		}
	}
	for _, name := range homeless {
		i := slices.IndexFunc(c.lines, func(l *line) bool {
			return c.terms.PerConnection == 0 || len(l.names) < c.terms.PerConnection
		})
		if i < 0 {
			i = len(c.lines)
			c.lines = append(c.lines, &line{client: c})
		}
		c.markets[name].line = c.lines[i]
		c.lines[i].names = append(c.lines[i].names, name)
	}
}

// Run connects and reconnects until ctx ends, and tells sink of every change. It
// returns nil, after the last word. It is called once.
func (c *Client) Run(ctx context.Context, sink Sink) error {
	c.mu.Lock()
	c.sink = sink
	c.mu.Unlock()
	var kept sync.WaitGroup
	defer kept.Wait()
	for started := 0; ; {
		lines, changed := c.wanted()
		for _, l := range lines[started:] {
			kept.Go(func() { l.keep(ctx) })
		}
		started = len(lines)
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// wanted is all lines, and what is closed when something else is wanted.
func (c *Client) wanted() ([]*line, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines, c.changed
}

// changes is closed when something else is wanted.
func (c *Client) changes() <-chan struct{} {
	_, changed := c.wanted()
	return changed
}

// isWanted reports whether anything is wanted on l.
func (c *Client) isWanted(l *line) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(l.names) > 0
}

// up takes in a connection that has been made.
func (c *Client) up(conn *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isUp() {
		c.sink.Link(true)
	}
	conn.line.up(conn)
}

// down takes out a connection that has ended. Where it was the last of its line but not
// of all, the line's markets are not served.
func (c *Client) down(conn *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.line.down(conn)
	switch {
	case !c.isUp():
		c.sink.Link(false)
	case len(conn.line.conns) == 0:
		for _, name := range conn.line.names {
			c.serve(c.markets[name], false)
		}
	}
}

// isUp reports whether there is any connection.
func (c *Client) isUp() bool {
	return slices.ContainsFunc(c.lines, func(l *line) bool { return len(l.conns) > 0 })
}

// relieve ends the connections that conn has taken the place of.
func (c *Client) relieve(conn *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.line.relieve(conn)
}

// handle takes a message of a connection.
func (c *Client) handle(conn *Conn, msg []byte) error {
	c.counters.messages.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sink.Heard()
	return c.protocol.Handle(conn, msg)
}

// serve tells whether the symbols of a market are served.
func (c *Client) serve(m *market, served bool) {
	for _, s := range m.symbols {
		c.sink.Market(s, served)
	}
}
