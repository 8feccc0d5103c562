package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
	"tickerd/gateway/loop"
	"tickerd/ticker"
)

// Parts are what a gateway is made of besides its settings.
type Parts struct {
	Bus      *bus.Conn
	Node     string
	Verifier *auth.Verifier
	Policies *auth.Policies
	Limiter  *auth.Limiter
	Symbols  []ticker.Symbol // those that exist before their first price
	Page     http.Handler    // what answers at /
	Checks   []Check         // what /readyz asks for, besides the gateway itself
	Reach    func() error    // why nobody can be let in, as long as the cluster cannot be reached; nil: there is none
	Borrows  bool            // the keys are kept by other nodes alone
	Log      *slog.Logger
}

// A Check is one part that must be ready before the node is.
type Check struct {
	Name  string
	Ready func(context.Context) error
}

// A Gateway lets clients in and sends them what they may see. Make one with New,
// bind it with Listen, and let it live with Run.
type Gateway struct {
	began       time.Time // the times of connections are since then
	cfg         Config
	server      ServerConfig
	node        string
	bus         *bus.Conn
	verifier    *auth.Verifier
	policies    *auth.Policies
	limiter     *auth.Limiter
	origins     []string
	proxies     []netip.Prefix
	checks      []Check
	log         *slog.Logger
	rateLimited []byte // a frame
	reach       func() error
	borrows     bool
	hub         *fanout.Hub
	drivers     *loop.Pool
	courier     *courier
	follower    *follower
	places      *places
	census      *census
	metrics     *metrics
	handler     http.Handler
	trouble     rate.Sometimes // bounds what is logged of what is wrong on the bus
	retries     *rate.Limiter  // bounds the joins that are sent again

	heads    sync.Pool     // of *headRoom
	upgrades chan struct{} // has an element for each that is under way
	listener net.Listener
	subs     []*bus.Subscription
	follow   context.CancelFunc // ends what follows the bus,
	follows  sync.WaitGroup     // which is waited for
	http     *http.Server
	plain    *handover // connections that are for net/http

	serving sync.WaitGroup // every connection, from accept to leave

	mu       sync.Mutex
	conns    map[string]*conn
	greeting map[net.Conn]struct{} // accepted, and its request not read yet
	draining bool
	drainEnd time.Time
	empty    chan struct{} // closed when draining and conns is empty
	emptied  sync.Once
	closed   bool // nobody is served any more
}

// New makes a gateway.
func New(cfg Config, server ServerConfig, p Parts) (*Gateway, error) {
	proxies, err := parseProxies(server.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	g := &Gateway{
		began:    time.Now(),
		cfg:      cfg,
		server:   server,
		node:     p.Node,
		bus:      p.Bus,
		verifier: p.Verifier,
		policies: p.Policies,
		limiter:  p.Limiter,
		origins:  server.AllowedOrigins,
		proxies:  proxies,
		checks:   p.Checks,
		reach:    p.Reach,
		borrows:  p.Borrows,
		log:      p.Log,
		rateLimited: frame.AppendText(nil, fmt.Appendf(nil,
			`{"type":"error","code":"rate_limited","message":"more than %d messages a second"}`, cfg.MessageRate)),
		drivers:  loop.New(),
		courier:  newCourier(p.Bus, p.Log),
		places:   newPlaces(cfg),
		conns:    map[string]*conn{},
		greeting: map[net.Conn]struct{}{},
		empty:    make(chan struct{}),
		upgrades: make(chan struct{}, 2*runtime.GOMAXPROCS(0)),
		heads:    sync.Pool{New: func() any { return new(headRoom) }},
		trouble:  rate.Sometimes{First: 1, Interval: 10 * time.Second},
		retries:  rate.NewLimiter(maxRetries, maxRetries),
	}
	g.hub = fanout.NewHub(g.drivers.Changed)
	g.hub.Expect(p.Symbols)
	g.metrics = newMetrics(g)
	g.follower = newFollower(g)
	g.census = newCensus(g)
	g.handler = g.routes(p.Page)
	return g, nil
}

// Listen binds the address, Addr tells which it became, and begins to follow the
// bus. After it comes Run, or Close.
func (g *Gateway) Listen(ctx context.Context) error {
	l, err := listen(ctx, g.server.Listen, g.server.ReusePort)
	if err != nil {
		return fmt.Errorf("server.listen: %w", err)
	}
	if g.server.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(g.server.TLSCert, g.server.TLSKey)
		if err != nil {
			l.Close()
			return fmt.Errorf("load TLS certificate: %w", err)
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	return g.listenOn(ctx, l)
}

// listenOn is Listen with a listener.
func (g *Gateway) listenOn(ctx context.Context, l net.Listener) error {
	g.listener = l
	g.plain = newHandover(l.Addr())
	if err := g.subscribe(ctx); err != nil {
		return errors.Join(err, g.Close())
	}
	return nil
}

// Close undoes Listen, where Run is not called.
func (g *Gateway) Close() error {
	g.unsubscribe()
	return g.listener.Close()
}

// Addr is where the gateway listens.
func (g *Gateway) Addr() net.Addr { return g.listener.Addr() }

// Run serves until ctx ends, then drains: each client is told when to come back
// elsewhere, and sent away at that time. It returns when everything has ended.
func (g *Gateway) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()

	defer g.unsubscribe()
	parts.Go(func() { g.drivers.Run(inner) })
	parts.Go(func() { _ = g.hub.Run(inner) })
	delivered := make(chan struct{})
	courier, dismiss := context.WithCancel(inner)
	defer dismiss()
	parts.Go(func() {
		defer close(delivered)
		g.courier.Run(courier)
	})

	g.http = &http.Server{
		Handler:           g.handler,
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
	parts.Go(func() { _ = g.http.Serve(g.plain) }) // ends with ErrServerClosed
	parts.Go(g.accept)

	<-ctx.Done()
	g.drain()
	g.shut()
	dismiss()
	<-delivered
	if err := g.bus.Flush(inner); err != nil {
		g.log.Warn("last leaves", "err", err)
	}
	return nil
}

// subscribe listens to what the gateway needs from the bus, and follows it.
func (g *Gateway) subscribe(ctx context.Context) error {
	s, err := g.bus.Subscribe(bus.Address(g.node, "*"), g.onAnswer)
	if err != nil {
		return err
	}
	g.subs = append(g.subs, s)
	if err := errors.Join(g.follower.open(), g.census.open()); err != nil {
		return err
	}
	if err := g.bus.Flush(ctx); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	ctx, g.follow = context.WithCancel(context.WithoutCancel(ctx))
	g.follows.Go(func() { g.follower.run(ctx) })
	g.follows.Go(func() { g.census.run(ctx) })
	return nil
}

// unsubscribe ends what subscribe has begun.
func (g *Gateway) unsubscribe() {
	if g.follow != nil {
		g.follow()
		g.follows.Wait()
	}
	g.follower.close()
	g.census.close()
	for _, s := range g.subs {
		_ = s.Unsubscribe() // fails only where the bus is gone already
	}
}

func (g *Gateway) onAnswer(m *bus.Msg) {
	g.mu.Lock()
	c := g.conns[bus.AddressID(m.Subject)]
	g.mu.Unlock()
	if c != nil {
		c.receive(m)
	}
}

// Primed is closed when there is a price to begin with.
func (g *Gateway) Primed() <-chan struct{} { return g.follower.primed }

// Touch tells whether this node is in touch with the others. While it is not, all prices
// are stale; when it is again, what was missed meanwhile is asked for.
func (g *Gateway) Touch(in bool) {
	g.follower.apart.Store(!in)
	if in {
		g.census.ask()
	}
}

// Gone forgets what was known of a node that is no more. Joins that it may have taken
// with it are sent again.
func (g *Gateway) Gone(node string) {
	g.census.forget(node)
	g.drivers.Each(func(now time.Time, c loop.Conn) { c.(*conn).retry(now, joinPause) })
}

// Newest is the newest tick that clients have been sent: its term, its seq, and how old
// it was when it came.
func (g *Gateway) Newest() (term, seq uint64, lag time.Duration) { return g.hub.Newest() }

// Revoked closes the connections that stand on what was revoked; the verifier
// knows it already.
func (g *Gateway) Revoked([]bus.Revocation) {
	g.drivers.Each(func(now time.Time, c loop.Conn) { c.(*conn).recheck(now) })
}

// all is every connection now.
func (g *Gateway) all() []*conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.AppendSeq(make([]*conn, 0, len(g.conns)), maps.Values(g.conns))
}

// Connections is how many connections there are.
func (g *Gateway) Connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

// open gives a connection that was admitted, and answered, to a driver. Early is what
// the client sent right behind its request.
func (g *Gateway) open(sock net.Conn, a admission, encoding fanout.Encoding, early []byte) {
	rules := ticker.Rules(a.wish.symbols)
	if rules == nil {
		rules = ticker.Rules{ticker.Everything}
	}
	now := g.at(time.Now())
	c := &conn{
		gw:       g,
		id:       bus.NewID(),
		addr:     a.addr,
		opened:   now,
		heard:    now,
		token:    a.token,
		scope:    a.scope,
		since:    a.wish.since,
		parser:   frame.Parser{MaxMessage: maxMessage, Deflate: encoding == fanout.Deflate},
		encoding: encoding,
		hearing:  protocols[encoding].hearing,
		rules:    rules.Hold(),
		interval: a.wish.interval,
		cursor:   fanout.NewCursor(g.hub),
	}
	c.resumes = c.since != nil && g.hub.CanResume(*c.since)
	if !g.enter() {
		g.places.give(a.token.UserID, a.addr)
		sock.Close()
		return
	}
	g.drivers.Add(sock, func(l loop.Link) loop.Conn {
		c.link = l
		g.add(c, early)
		return c
	})
}

// at is a time as connections keep it, more than 0.
func (g *Gateway) at(t time.Time) time.Duration { return max(t.Sub(g.began), 1) }

// enter counts a connection that will leave, unless nobody is served any more.
func (g *Gateway) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.serving.Add(1)
	return true
}

// add makes a connection known, so that answers, revocations and the drain find
// it, and begins its life.
func (g *Gateway) add(c *conn, early []byte) {
	now := time.Now()
	g.mu.Lock()
	g.conns[c.id] = c
	draining, end, closed := g.draining, g.drainEnd, g.closed
	g.mu.Unlock()
	g.metrics.opened.Inc()
	c.join(now)
	if draining {
		c.drain(now, end)
	}
	c.recheck(now) // since it was admitted
	if closed {
		c.cut(now)
	}
	if len(early) > 0 {
		c.Receive(now, early)
	}
}

// remove forgets a connection that has left.
func (g *Gateway) remove(c *conn) {
	defer g.serving.Done()
	g.metrics.closed.WithLabelValues(c.ending.label()).Inc()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c.id)
	if g.draining && len(g.conns) == 0 {
		g.emptied.Do(func() { close(g.empty) }) // one that comes late may be the last again
	}
}

func (g *Gateway) isDraining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// drain sends every connection away, each at its own time within DrainSpread,
// and waits until they are gone, DrainTimeout at most.
func (g *Gateway) drain() {
	g.mu.Lock()
	now := time.Now()
	spread := min(g.server.DrainSpread, g.server.DrainTimeout)
	g.draining, g.drainEnd = true, now.Add(spread)
	conns := slices.Collect(maps.Values(g.conns))
	if len(conns) == 0 {
		g.emptied.Do(func() { close(g.empty) })
	}
	g.mu.Unlock()
	g.log.Info("draining", "connections", len(conns), "spread", spread)
	rand.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] })
	for i, c := range conns {
		at := now.Add(spread * time.Duration(i+1) / time.Duration(len(conns)))
		c.link.Post(func(now time.Time) { c.drain(now, at) })
	}
	timeout := time.NewTimer(g.server.DrainTimeout)
	defer timeout.Stop()
	select {
	case <-g.empty:
	case <-timeout.C:
		g.log.Warn("drain timeout", "connections", g.Connections())
	}
}

// shut ends what is left: the listener, requests in progress, connections.
func (g *Gateway) shut() {
	g.mu.Lock()
	g.closed = true
	silent := slices.Collect(maps.Keys(g.greeting))
	g.mu.Unlock()
	for _, sock := range silent {
		bare(sock).Close() // without the good-bye of TLS, which may have to wait
	}
	if err := g.listener.Close(); err != nil {
		g.log.Warn("close listener", "err", err)
	}
	for _, c := range g.all() {
		c.link.Post(c.cut)
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := g.http.Shutdown(ctx); err != nil {
		_ = g.http.Close() // the sockets that are left
	}
	g.serving.Wait()
}
